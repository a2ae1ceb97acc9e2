"""The bounds that keep one caller from harming the others; each has a default and a setting."""

from __future__ import annotations

from typing import Final

import msgspec

from gater.model.memory_budget import MAX_MEMORY

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
    max_memory: int = MAX_MEMORY
    """Bytes that what is counted may hold together; see `model.memory_budget`."""
