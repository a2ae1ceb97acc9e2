"""What the routes answer: every JSON value by its shape."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar.response.base import ASGIResponse

from gater.model.commands import WriteResult
from gater.model.stores import StoreConfig, StoreInfo, StoreStatus

JSON: Final = "application/json"

encode: Final = msgspec.json.Encoder().encode


class Written(msgspec.Struct, frozen=True):
    """What a write did: the stream's last version, the store's position, and how safe it is."""

    version: int
    position: int
    durability: str


class WrittenStreams(msgspec.Struct, frozen=True):
    """What an append to several streams did, in their order."""

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
    """Events of a stream; when more were asked for, `next` is the `start_version` to go on with."""

    events: list[ShownEvent]
    next: int | None


class StorePage(msgspec.Struct, frozen=True):
    """Events of a store; when more were asked for, `next` is the `after` to go on with."""

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
    """How many hidden events were removed."""

    removed: int


class Imported(msgspec.Struct, frozen=True):
    """How many events came in, and how many of them were new."""

    received: int
    imported: int


class Verified(msgspec.Struct, frozen=True):
    """What a check of a store found."""

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
    """How every failure is answered."""

    error: ErrorFacts


def json_answer(value: Any, status: int = 200) -> ASGIResponse:
    """The value as JSON."""
    return ASGIResponse(body=encode(value), media_type=JSON, status_code=status)


def nothing() -> ASGIResponse:
    """An answer without content."""
    return ASGIResponse(status_code=204)


def written(result: WriteResult) -> Written:
    """The result of a write as JSON shows it."""
    return Written(result.version, result.position, result.durability)
