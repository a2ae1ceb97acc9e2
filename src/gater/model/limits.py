"""The bounds that keep one caller from harming the others; each has a default and a setting."""

from __future__ import annotations

from typing import Final

import msgspec

from gater.model.commands import StreamWrite
from gater.model.errors import EventTooLargeError, RequestTooLargeError

PAGE_EVENTS: Final = 1_000
"""Events that one page of a read holds at the most."""
PAGE_BYTES: Final = 1 << 20
"""Payload bytes after which a page of a read is full."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what one request may hold and how much may wait."""

    max_event_bytes: int = 1 << 20
    """Data and metadata of one event."""
    max_request_bytes: int = 16 << 20
    """All events of one append, and any request over the network."""
    max_waiting_commands: int = 10_000
    """Commands that may wait for a store's writer."""
    max_waiting_bytes: int = 128 << 20
    """Payload bytes that may wait for a store's writer."""


def check_write_size(writes: tuple[StreamWrite, ...], limits: Limits) -> int:
    """The payload bytes of an append; raises EventTooLargeError or RequestTooLargeError past a limit."""
    total = 0
    most = limits.max_event_bytes
    for write in writes:
        for event in write.events:
            size = len(event.data)
            if event.metadata is not None:
                size += len(event.metadata)
            if size > most:
                raise EventTooLargeError(size, most)
            total += size
    if total > limits.max_request_bytes:
        raise RequestTooLargeError(total, limits.max_request_bytes)
    return total
