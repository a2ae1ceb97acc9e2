"""Operations that are answered by a stream of items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import apsw

from gater.api import operations as op
from gater.api.arguments import check_count, check_position, check_start_version
from gater.gateway.histories import check_after, check_goes_on, check_start
from gater.gateway.reads import matcher_of, read_all_page
from gater.model.events import EventRow
from gater.model.limits import PAGE_EVENTS
from gater.store.reader import Page
from gater.store.store import Store
from gater.subscriptions.catch_up import reached
from gater.subscriptions.matching import Matcher


async def scan_stream(store: Store, operation: op.ScanStream) -> AsyncGenerator[list[EventRow], None]:
    """A stream, page after page, none of which it keeps; its caller leaves other tasks their turn between two."""
    check_goes_on(store, operation)
    await reached(store, operation.after_position)
    backward = operation.backward
    start, left = operation.start_version, operation.count
    if start is None:
        start = _read_version(store, operation.stream_id) if backward else 0
        if start < 0:
            return
    next_start: int | None = check_start_version(start)
    if not backward:
        check_start(store, operation, operation.stream_id, start)
    left = (1 << 62) if left is None else check_count(left)
    while next_start is not None:
        page = _read_stream(store, operation.stream_id, next_start, left, backward)
        left -= len(page.events)
        next_start = page.next if left else None
        chosen = [page.events]
        del page
        if chosen[0]:
            yield chosen.pop()


def _read_version(store: Store, stream_id: str) -> int:
    try:
        return store.reader.version(stream_id)
    except apsw.Error as error:
        raise store.read_error(error) from error


def _read_stream(store: Store, stream_id: str, start: int, count: int, backward: bool) -> Page:
    try:
        return store.reader.read_stream(stream_id, start, count, backward)
    except apsw.Error as error:
        raise store.read_error(error) from error


async def scan_all(store: Store, operation: op.ScanAll) -> AsyncGenerator[list[EventRow], None]:
    """A whole store up to where it ends now, page after page; as `scan_stream` does it."""
    check_goes_on(store, operation)
    await reached(store, operation.after_position)
    head = store.tail.position
    cursor: int | None
    if operation.backward:
        cursor = head + 1 if operation.after is None else min(check_position(operation.after), head + 1)
    else:
        cursor = check_position(operation.after)
        check_after(store, operation, cursor)
    matcher = matcher_of(operation.selector)
    while cursor is not None:
        page = _read_all(store, cursor, head, operation.backward, matcher)
        cursor = page.next
        chosen = [page.events]
        del page
        if chosen[0]:
            yield chosen.pop()
        else:
            await asyncio.sleep(0)


def _read_all(store: Store, cursor: int, head: int, backward: bool, matcher: Matcher | None) -> Page:
    try:
        return read_all_page(store, cursor, head, PAGE_EVENTS, backward, matcher)
    except apsw.Error as error:
        raise store.read_error(error) from error
