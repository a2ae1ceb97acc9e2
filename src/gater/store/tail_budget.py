"""The bytes of the newest events that all stores of a node keep for their followers, counted against one share."""

from __future__ import annotations

from typing import Protocol

from gater.model.memory_budget import Share


class Kept(Protocol):
    """A run of the newest events of one store."""

    @property
    def bytes(self) -> int:
        """Bytes that they are counted with."""
        ...

    def shorten(self, most: int) -> None:
        """Let go of the oldest until they weigh no more than that, or the newest batch alone is left; 0: of all."""
        ...


class TailBudget:
    """When there is no room, the stores that had no event for longest let go of theirs."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._counted: dict[Kept, int] = {}
        """Bytes that are counted; the store that had an event last comes last."""

    def count(self, tail: Kept) -> None:
        """A store has kept events, or let go of some."""
        share = self._share
        self._note(tail)
        while share.used > share.limit:
            longest = next(iter(self._counted))
            if longest is tail:
                tail.shorten(share.limit)
                self._note(tail)
                return
            longest.shorten(0)
            self.forget(longest)
            share.refused += 1

    def _note(self, tail: Kept) -> None:
        size = tail.bytes
        self._share.used += size - self._counted.pop(tail, 0)
        self._counted[tail] = size

    def forget(self, tail: Kept) -> None:
        """A store keeps nothing any more."""
        self._share.used -= self._counted.pop(tail, 0)
