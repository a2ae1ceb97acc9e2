"""Importing NDJSON: a body of any length, taken in pages, with flat memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from gater.api import operations as op
from gater.api.caller import Caller
from gater.model.errors import GaterError, RequestTooLargeError
from gater.model.events import ImportedEvent
from gater.model.identifiers import check_store_id
from gater.model.limits import PAGE_BYTES, PAGE_EVENTS, Limits
from gater.server.http.answers import Imported
from gater.server.http.bodies import decode_imported_line, decoded, imported_event

LINE_OVERHEAD: Final = 8_192
"""Bytes that a line may hold besides its payload."""


async def import_lines(parts: AsyncIterator[bytes], caller: Caller, store: str, limits: Limits) -> Imported:
    """Import the events of the lines that the parts make up; an error says in which line it was met."""
    store = check_store_id(store)
    received = imported = line_number = 0
    async for lines in _pages(parts, limits):
        events = []
        for line in lines:
            line_number += 1
            if line.strip():
                events.append(_event(line, line_number))
        if events:
            imported += await caller.call(op.ImportPage(store, tuple(events)))
        received += len(events)
    return Imported(received, imported)


def _event(line: bytes, line_number: int) -> ImportedEvent:
    try:
        return imported_event(decoded(line, decode_imported_line))
    except GaterError as error:
        error.details["line"] = line_number
        raise


async def _pages(parts: AsyncIterator[bytes], limits: Limits) -> AsyncGenerator[list[bytes], None]:
    """The lines in pages, each bounded in lines and bytes."""
    most_bytes = min(PAGE_BYTES, limits.max_request_bytes)
    page: list[bytes] = []
    size = 0
    async for line in _lines(parts, limits):
        if page and (size + len(line) > most_bytes or len(page) == PAGE_EVENTS):
            yield page
            page, size = [], 0
        page.append(line)
        size += len(line)
    if page:
        yield page


async def _lines(parts: AsyncIterator[bytes], limits: Limits) -> AsyncGenerator[bytes, None]:
    """The lines; RequestTooLargeError as soon as one is longer than an event can be."""
    # Base64 makes a payload a third longer.
    longest = limits.max_event_bytes * 4 // 3 + LINE_OVERHEAD
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in (*lines, rest):
            if len(line) > longest:
                raise RequestTooLargeError(len(line), longest)
        for line in lines:
            yield line
    if rest:
        yield rest
