"""Notices that a subscription gives between its events."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Notice(Enum):
    """The distance between a subscription and the newest event."""

    CAUGHT_UP = "caught_up"
    """Everything stored was given; what comes next is new."""
    FELL_BEHIND = "fell_behind"
    """More was written than waits for a slow reader: what comes next is read from the file."""


CAUGHT_UP: Final = Notice.CAUGHT_UP
FELL_BEHIND: Final = Notice.FELL_BEHIND
