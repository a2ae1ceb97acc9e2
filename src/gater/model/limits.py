"""The bounds that keep one caller from harming the others; each has a default and a setting."""

from __future__ import annotations

from typing import Final

import msgspec

from gater.model.errors import RequestTooLargeError
from gater.model.memory_budget import MAX_MEMORY

MOST_EVENTS: Final = 250_000
"""Events of one append, or of one page of an import."""
MOST_STREAMS: Final = 10_000
"""Streams that one append writes to."""
MOST_GUARDS: Final = 10_000
"""Guards of one append."""
MOST_SETTLED: Final = 5_000
"""Acknowledgements, and as many refusals, of one call."""
MOST_POSITIONS: Final = 10_000
"""Positions of parked events that one call names."""
MOST_SMALL_BYTES: Final = 1 << 20
"""Bytes of a request that carries no events, snapshots, settlements or messages."""
MOST_VALUES: Final = 2_000_000
"""Values of one RPC request, each item of a list counted, payloads as one value."""
MOST_MESSAGE_VALUES: Final = 100_000
"""Values of one message that is published, each item of a list and each name counted."""
MOST_DESCRIPTION_BYTES: Final = 16 << 10
"""Bytes of a store's description and tags."""

HANDSHAKE_SECONDS: Final = 10.0
"""How long a TLS handshake may take."""

TURN_SECONDS: Final = 0.01
"""How long one piece of work may hold the event loop before others have their turn."""

PAGE_EVENTS: Final = 1_000
"""Events that one page of a read holds at the most."""
PAGE_BYTES: Final = 1 << 20
"""Payload bytes after which a page of a read is full."""
MOST_LISTED_BYTES: Final = 256 << 20
"""Weight of the events that `get_events` and `read_all` list when no count is named."""


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
    max_stores: int = 256
    """Stores that may be open; each has files, threads and memory of its own."""


def check_number(what: str, number: int, most: int) -> int:
    """The number of some things in a request; RequestTooLargeError, which names them, above `most`."""
    if number > most:
        raise too_many(what, number, most)
    return number


def too_many(what: str, number: int, most: int) -> RequestTooLargeError:
    """The error for a request that holds more than `most` of something."""
    return RequestTooLargeError(number, most, message=f"The request holds too many {what}", what=what)
