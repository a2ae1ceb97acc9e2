"""The ASGI application: the routes of HTTP, and what wraps them all."""

from __future__ import annotations

import asyncio
from typing import Final, cast
from urllib.parse import quote

from litestar import Litestar
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPDisconnectEvent, HTTPRequestEvent, Message, Receive, Scope, Send

from gater.server.http import (
    durable,
    health,
    metrics,
    parked,
    pubsub,
    reads,
    settling,
    snapshots,
    stores,
    streams,
    subscriptions,
)
from gater.server.http.answers import json_answer
from gater.server.http.failures import FAILURE_HANDLERS
from gater.server.http.pages import description_routes
from gater.server.http.paths import wrong_path
from gater.server.service import Service
from gater.wire.errors import error_body, http_status

ROUTES: Final = (
    *stores.ROUTES,
    *streams.ROUTES,
    *reads.ROUTES,
    *snapshots.ROUTES,
    *subscriptions.ROUTES,
    *durable.ROUTES,
    *settling.ROUTES,
    *parked.ROUTES,
    *pubsub.ROUTES,
    *health.ROUTES,
    *metrics.ROUTES,
)
"""Every route of the API, in the order of its description."""


def build_app(service: Service) -> ASGIApp:
    """The application that serves the API over HTTP."""
    app = Litestar(
        route_handlers=[*ROUTES, *description_routes(ROUTES)],
        exception_handlers=FAILURE_HANDLERS,
        state=State({"service": service}, deep_copy=False),
        openapi_config=None,
        logging_config=None,
    )
    return _on_paths_as_sent(_answering_head(app))


def _answering_head(app: ASGIApp) -> ASGIApp:
    """The application, which answers HEAD with the head of what it answers to GET."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        begun = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                begun.set()

        async def receive_until_begun() -> HTTPDisconnectEvent | HTTPRequestEvent:
            # What would be sent for as long as somebody reads has nobody to read it.
            await begun.wait()
            return {"type": "http.disconnect"}

        await app(cast("Scope", {**scope, "method": "GET"}), receive_until_begun, send_head)

    return answered


def _on_paths_as_sent(app: ASGIApp) -> ASGIApp:
    """The application, routed by the path as it was sent: a slash in a name comes as %2F and must not divide it."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            raw = scope.get("raw_path")
            path = scope["path"] = raw.decode("ascii", "replace") if raw else quote(scope["path"])
            wrong = wrong_path(path)
            if wrong is not None:
                await json_answer(error_body(wrong), http_status(wrong))(scope, receive, send)
                return
        await app(scope, receive, send)

    return routed
