"""The groups of one store that may hold events in memory, found by the streams of these."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from gater.model.selectors import Selector, reach

G = TypeVar("G", bound=Hashable)


class HoldingGroups(Generic[G]):
    """Groups by the beginnings of the streams that their selectors can touch: a look for each length, at most 256."""

    def __init__(self) -> None:
        self._members: set[G] = set()
        self._groups: dict[int, dict[str, dict[G, None]]] = {}
        """By length, then by beginning."""

    def add(self, group: G, selector: Selector) -> None:
        """Find a group from now on; twice is once."""
        if group in self._members:
            return
        self._members.add(group)
        for beginning in reach(selector):
            self._groups.setdefault(len(beginning), {}).setdefault(beginning, {})[group] = None

    def discard(self, group: G, selector: Selector) -> None:
        """Find a group no longer; twice is once."""
        if group not in self._members:
            return
        self._members.discard(group)
        for beginning in reach(selector):
            by_beginning = self._groups.get(len(beginning), {})
            groups = by_beginning.get(beginning, {})
            groups.pop(group, None)
            if not groups:
                by_beginning.pop(beginning, None)
            if not by_beginning:
                self._groups.pop(len(beginning), None)

    def of(self, streams: Mapping[str, int]) -> dict[G, dict[str, int]]:
        """The groups that may hold events of some streams, each with what is said of its streams."""
        found: dict[G, dict[str, int]] = {}
        for stream_id, what in streams.items():
            for length, by_beginning in self._groups.items():
                for group in by_beginning.get(stream_id[:length], ()):
                    found.setdefault(group, {})[stream_id] = what
        return found

    def all(self) -> list[G]:
        """All groups."""
        return list(self._members)
