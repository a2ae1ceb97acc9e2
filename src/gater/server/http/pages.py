"""The description of the API: as JSON, and as a page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from gater.server.docs_page import docs_page
from gater.server.http.answers import encode
from gater.server.openapi import openapi_document

DOCUMENT_TYPE: Final = "application/vnd.oai.openapi+json"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def description_routes(routes: Iterable[HTTPRouteHandler]) -> tuple[HTTPRouteHandler, ...]:
    """The routes that describe these routes."""
    document = openapi_document(routes)
    as_json, as_page = encode(document), docs_page(document).encode()

    @get("/openapi.json")
    async def openapi_json() -> ASGIResponse:
        """The description of the API, for programs."""
        return ASGIResponse(body=as_json, media_type=DOCUMENT_TYPE)

    @get(["/", "/docs"])
    async def docs() -> ASGIResponse:
        """The description of the API, for people."""
        return ASGIResponse(body=as_page, media_type="text/html", headers={"content-security-policy": POLICY})

    return openapi_json, docs
