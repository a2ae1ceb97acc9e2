"""Events of blocked streams that are read again from the file when their stream goes on: one mark a stream."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from operator import itemgetter
from typing import Final

from gater.model.subscriptions import Waiting

Run = tuple[int, int]
"""The first position and the last."""
first_of: Final = itemgetter(0)
STALE_FIRSTS: Final = 64
"""Outdated places in the order of marks; with more, and more than there are marks, all are sorted out."""


class Mark:
    """The unsettled events of one stream in some runs of positions, of which nothing is in memory."""

    __slots__ = ("count", "epoch", "runs", "version")

    def __init__(self, runs: list[Run], count: int, epoch: int) -> None:
        self.runs = runs
        """In order; between two of them, events of the stream are settled, or may be."""
        self.count = count
        self.epoch = epoch
        """When its first event was written, or one shortly before that."""
        self.version = 0
        """The version that is read next; 0: that of `first` has to be looked up."""

    @property
    def first(self) -> int:
        """No event before this position belongs to the mark."""
        return self.runs[0][0]

    @property
    def last(self) -> int:
        """The position of its last event."""
        return self.runs[-1][1]

    def covers(self, position: int) -> bool:
        """Whether an event of the stream belongs to the mark."""
        index = bisect_right(self.runs, position, key=first_of) - 1
        return index >= 0 and position <= self.runs[index][1]

    def add(self, position: int, mixed_up_to: int) -> None:
        """Add one more event of the stream, after the first; up to `mixed_up_to` those around it may be settled."""
        self.count += 1
        begin, end = self.runs[-1]
        if position < end:
            insort(self.runs, (position, position))
        elif end <= mixed_up_to:
            self.runs.append((position, position))
        else:
            self.runs[-1] = (begin, position)

    def begin_at(self, position: int) -> None:
        """Those before a position are no longer of the mark; there is one at it, or behind it."""
        runs = self.runs
        gone = next(index for index, run in enumerate(runs) if run[1] >= position)
        self.runs = [(max(runs[gone][0], position), runs[gone][1]), *runs[gone + 1 :]]


class Marks:
    """The marks of a group by key, and the first position of all."""

    def __init__(self, waiting: Iterable[Waiting] = ()) -> None:
        self._by_key: dict[str, Mark] = {}
        for w in waiting:
            mark = self._by_key.setdefault(w.stream, Mark([], 0, w.epoch))
            mark.runs.append((w.first, w.last))
            mark.count += w.count
        self._firsts = [(mark.first, key) for key, mark in self._by_key.items()]
        heapify(self._firsts)

    def __len__(self) -> int:
        """The number of streams that have a mark."""
        return len(self._by_key)

    def get(self, key: str) -> Mark | None:
        """The mark of a stream."""
        return self._by_key.get(key)

    def streams(self) -> list[str]:
        """The streams that have a mark."""
        return list(self._by_key)

    @property
    def events(self) -> int:
        """The number of events that the marks stand for."""
        return sum([mark.count for mark in self._by_key.values()]) if self._by_key else 0

    @property
    def last(self) -> int:
        """The last position that belongs to one of them."""
        return max([mark.last for mark in self._by_key.values()], default=0)

    def first(self) -> tuple[str, Mark] | None:
        """The mark that begins first, and its stream."""
        firsts = self._firsts
        while firsts:
            first, key = firsts[0]
            mark = self._by_key.get(key)
            if mark is not None and mark.first == first:
                return key, mark
            heappop(firsts)
        return None

    def set_before(self, key: str, positions: Sequence[int], mixed_up_to: int, epoch: int) -> None:
        """Have a stream's mark begin with these events, which come before all others that it stands for.

        Up to `mixed_up_to` there may be settled ones between them, beyond it there are none.
        """
        index = bisect_right(positions, mixed_up_to)
        runs = [(position, position) for position in positions[:index]]
        unbroken = positions[index:]
        mark = self._by_key.get(key)
        following = [] if mark is None else mark.runs
        if unbroken:
            end = following[0][1] if following else unbroken[-1]
            runs.append((unbroken[0], end))
            following = following[1:]
        if mark is None:
            self._by_key[key] = Mark(runs, len(positions), epoch)
        else:
            mark.runs, mark.epoch, mark.version = runs + following, epoch, 0
            mark.count += len(positions)
        self._offer(positions[0], key)

    def move(self, key: str, mark: Mark, first: int, version: int, epoch: int) -> None:
        """The events before a position are in memory now; it goes on at a version."""
        mark.version, mark.epoch = version, epoch
        if mark.first != first:
            mark.begin_at(first)
            self._offer(mark.first, key)

    def _offer(self, first: int, key: str) -> None:
        heappush(self._firsts, (first, key))
        if len(self._firsts) > 2 * len(self._by_key) + STALE_FIRSTS:
            self._firsts = [(mark.first, key) for key, mark in self._by_key.items()]
            heapify(self._firsts)

    def remove(self, key: str) -> None:
        """Everything that a mark stood for is in memory."""
        del self._by_key[key]

    def record(self, mixed_up_to: int) -> tuple[tuple[Waiting, ...], list[int]]:
        """The marks as a checkpoint keeps them, and the positions of those events that it keeps one by one."""
        waiting: list[Waiting] = []
        single: list[int] = []
        for key, mark in self._by_key.items():
            lone = [first for first, last in mark.runs if first == last <= mixed_up_to]
            count = max(mark.count - len(lone), 0)
            for first, last in mark.runs:
                if not first == last <= mixed_up_to:
                    waiting.append(Waiting(key, first, last, count, mark.epoch))
                    count = 0
            single += lone
        return tuple(waiting), single
