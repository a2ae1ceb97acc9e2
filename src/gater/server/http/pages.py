"""The description of the API: as JSON, and as a page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from gater.server.docs_page import docs_page
from gater.server.http.answers import Answer, encode
from gater.server.openapi import openapi_document

DOCUMENT_TYPE: Final = "application/vnd.oai.openapi+json"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def description_routes(routes: Iterable[HTTPRouteHandler]) -> tuple[HTTPRouteHandler, ...]:
    """The routes that describe these routes."""
    described = tuple(routes)

    @get("/openapi.json")
    async def openapi_json() -> Answer:
        """The description of the API, for programs."""
        return Answer(_as_json(described), media_type=DOCUMENT_TYPE)

    @get(["/", "/docs"])
    async def docs() -> Answer:
        """The description of the API, for people."""
        return Answer(
            _as_page(described), media_type="text/html; charset=utf-8", headers={"content-security-policy": POLICY}
        )

    return openapi_json, docs


@cache
def _as_json(routes: tuple[HTTPRouteHandler, ...]) -> bytes:
    """Made when it is first asked for: most nodes are never asked."""
    return encode(openapi_document(routes))


@cache
def _as_page(routes: tuple[HTTPRouteHandler, ...]) -> bytes:
    return docs_page(openapi_document(routes)).encode()
