"""The bytes of events that all stores of a node keep for their followers, counted against one share.

These are the newest events of each store, and committed events that are given out in several turns of the event loop.
"""

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
                self._shorten(tail, share.limit)
                return
            self._drop(longest)

    def make_room(self, size: int) -> bool:
        """Whether `size` bytes more have room in the share, for which stores let go of their oldest events."""
        share = self._share
        if size > share.limit:
            return False
        while share.used + size > share.limit and self._counted:
            longest = next(iter(self._counted))
            if len(self._counted) == 1:
                self._shorten(longest, share.limit - size)
                break
            self._drop(longest)
        return share.used + size <= share.limit

    def _drop(self, tail: Kept) -> None:
        tail.shorten(0)
        self.forget(tail)
        self._share.refused += 1

    def _shorten(self, tail: Kept, most: int) -> None:
        """Let the last store that keeps something keep so much of the share together with what is given out."""
        others = self._share.used - self._counted[tail]
        tail.shorten(max(most - others, 1))
        self._note(tail)

    def _note(self, tail: Kept) -> None:
        size = tail.bytes
        self._share.used += size - self._counted.pop(tail, 0)
        self._counted[tail] = size

    def forget(self, tail: Kept) -> None:
        """A store keeps nothing any more."""
        self._share.used -= self._counted.pop(tail, 0)


class GivenOut:
    """Committed events that are given out in turns: those of all stores have the same share as the newest events.

    The newest events of stores give way to them. Those that come when none waits have room in any case.
    """

    def __init__(self, share: Share, tails: TailBudget | None = None) -> None:
        self._share = share
        self._tails = tails or TailBudget(share)
        self.bytes = 0

    def take(self, size: int) -> bool:
        """Count `size` bytes in; False when there is no room: then they are read from the file."""
        has_room = self._tails.make_room(size)
        if self.bytes and not has_room:
            self._share.refused += 1
            return False
        self.bytes += size
        self._share.used += size
        return True

    def give_back(self, size: int) -> None:
        """Count bytes out."""
        self.bytes -= size
        self._share.used -= size
