"""The receipts that a consumer group may give with its deliveries, each once and in order."""

from __future__ import annotations

from typing import Final

EVERY_RECEIPT: Final = 1 << 62
"""No receipt is greater."""


class Receipts:
    """Those that it was granted and has not given."""

    def __init__(self) -> None:
        self.last = 0
        """The one that was given last."""
        self._next = range(0)
        self._spare = range(0)
        """Those that are given after the next ones."""

    def __len__(self) -> int:
        return len(self._next) + len(self._spare)

    def grant(self, receipts: range) -> None:
        """Let these be given, which are greater than all before."""
        if self._next:
            self._spare = receipts
        else:
            self._next = receipts

    def next(self, most: int) -> range:
        """Those that are given next, up to so many."""
        return self._next[: max(most, 0)]

    def gave(self, count: int) -> None:
        """So many of them were given."""
        if count:
            self.last = self._next[count - 1]
            self._next = self._next[count:]
        if not self._next:
            self._next, self._spare = self._spare, range(0)
