"""The newest events of a store, kept in memory for those who follow it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from gater.store.machine import EventRow
from gater.store.wakeups import Wakeups

MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 16 << 20


class Tail:
    """A bounded run of the newest events, without a gap; who falls behind it reads from the file."""

    def __init__(self, position: int) -> None:
        self.position = position
        """Position of the newest committed event."""
        self.wakeups = Wakeups()
        self._events: deque[EventRow] = deque()
        self._bytes = 0

    def extend(self, events: Sequence[EventRow]) -> None:
        """Take in the events of a batch and wake who waits for them."""
        self._events.extend(events)
        self._bytes += sum([len(event[6]) for event in events])
        self.position = events[-1][2]
        while len(self._events) > MOST_EVENTS or (self._bytes > MOST_BYTES and len(self._events) > 1):
            self._bytes -= len(self._events.popleft()[6])
        self.wakeups.wake(events)

    def after(self, position: int, limit: int) -> list[EventRow] | None:
        """Up to `limit` events behind `position`; None when some of them are no longer here."""
        events = self._events
        missing = self.position - position
        if missing <= 0:
            return []
        if missing > len(events):
            return None
        start = len(events) - missing
        return [events[index] for index in range(start, min(start + limit, len(events)))]
