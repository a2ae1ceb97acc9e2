"""Runs: events of one stream that follow each other in the store, too; the unit of the index by stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

LAG: Final = 8_192
"""Positions, counted back from the newest, that the index by stream may not cover yet."""


class Run:
    """`count` events: versions from `version` on, at positions from `position` on."""

    __slots__ = ("count", "position", "version")

    def __init__(self, version: int, position: int) -> None:
        self.version = version
        self.position = position
        self.count = 1

    @property
    def end_version(self) -> int:
        """The version behind the last."""
        return self.version + self.count

    @property
    def end_position(self) -> int:
        """The position behind the last."""
        return self.position + self.count


class RecentRuns:
    """The runs of the newest LAG positions by stream name: what readers need besides the index.

    For each stream these are the newest versions, without a hole; everything older is indexed. It belongs to the
    event loop, and is told of events when they are durable, before their writers are.
    """

    def __init__(self) -> None:
        self._runs: dict[str, deque[Run]] = {}
        self._order: deque[tuple[Run, str]] = deque()

    def extend(self, events: Iterable[tuple[Any, ...]]) -> None:
        """Take in committed events: (stream id, version, position, …), in commit order."""
        position = 0
        for name, version, position, *_ in events:
            runs = self._runs.get(name)
            if runs is None:
                runs = self._runs[name] = deque()
            elif position == runs[-1].end_position:
                runs[-1].count += 1
                continue
            run = Run(version, position)
            runs.append(run)
            self._order.append((run, name))
        self._forget(position - LAG)

    def _forget(self, position: int) -> None:
        """Let go of runs that lie below `position` altogether."""
        order = self._order
        while order and order[0][0].end_position <= position:
            _, name = order.popleft()
            runs = self._runs[name]
            runs.popleft()
            if not runs:
                del self._runs[name]

    def first_version(self, name: str) -> int | None:
        """The oldest version of the stream that is known here; None when there is none."""
        runs = self._runs.get(name)
        return None if runs is None else runs[0].version

    def last_version(self, name: str) -> int | None:
        """The newest version of the stream; None when it is older than what is kept here."""
        runs = self._runs.get(name)
        return None if runs is None else runs[-1].end_version - 1

    def positions(self, name: str, start: int, end: int) -> Iterator[int]:
        """The positions of the versions from `start` to before `end`, as far as they are known, in order."""
        for run in self._runs.get(name, ()):
            low, high = max(start, run.version), min(end, run.end_version)
            yield from range(run.position + low - run.version, run.position + high - run.version)

    def positions_backward(self, name: str, start: int, end: int) -> Iterator[int]:
        """The positions of the versions from `start` down to above `end`, as far as they are known."""
        for run in reversed(self._runs.get(name, ())):
            low, high = max(end, run.version - 1), min(start, run.end_version - 1)
            yield from range(run.position + high - run.version, run.position + low - run.version, -1)
