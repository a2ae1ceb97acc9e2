"""Importing NDJSON: a body of any length, taken in pages, with flat memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from gater.api import operations as op
from gater.api.caller import Caller
from gater.model.errors import GaterError, RequestTooLargeError
from gater.model.identifiers import check_store_id
from gater.model.limits import PAGE_BYTES, PAGE_EVENTS
from gater.server.http.answers import Imported
from gater.server.http.bodies import decode_imported_line, imported_event
from gater.server.http.requests import AnyRequest, body_parts, decoded, service_of

LINE_OVERHEAD: Final = 8_192
"""Bytes that a line may hold besides its payload."""


async def import_lines(request: AnyRequest, caller: Caller, store: str) -> Imported:
    """Import the events of the body's lines; an error says in which line it was met."""
    store = check_store_id(store)
    # Base64 makes a payload a third larger.
    longest = service_of(request).limits.max_event_bytes * 4 // 3 + LINE_OVERHEAD
    received = imported = 0
    async for page in _pages(_lines(request, longest)):
        events = tuple([_event(line, received + number) for number, line in enumerate(page, 1) if line.strip()])
        if events:
            imported += await caller.call(op.ImportPage(store, events))
        received += len(page)
    return Imported(received, imported)
