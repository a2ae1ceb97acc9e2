"""Parked events that are to be delivered again, and wait in the file: streams do not wait for each other."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

REPLAYED_AT_ONCE: Final = 500
"""Parked events that are in a group to be delivered again, unless fewer weigh too much."""
SHARED: Final = REPLAYED_AT_ONCE // 2
"""Those that streams share; the others are kept for streams that have none in the group."""


class ReplayQueue:
    """Gives each stream its share of those events that are in the group; it goes on as they are settled."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[int]] = {}
        """Positions that wait, by stream."""
        self._given: dict[int, str] = {}
        """The streams of those that are in the group, by position."""
        self._counts: Counter[str] = Counter()
        """How many of each stream are in the group."""
        self._first: dict[str, None] = {}
        """The streams that wait and have nothing in the group, in their turn."""
        self._next: dict[str, None] = {}
        """Those that have, and may have more."""

    def add(self, stream: str, position: int) -> None:
        """Have an event wait, unless it is in the group."""
        if position not in self._given:
            self._waiting.setdefault(stream, deque()).append(position)
            self._find_turn(stream)

    def take(self) -> list[int]:
        """The positions of events that go into the group now, in order."""
        chosen: list[int] = []
        while self._first and len(self._given) < REPLAYED_AT_ONCE:
            self._give(next(iter(self._first)), 1, chosen)
        while self._next and len(self._given) < SHARED:
            stream = next(iter(self._next))
            self._give(stream, min(self._share - self._counts[stream], SHARED - len(self._given)), chosen)
        return sorted(chosen)

    def _give(self, stream: str, number: int, chosen: list[int]) -> None:
        waiting = self._waiting[stream]
        for _ in range(min(number, len(waiting))):
            position = waiting.popleft()
            chosen.append(position)
            self._given[position] = stream
            self._counts[stream] += 1
        if not waiting:
            del self._waiting[stream]
        self._find_turn(stream)

    def put_back(self, positions: Iterable[int]) -> None:
        """These, in order, were not put into the group after all."""
        for position in sorted(positions, reverse=True):
            stream = self._given[position]
            self._waiting.setdefault(stream, deque()).appendleft(position)
            self.end((position,))

    def end(self, positions: Iterable[int]) -> None:
        """These are in the group no longer."""
        for position in positions:
            stream = self._given.pop(position, None)
            if stream is not None:
                self._counts[stream] -= 1
                if not self._counts[stream]:
                    del self._counts[stream]
                self._find_turn(stream)

    @property
    def _share(self) -> int:
        """The largest number of events of one stream that are in the group together."""
        return max(SHARED // max(len(self._waiting), 1), 1)

    def _find_turn(self, stream: str) -> None:
        """Let a stream go on once half of its share is left: few events are not read one by one."""
        self._first.pop(stream, None)
        self._next.pop(stream, None)
        if stream not in self._waiting:
            return
        if not self._counts[stream]:
            self._first[stream] = None
        elif self._counts[stream] <= self._share // 2:
            self._next[stream] = None
