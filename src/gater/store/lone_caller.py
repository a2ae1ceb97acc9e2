"""The rule by which the event loop waits for a batch of a caller that is alone."""

from __future__ import annotations

from typing import Final

LONELY_BATCHES: Final = 4
"""Batches of a single command in a row after which the event loop waits for such a batch."""
SLOW_SECONDS: Final = 0.005
"""How long it waits; a write that takes longer ends the practice for SLOW_BATCHES batches of a single command."""
SLOW_BATCHES: Final = 2_000


class LoneCaller:
    """Counts batches of a single command: as long as a caller is alone and the disk is quick, it is waited for.

    To come back to the event loop would take longer than the write.
    """

    def __init__(self) -> None:
        self._row = 0

    def is_waited_for(self, *, alone: bool) -> bool:
        """Whether the event loop is to wait for the next batch, which is or is not a single command."""
        if not alone:
            self._row = min(self._row, 0)
            return False
        self._row += 1
        return self._row > LONELY_BATCHES

    def was_slow(self) -> None:
        """Note that a batch took longer than SLOW_SECONDS."""
        self._row = -SLOW_BATCHES
