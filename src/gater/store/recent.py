"""The positions of the newest events of each stream, which the index by stream does not have yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from gater.model.events import POSITION, STREAM, VERSION

LAG: Final = 8_192
"""Positions, counted back from the newest, that the index by stream may not cover yet."""


class RecentPositions:
    """The positions of at least the newest LAG events, by stream name.

    For each stream these are its newest versions, without a hole; everything older is indexed. It belongs to the
    event loop, and is told of events when they are durable, before their writers are.
    """

    def __init__(self) -> None:
        self._positions: dict[str, deque[int]] = {}
        self._last_versions: dict[str, int] = {}
        self._batches: deque[tuple[int, list[str]]] = deque()
        """The newest position of each batch, and the streams of its events, one by one."""

    def extend(self, events: Sequence[tuple[Any, ...]]) -> None:
        """Take in committed events: (stream id, version, position, …), in commit order."""
        positions, last_versions = self._positions, self._last_versions
        if len(events) > LAG:
            events = events[-LAG:]  # what is older is indexed
        for event in events:
            name = event[STREAM]
            known = positions.get(name)
            if known is None:
                known = positions[name] = deque()
            known.append(event[POSITION])
            last_versions[name] = event[VERSION]
        newest = events[-1][POSITION]
        self._batches.append((newest, [event[STREAM] for event in events]))
        while self._batches[0][0] <= newest - LAG:
            self._forget(self._batches.popleft()[1])

    def _forget(self, names: list[str]) -> None:
        positions = self._positions
        for name in names:
            known = positions[name]
            known.popleft()
            if not known:
                del positions[name], self._last_versions[name]

    def first_version(self, name: str) -> int | None:
        """The oldest version of the stream that is known here; None when there is none."""
        last = self._last_versions.get(name)
        return None if last is None else last + 1 - len(self._positions[name])

    def last_version(self, name: str) -> int | None:
        """The newest version of the stream; None when it is older than what is kept here."""
        return self._last_versions.get(name)

    def positions(self, name: str, start: int, end: int) -> Iterator[int]:
        """The positions of the versions from `start` to before `end`, as far as they are known, in order."""
        first = self.first_version(name)
        if first is None:
            return iter(())
        known = self._positions[name]
        return islice(known, _within(start - first, known), _within(end - first, known))

    def positions_backward(self, name: str, start: int, end: int) -> Iterator[int]:
        """The positions of the versions from `start` down to above `end`, as far as they are known."""
        last = self.last_version(name)
        if last is None:
            return iter(())
        known = self._positions[name]
        return islice(reversed(known), _within(last - start, known), _within(last - end, known))


def _within(index: int, known: deque[int]) -> int:
    return min(max(index, 0), len(known))
