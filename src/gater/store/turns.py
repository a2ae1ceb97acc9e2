"""The time for which one piece of work goes on before others have their turn of the event loop."""

from __future__ import annotations

from typing import Final

from gater.model.events import DATA, METADATA, EventRow

LARGE_EVENT_BYTES: Final = 4 << 10
"""Bytes of an event after which the clock is looked at."""
SMALL_EVENTS: Final = 64
"""Smaller events between two looks at the clock."""


def is_time_due(number: int, event: EventRow) -> bool:
    """Whether the clock is to be looked at after an event, the `number`-th of a turn."""
    return (
        not number % SMALL_EVENTS
        or len(event[DATA]) > LARGE_EVENT_BYTES
        or len(event[METADATA] or b"") > LARGE_EVENT_BYTES
    )
