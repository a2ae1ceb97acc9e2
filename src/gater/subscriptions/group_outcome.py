"""The outcomes of settlements."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """The outcome of an acknowledgement, or of its opposite."""

    SETTLED = "settled"
    """It took effect."""
    ALREADY = "already"
    """The same was said before, or the event is settled: repeating is harmless."""
    STALE = "stale"
    """The event was taken back, and delivered again or given up: this receipt counts no more."""
    UNKNOWN = "unknown"
    """The event is not here, or was never delivered."""
