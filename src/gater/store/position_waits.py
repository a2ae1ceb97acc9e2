"""Reads that wait for a position to be committed, the lowest first: those above a new one cost nothing."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gater.store.watches import Watch

MOST_LEFT: Final = 1_000
"""Positions without a read, beside as many with one, before they are let go of."""


class PositionWaits:
    """Watches by the position that they wait for."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[Watch, None]] = {}
        self._positions: list[int] = []
        """A heap of the positions above, and of some that have been given up."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, position: int, watch: Watch) -> None:
        """Wake a watch when a position is reached."""
        if position not in self._waiting:
            self._waiting[position] = {}
            heapq.heappush(self._positions, position)
        self._waiting[position][watch] = None

    def discard(self, position: int, watch: Watch) -> None:
        """Wake a watch no longer; twice is once."""
        waiting = self._waiting.get(position)
        if waiting is None:
            return
        waiting.pop(watch, None)
        if not waiting:
            del self._waiting[position]
            if len(self._positions) > 2 * len(self._waiting) + MOST_LEFT:
                self._positions = sorted(self._waiting)

    def reached(self, position: int) -> list[Watch]:
        """The watches whose position is committed now; they wait no longer."""
        found: list[Watch] = []
        while self._positions and self._positions[0] <= position:
            found += self._waiting.pop(heapq.heappop(self._positions), ())
        return found

    def watches(self) -> list[Watch]:
        """All watches."""
        return [watch for waiting in self._waiting.values() for watch in waiting]
