"""Operations that are answered by a stream of items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from gater.api import operations as op
from gater.api.arguments import check_count, check_position, check_start_version
from gater.gateway.handling import StoresContext, StreamHandler
from gater.gateway.histories import check_after, check_goes_on, check_start
from gater.gateway.reads import matcher_of, read_all_page
from gater.model.events import EventRow
from gater.model.limits import PAGE_EVENTS
from gater.subscriptions.catch_up import reached


async def scan_stream(context: StoresContext, operation: op.ScanStream) -> AsyncGenerator[list[EventRow], None]:
    """A stream, page after page, none of which it keeps; its caller leaves other tasks their turn between two."""
    store = context.stores.get(operation.store)
    check_goes_on(store, operation)
    await reached(store, operation.after_position)
    backward = operation.backward
    start, left = operation.start_version, operation.count
    if start is None:
        start = store.read(store.reader.version, operation.stream_id) if backward else 0
        if start < 0:
            return
    next_start: int | None = check_start_version(start)
    if not backward:
        check_start(store, operation, operation.stream_id, start)
    left = (1 << 62) if left is None else check_count(left)
    while next_start is not None:
        page = store.read(store.reader.read_stream, operation.stream_id, next_start, left, backward)
        left -= len(page.events)
        next_start = page.next if left else None
        chosen = [page.events]
        del page
        if chosen[0]:
            yield chosen.pop()


async def scan_all(context: StoresContext, operation: op.ScanAll) -> AsyncGenerator[list[EventRow], None]:
    """A whole store up to where it ends now, page after page; as `scan_stream` does it."""
    store = context.stores.get(operation.store)
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
        page = store.read(read_all_page, store, cursor, head, PAGE_EVENTS, operation.backward, matcher)
        cursor = page.next
        chosen = [page.events]
        del page
        if chosen[0]:
            yield chosen.pop()
        else:
            await asyncio.sleep(0)


STREAMS: Final[dict[type, StreamHandler]] = {op.ScanStream: scan_stream, op.ScanAll: scan_all}
