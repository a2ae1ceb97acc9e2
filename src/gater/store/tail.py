"""The newest events of a store, kept in memory for those who follow it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from gater.model.limits import PAGE_BYTES
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

    def extend(self, events: Sequence[EventRow], hides: bool = False) -> None:
        """Take in the events of a batch and wake who waits for them.

        When the batch `hides` earlier events, all are let go: who is behind reads what is left from the file.
        """
        if events:
            self._events.extend(events)
            self._bytes += sum([payload_bytes(event) for event in events])
            self.position = events[-1][2]
        if hides:
            self._events.clear()
            self._bytes = 0
        while len(self._events) > MOST_EVENTS or (self._bytes > MOST_BYTES and len(self._events) > 1):
            self._bytes -= payload_bytes(self._events.popleft())
        self.wakeups.wake(events)

    def after(self, position: int, limit: int) -> list[EventRow] | None:
        """Up to `limit` events behind `position`, or a page's bytes; None when some of them are no longer here."""
        events = self._events
        missing = self.position - position
        if missing <= 0:
            return []
        if missing > len(events):
            return None
        start = len(events) - missing
        page: list[EventRow] = []
        size = 0
        for index in range(start, min(start + limit, len(events))):
            event = events[index]
            page.append(event)
            size += payload_bytes(event)
            if size >= PAGE_BYTES:
                break
        return page


def payload_bytes(event: EventRow) -> int:
    """Bytes of data and metadata of an event."""
    return len(event[6]) + len(event[7] or b"")
