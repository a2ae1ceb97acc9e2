"""The resources that all consumer groups of a node share: memory, of which each holds a part, and turns of the loop."""

from __future__ import annotations

from typing import Protocol

from gater.model.memory_budget import GROUPS_BYTES, Share
from gater.subscriptions import group_window
from gater.subscriptions.work_turns import WorkTurns


class Holder(Protocol):
    """A group, as far as its memory is concerned."""

    @property
    def held_bytes(self) -> int:
        """Weight of the events in memory."""
        ...

    def release(self) -> None:
        """Let go of everything that can be read again; only for a group without consumers."""
        ...

    def shrink(self, most: int) -> None:
        """Let go of payloads until `most` bytes are left, or one event that a consumer waits for."""
        ...


class GroupBudget:
    """Divides a share among the groups that have consumers; the others keep what they hold while there is room."""

    def __init__(self, share: Share | None = None) -> None:
        self.turns = WorkTurns()
        """Turns of the event loop that all subscriptions have together."""
        self._share = Share("groups", GROUPS_BYTES) if share is None else share
        self._counted: dict[Holder, int] = {}
        self._active: dict[Holder, int] = {}
        """Groups with consumers, and what was left of each that could not let go of all that is beyond its part."""
        self._idle: dict[Holder, None] = {}
        """Groups without consumers that hold something, the longest unused first."""

    @property
    def part(self) -> int:
        """Bytes with which a group takes in no more."""
        return min(group_window.WINDOW_BYTES, self._share.limit // max(len(self._active), 1))

    def join(self, holder: Holder) -> None:
        """A group has its first consumer."""
        if holder not in self._active:
            self._idle.pop(holder, None)
            self._active[holder] = 0
            self.count(holder)

    def leave(self, holder: Holder) -> None:
        """A group has lost its last consumer."""
        if self._active.pop(holder, None) is not None:
            self.count(holder)

    def forget(self, holder: Holder) -> None:
        """A group ends."""
        self._active.pop(holder, None)
        self._idle.pop(holder, None)
        self._share.give_back(self._counted.pop(holder, 0))

    def count(self, holder: Holder) -> None:
        """Count what a group holds now; when that is too much for all together, some of them let go."""
        if holder not in self._active:
            self._idle.setdefault(holder)
        self._note(holder)
        if self._share.used > self._share.limit:
            self._share.refused += 1
            self._relieve()

    def _note(self, holder: Holder) -> None:
        held = holder.held_bytes
        self._share.used += held - self._counted.get(holder, 0)
        self._counted[holder] = held
        if held < self._active.get(holder, 0):
            self._active[holder] = held

    def _relieve(self) -> None:
        """Have groups without consumers let go first, then those that hold more than their part."""
        while self._idle and self._share.used > self._share.limit:
            holder = next(iter(self._idle))
            del self._idle[holder]
            holder.release()
            self._note(holder)
        part = self.part
        for holder, least in self._active.items():
            if self._share.used <= self._share.limit:
                break
            if self._counted.get(holder, 0) > max(part, least):
                holder.shrink(part)
                self._note(holder)
                left = self._counted[holder]
                self._active[holder] = left if left > part else 0
