"""A tally: how often each of many names occurred, with a bound on how many names are told apart."""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"
"""The name under which all occurrences are counted whose own name came too late."""
MOST_NAMES: Final = 1_000


class Tally:
    """Counts by name; when `most` names are known, any further one is counted as OTHER."""

    __slots__ = ("_counts", "_most")

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._counts: dict[str, int] = {}
        self._most = most

    def add(self, name: str, count: int = 1) -> None:
        """Count a name."""
        counts = self._counts
        if name not in counts and len(counts) >= self._most:
            name = OTHER
        counts[name] = counts.get(name, 0) + count

    @property
    def total(self) -> int:
        """All occurrences of all names."""
        return sum(self._counts.values())

    def as_dict(self) -> dict[str, int]:
        """The counts by name, in the order in which the names came."""
        return dict(self._counts)

    def clear(self) -> None:
        """Begin again."""
        self._counts.clear()
