"""The newest events of a store, kept in memory for those who follow it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from gater.model.limits import PAGE_BYTES
from gater.store.machine import EventRow
from gater.store.watches import Watches

MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 16 << 20


class Tail:
    """A bounded run of the newest events, without a gap; who falls behind it reads from the file."""

    def __init__(self, position: int) -> None:
        self.position = position
        """Position of the newest committed event."""
        self.watches = Watches()
        self.observers: list[Callable[[Sequence[EventRow]], None]] = []
        """Told of the events of each batch; must not fail."""
        self._events: deque[EventRow] = deque()
        self._batches: deque[tuple[int, int]] = deque()
        """Events and payload bytes of each batch."""
        self._bytes = 0

    def extend(self, events: Sequence[EventRow], hides: bool = False) -> None:
        """Take in the events of a batch and wake who waits for them.

        When the batch `hides` earlier events, all are let go: who is behind reads what is left from the file.
        """
        if events:
            size = payload_bytes(events)
            self._events.extend(events)
            self._batches.append((len(events), size))
            self._bytes += size
            self.position = events[-1][2]
        if hides:
            self._events.clear()
            self._batches.clear()
            self._bytes = 0
        while len(self._events) > MOST_EVENTS or (self._bytes > MOST_BYTES and len(self._batches) > 1):
            self._forget_oldest()
        self.watches.feed(events, hides)
        for observer in self.observers:
            observer(events)

    def _forget_oldest(self) -> None:
        count, size = self._batches.popleft()
        self._bytes -= size
        for _ in range(count):
            self._events.popleft()

    def holds(self, position: int) -> bool:
        """Whether every event behind `position` is here."""
        return self.position - position <= len(self._events)

    def after(self, position: int, limit: int) -> list[EventRow] | None:
        """Up to `limit` events behind `position`, or a page's bytes; None when some of them are no longer here."""
        events = self._events
        missing = self.position - position
        if missing <= 0:
            return []
        if missing > len(events):
            return None
        page: list[EventRow] = []
        size = 0
        for event in self._newest(missing, limit):
            page.append(event)
            size += len(event[6]) + len(event[7] or b"")
            if size >= PAGE_BYTES:
                break
        return page

    def _newest(self, count: int, limit: int) -> Iterable[EventRow]:
        """The first `limit` of the newest `count` events; the few behind a live reader cost no walk over the others."""
        events = self._events
        if count <= limit:
            return reversed(list(islice(reversed(events), count)))
        start = len(events) - count
        return islice(events, start, start + limit)


def payload_bytes(events: Iterable[EventRow]) -> int:
    """Bytes of data and metadata of some events."""
    return sum([len(event[6]) if event[7] is None else len(event[6]) + len(event[7]) for event in events])
