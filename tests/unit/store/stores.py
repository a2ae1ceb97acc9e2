"""Machines and stores for tests of their parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
from uuid_utils.compat import uuid7

from gater.model.commands import Append, StreamWrite
from gater.model.events import JSON, RawEvent
from gater.model.expected_version import ANY
from gater.model.limits import Limits
from gater.store.connection import open_memory
from gater.store.machine import Machine
from gater.store.opening import create_content
from gater.store.store import Store, new_config, open_memory_store


def new_machine(connection: apsw.Connection | None = None) -> Machine:
    """A machine on an empty store in memory."""
    connection = connection or open_memory()
    create_content(connection, new_config("s", Path("unused"), memory=True), numbers=0, history="0123456789abcdef")
    return Machine(connection, "memory")


def raw_event(number: int, event_type: str = "T", data: bytes = b"{}") -> RawEvent:
    """An event whose id is this number."""
    return RawEvent(UUID(int=number).bytes, event_type, JSON, data)


def append(stream: str, numbers: Sequence[int], expected: int = ANY, created: int = 0) -> Append:
    """An append of events with these numbers as ids."""
    return Append(created, (StreamWrite(stream, tuple([raw_event(number) for number in numbers]), expected),))


def content(connection: apsw.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is in a store, table by table, except how it was made."""
    tables = ("streams", "event_types", "events", "runs", "type_blocks", "snapshots", "subscriptions", "parked")
    found = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    found["meta"] = sorted(connection.execute("SELECT * FROM meta WHERE name != 'config'"))
    return found


@asynccontextmanager
async def memory_store(**limits: Any) -> AsyncGenerator[Store, None]:
    """A store in memory, open."""
    store = open_memory_store(new_config("s", Path("unused"), memory=True), Limits(**limits))
    try:
        yield store
    finally:
        await store.close()


async def write(store: Store, stream: str, *events: RawEvent, created: int = 0) -> int:
    """Append events to a stream of an open store; returns the position of the last."""
    result = await store.run(Append(created, (StreamWrite(stream, events),)))
    return int(result[0].position)


def event_of(event_type: str = "T", data: bytes = b"{}", metadata: bytes | None = None) -> RawEvent:
    """An event with an id of its own."""
    return RawEvent(uuid7().bytes, event_type, JSON, data, metadata)
