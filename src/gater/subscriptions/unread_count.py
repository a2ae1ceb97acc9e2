"""The number of events that a group has not read yet and that may match."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Final, NamedTuple

from gater.model.events import POSITION
from gater.model.limits import PAGE_EVENTS, TURN_SECONDS
from gater.store.store import Store
from gater.subscriptions.cursors import StoreCursor
from gater.subscriptions.matching import Matcher

MOST_PARTS: Final = 64
"""Runs of positions whose matching events are known by number; with more, two and two are joined."""


class Part(NamedTuple):
    """Positions behind `begin` up to `end`, and the largest number of events at them that may match."""

    begin: int
    end: int
    matching: int


class UnreadCount:
    """Counts in the file, without keeping events; it goes on where it was the last time."""

    def __init__(self, store: Store, matcher: Matcher) -> None:
        self._store = store
        self._matcher = matcher
        self._parts: deque[Part] = deque()
        """In order, without a gap."""

    def count_on(self, reached: int) -> None:
        """Count further matching events behind a position, for one turn of the event loop at most."""
        end = perf_counter() + TURN_SECONDS
        self._drop(reached)
        self._count_first_again(reached, end)
        cursor = self._cursor(self._parts[-1].end if self._parts else reached)
        while (page := cursor.page(PAGE_EVENTS)) is not None:
            begin = self._parts[-1].end if self._parts else reached
            self._parts.append(Part(begin, cursor.next - 1, len(page)))
            if len(self._parts) > MOST_PARTS:
                self._join()
            if perf_counter() > end:
                break

    def _count_first_again(self, reached: int, end: float) -> None:
        """Of a part that was read in part, count what is left, unless that takes too long."""
        if not self._parts or self._parts[0].begin >= reached:
            return
        last, count = self._parts[0].end, 0
        cursor = self._cursor(reached)
        while cursor.next <= last:
            page = cursor.page(PAGE_EVENTS)
            if page is None or perf_counter() > end:
                return
            count += sum([event[POSITION] <= last for event in page])
        self._parts[0] = Part(reached, last, count)

    def at_most(self, reached: int) -> int:
        """The events behind a position that may match: those counted, and all at positions not looked at yet."""
        self._drop(reached)
        counted = sum([min(part.matching, part.end - max(part.begin, reached)) for part in self._parts])
        counted_to = self._parts[-1].end if self._parts else reached
        return counted + max(self._store.tail.position - counted_to, 0)

    def _cursor(self, behind: int) -> StoreCursor:
        return StoreCursor(self._store, self._matcher, behind + 1)

    def _drop(self, reached: int) -> None:
        while self._parts and self._parts[0].end <= reached:
            self._parts.popleft()

    def _join(self) -> None:
        """Join parts two by two."""
        parts = list(self._parts)
        pairs = [parts[index : index + 2] for index in range(0, len(parts), 2)]
        self._parts = deque(
            [Part(some[0].begin, some[-1].end, sum([part.matching for part in some])) for some in pairs]
        )
