"""The answers of the routes: every JSON value by its shape, and its sending."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar.types import HTTPScope, Receive, Send

from gater.model.commands import WriteResult
from gater.model.errors import OverloadedError
from gater.model.stores import StoreConfig, StoreInfo, StoreStatus
from gater.server.outgoing import Outlet
from gater.wire.errors import error_body, http_status
from gater.wire.server_session import SMALL_BYTES

JSON: Final = "application/json"
OUTLET: Final = "gater.outlet"
"""Key of the outlet of its connection in the scope of a request."""
ADMIT: Final = "gater.admit"
"""Key of what is to be called there once the sender of a request is admitted: it keeps the slot of its connection."""

encode: Final = msgspec.json.Encoder().encode


class Answer:
    """A whole answer. As litestar's own responses it is an ASGI application, at a third of their cost."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(
        self, body: bytes, status: int = 200, media_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        self._body = body
        self._status = status
        self._headers = start_headers(media_type, headers)
        self._headers.append((b"content-length", b"%d" % len(body)))

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Send it; a large one for which there is no room is not sent: the error is."""
        if len(self._body) <= SMALL_BYTES:
            await self._send(send)
            return
        outlet = outlet_of(scope)
        if not outlet.has_room(len(self._body)):
            await refusal(outlet.overload)._send(send)
            return
        with outlet.reserved(len(self._body)):
            await self._send(send)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def outlet_of(scope: HTTPScope) -> Outlet:
    """The outlet of the connection of a request: it counts unsent bytes."""
    outlet: Outlet = scope["state"][OUTLET]
    return outlet


def refusal(error: OverloadedError) -> Answer:
    """The answer that there is no room for another."""
    return Answer(encode(error_body(error)), http_status(error), headers={"retry-after": "1"})


def start_headers(media_type: str, headers: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    """The first headers of an answer."""
    more = [] if headers is None else [(name.encode(), value.encode()) for name, value in headers.items()]
    return [(b"content-type", media_type.encode()), *more]


def json_answer(value: Any, status: int = 200) -> Answer:
    """The value as JSON."""
    return Answer(encode(value), status)


class Written(msgspec.Struct, frozen=True):
    """The result of a write: the stream's last version, the store's position, and the durability."""

    version: int
    position: int
    durability: str


class WrittenStreams(msgspec.Struct, frozen=True):
    """The results of an append to several streams, in their order."""

    results: list[Written]


class ShownEvent(msgspec.Struct, frozen=True):
    """An event as JSON: `data` is the JSON value, or base64 text when `content_type` is not `application/json`."""

    stream_id: str
    version: int
    position: int
    event_id: UUID
    event_type: str
    data: Any
    content_type: str
    metadata: dict[str, Any]
    created: datetime
    created_epoch: int


class StreamPage(msgspec.Struct, frozen=True):
    """Events of a stream; when more follow, `next` is the `start_version` to go on with."""

    events: list[ShownEvent]
    next: int | None


class StorePage(msgspec.Struct, frozen=True):
    """Events of a store; when more follow, `next` is the `after` to go on with."""

    events: list[ShownEvent]
    next: int | None


class StreamVersion(msgspec.Struct, frozen=True):
    """The version of a stream's last event; -1 when it was never written to."""

    version: int


class StreamIds(msgspec.Struct, frozen=True):
    """Ids of streams, in order; when there are more, `next` is the `after` to go on with."""

    streams: list[str]
    next: str | None


class ShownStore(msgspec.Struct, frozen=True):
    """A store: how it was made, and how it is doing."""

    config: StoreConfig
    status: StoreStatus


class ShownSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as JSON: `data` is base64 text when `content_type` is not `application/json`."""

    source_uuid: str
    stream_uuid: str
    version: int
    source_type: str
    source_version: int
    data: Any
    content_type: str
    metadata: dict[str, Any]
    created_at: datetime
    created_epoch: int


class ShownSnapshots(msgspec.Struct, frozen=True):
    """Snapshots, ordered by source, stream and version."""

    snapshots: list[ShownSnapshot]


class StoreList(msgspec.Struct, frozen=True):
    """The stores, ordered by name."""

    stores: list[StoreInfo]


class Removed(msgspec.Struct, frozen=True):
    """The number of hidden events that were removed."""

    removed: int


class Imported(msgspec.Struct, frozen=True):
    """The number of imported events, and the number of new ones among them."""

    received: int
    imported: int


class Verified(msgspec.Struct, frozen=True):
    """The result of a check of a store."""

    ok: bool
    store: str
    events: int
    streams: int
    position: int
    problems: list[str]


class Health(msgspec.Struct, frozen=True):
    """`live`, or `ready`."""

    status: str


class ErrorFacts(msgspec.Struct, frozen=True):
    """The stable code of a failure, a sentence for people, and its fields."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorBody(msgspec.Struct, frozen=True):
    """The answer for every failure."""

    error: ErrorFacts


def written(result: WriteResult) -> Written:
    """The result of a write as JSON shows it."""
    return Written(result.version, result.position, result.durability)
