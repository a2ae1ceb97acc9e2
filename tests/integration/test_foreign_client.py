"""A client that checks nothing: what it sends is refused, and what others send in the same turn is answered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

import gater
from gater import GaterApi, NewEvent, ValidationError
from gater.api.operations import AppendStreams, ImportPage, RecordSnapshotOperation
from gater.api.pubsub_operations import Publish
from gater.model.commands import StreamWrite
from gater.model.events import JSON, ImportedEvent, RawEvent
from gater.model.snapshots import Snapshot
from tests.contract.unreadable import READABLE, UNREADABLE
from tests.integration.served import node


@asynccontextmanager
async def connected(folder: Path) -> AsyncGenerator[GaterApi, None]:
    async with node(folder) as running, gater.connect(running.url) as api:
        yield api


def raw_event(number: int, data: bytes = b"{}", metadata: bytes | None = None) -> RawEvent:
    return RawEvent(number.to_bytes(16, "big"), "T", JSON, data, metadata)


async def outcome(api: GaterApi, operation: Any) -> Any:
    """What a foreign client is answered, and that another's append beside it is answered as well."""
    refused, sound = await asyncio.gather(
        api._caller.call(operation), api.append_events("orders", "sound", [NewEvent("T")]), return_exceptions=True
    )
    assert not isinstance(sound, BaseException), sound
    return refused


def asked_with(raw: bytes) -> dict[str, list[Any]]:
    """Operations that hold this JSON, by the field in which they do."""
    snapshot = Snapshot("a", "b", 1, JSON, raw, None, "", 1, 1)
    return {
        "data": [
            AppendStreams("orders", (StreamWrite("s", (raw_event(1, data=raw),)),)),
            ImportPage("orders", (ImportedEvent("s", 0, 1, raw_event(2, data=raw)),)),
            RecordSnapshotOperation("orders", snapshot),
        ],
        "metadata": [
            AppendStreams("orders", (StreamWrite("s", (raw_event(3, metadata=raw),)),)),
            ImportPage("orders", (ImportedEvent("s", 0, 1, raw_event(4, metadata=raw)),)),
            RecordSnapshotOperation("orders", Snapshot("a", "b", 1, JSON, b"{}", raw, "", 1, 1)),
        ],
    }


async def test_what_some_reader_cannot_decode_is_refused(tmp_path: Path) -> None:
    async with (
        connected(tmp_path) as api,
        api.pubsub("events").subscribe("*"),  # so that all that is committed is announced
    ):
        for name, raw in UNREADABLE.items():
            for field, asked in asked_with(raw).items():
                for operation in asked:
                    refused = await outcome(api, operation)
                    assert isinstance(refused, ValidationError), (name, operation.name, refused)
                    assert refused.details["field"] == field
        assert await api.get_streams("orders") == ["sound"]


async def test_what_every_reader_can_decode_is_taken(tmp_path: Path) -> None:
    async with connected(tmp_path) as api:
        for number, raw in enumerate(READABLE.values()):
            write = StreamWrite("readable", (raw_event(100 + number, data=raw, metadata=raw),))
            assert not isinstance(await outcome(api, AppendStreams("orders", (write,))), BaseException)
        found = await api.get_events("orders", "readable")
    assert [event.raw_data for event in found] == list(READABLE.values())
    assert all(event.data == event.metadata for event in found)


async def test_messages_that_some_listener_could_not_be_given_are_refused(tmp_path: Path) -> None:
    nested: Any = 1
    for _ in range(600):
        nested = [nested]
    async with connected(tmp_path) as api, api.pubsub("events").subscribe("t") as messages:
        for body in (math.nan, [-math.inf], nested, {None: 1}, {(1, 2): 3}, msgspec.msgpack.Ext(5, b"x")):
            assert isinstance(await outcome(api, Publish("events", "t", body)), ValidationError), body
        assert await outcome(api, Publish("events", "t", "next")) == 1
        assert (await anext(messages)).body == "next"
