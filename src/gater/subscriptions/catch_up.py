"""Following a stream or a whole store from any point on: from the file, then from the tail, without gap or repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import apsw

from gater.model.errors import StoreUnavailableError
from gater.model.expected_version import LARGEST_VERSION
from gater.model.limits import PAGE_EVENTS
from gater.store.machine import EventRow
from gater.store.reader import Page
from gater.store.store import Store


async def follow_all(store: Store, after: int | None) -> AsyncGenerator[list[EventRow], None]:
    """Pages of events behind position `after` (None: from now on), for ever; an empty page says: caught up.

    A reader that is slower than the writers goes on from the file; nothing is kept for it in memory.
    """
    cursor = store.tail.position if after is None else after
    told = False
    while True:
        events = store.tail.after(cursor, PAGE_EVENTS)
        if events is None:
            page = read_page(store, cursor)
            events, cursor = page.events, page.next or max(cursor, store.tail.position)
            told = False
            if not events:
                await asyncio.sleep(0)
                continue
        elif events:
            cursor = events[-1][2]
        elif not told:
            told = True
        else:
            await next_event(store, None)
            continue
        yield events
        await asyncio.sleep(0)


async def next_event(store: Store, stream_id: str | None) -> None:
    """Return after the next event of the stream (None: of the store); StoreUnavailableError when none will come."""
    await store.tail.wakeups.wait(stream_id)
    if store.tail.wakeups.closed:
        raise StoreUnavailableError(store.id, "the store was closed")


def read_page(store: Store, after: int) -> Page:
    """A page of a whole store from its file."""
    try:
        return store.reader.read_all(after, PAGE_EVENTS, store.tail.position)
    except apsw.Error as error:
        raise store.read_error(error) from error


async def follow_stream(store: Store, stream_id: str, start: int | None) -> AsyncGenerator[list[EventRow], None]:
    """Pages of events of one stream from version `start` on (None: from now on), for ever; an empty page: caught up."""
    cursor = _version(store, stream_id) + 1 if start is None else start
    told = False
    while True:
        events = _read_stream(store, stream_id, cursor)
        if events:
            cursor = events[-1][1] + 1
            told = False
        elif told:
            await next_event(store, stream_id)
            continue
        else:
            told = True
        yield events
        await asyncio.sleep(0)


def _version(store: Store, stream_id: str) -> int:
    try:
        return store.reader.version(stream_id)
    except apsw.Error as error:
        raise store.read_error(error) from error


def _read_stream(store: Store, stream_id: str, start: int) -> list[EventRow]:
    try:
        # A page of events, however many versions were truncated before them.
        return store.reader.read_stream(stream_id, start, LARGEST_VERSION, False).events
    except apsw.Error as error:
        raise store.read_error(error) from error
