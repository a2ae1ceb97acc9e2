"""Events of blocked streams that are read again from the file when their stream goes on: one mark a stream."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from gater.model.subscriptions import Waiting

STALE_FIRSTS: Final = 64
"""Outdated places in the order of marks; with more, and more than there are marks, all are sorted out."""


class Mark:
    """The unsettled events of one stream from a position to another, of which nothing is in memory."""

    __slots__ = ("count", "epoch", "first", "last", "version")

    def __init__(self, first: int, last: int, count: int, epoch: int) -> None:
        self.first = first
        """No event before this position belongs to the mark."""
        self.last = last
        """The position of its last event."""
        self.count = count
        self.epoch = epoch
        """When its first event was written, or one shortly before that."""
        self.version = 0
        """The version that is read next; 0: that of `first` has to be looked up."""

    def covers(self, position: int) -> bool:
        """Whether an event of the stream belongs to the mark."""
        return self.first <= position <= self.last

    def extend(self, position: int) -> None:
        """One more event of the stream, behind all others."""
        self.last = position
        self.count += 1


class Marks:
    """The marks of a group by key, and the first position of all."""

    def __init__(self, waiting: Iterable[Waiting] = ()) -> None:
        self._by_key = {w.stream: Mark(w.first, w.last, w.count, w.epoch) for w in waiting}
        self._firsts = [(mark.first, key) for key, mark in self._by_key.items()]
        heapify(self._firsts)

    def __len__(self) -> int:
        """How many streams have a mark."""
        return len(self._by_key)

    def get(self, key: str) -> Mark | None:
        """The mark of a stream."""
        return self._by_key.get(key)

    def streams(self) -> list[str]:
        """The streams that have a mark."""
        return list(self._by_key)

    @property
    def events(self) -> int:
        """How many events they stand for."""
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

    def set_before(self, key: str, first: int, last: int, count: int, epoch: int) -> None:
        """Have a stream's mark begin with these events, which come before all others that it stands for."""
        mark = self._by_key.get(key)
        if mark is None:
            self._by_key[key] = Mark(first, last, count, epoch)
        else:
            mark.first, mark.epoch, mark.version = first, epoch, 0
            mark.count += count
        self._offer(first, key)

    def move(self, key: str, mark: Mark, first: int, version: int, epoch: int) -> None:
        """The events before a position are in memory now; it goes on at a version."""
        mark.version, mark.epoch = version, epoch
        if mark.first != first:
            mark.first = first
            self._offer(first, key)

    def _offer(self, first: int, key: str) -> None:
        heappush(self._firsts, (first, key))
        if len(self._firsts) > 2 * len(self._by_key) + STALE_FIRSTS:
            self._firsts = [(mark.first, key) for key, mark in self._by_key.items()]
            heapify(self._firsts)

    def remove(self, key: str) -> None:
        """Everything that a mark stood for is in memory."""
        del self._by_key[key]

    def record(self) -> tuple[Waiting, ...]:
        """The marks as a checkpoint keeps them."""
        return tuple([Waiting(key, m.first, m.last, m.count, m.epoch) for key, m in self._by_key.items()])
