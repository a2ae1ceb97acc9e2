"""The few events of a large store that a selector finds: spread evenly, and known by their number."""

from __future__ import annotations

from typing import Final

import gater
from bench.payload import CONTENT_TYPE, EVENT_TYPE, PAYLOAD, RARE_PAYLOAD, RARE_TYPE

SIZES: Final = (100_000, 300_000, 1_000_000, 10_000_000)
"""Events of the stores that have a rare type of their own."""
OF_EACH_TYPE: Final = 100
"""Events of that type in a store of its size, at equal distances."""
PAYLOAD_DISTANCE: Final = 1_000
"""The payload that a selector looks for is in every event of so many, whatever the size of the store."""


def rare_type(size: int) -> str:
    """The type of which a store of that size has OF_EACH_TYPE events."""
    return f"{RARE_TYPE}-{size}"


def old_event(number: int) -> gater.NewEvent:
    """The event that is appended as the `number`-th of a store, beginning with 1."""
    event_type = EVENT_TYPE
    for offset, size in enumerate(SIZES):
        if number % (size // OF_EACH_TYPE) == offset:
            event_type = rare_type(size)
    payload = RARE_PAYLOAD if number % PAYLOAD_DISTANCE == len(SIZES) else PAYLOAD
    return gater.NewEvent(event_type, payload, content_type=CONTENT_TYPE)
