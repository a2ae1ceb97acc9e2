"""The plan of a batch: the outcomes of its commands, and what is to be written for them."""

from __future__ import annotations

from typing import Any, Final

from gater.model import commands as c
from gater.model.events import EventRow, WeighedRows, weigh_rows
from gater.store.places import Places
from gater.store.rows import FlatRows, free

EVENT_WIDTH: Final = 9
"""Columns of the table of events."""


class Plan:
    """The decisions of a machine about a batch; nothing of it is in the file until the machine has written it."""

    __slots__ = ("asking", "compactions", "events", "hides", "outcomes", "places", "rows", "statements", "streams")

    def __init__(self, outcomes: list[Any] | None = None) -> None:
        """With `outcomes`, a plan that changes nothing."""
        self.outcomes: list[Any] = [] if outcomes is None else outcomes
        """An answer or an error for each command; those of compactions come when it is written."""
        self.events: list[EventRow] = []
        """The events that the batch adds, in commit order."""
        self.hides: dict[str, int] = {}
        """Events that readers saw before and that the batch hides."""
        self.places = Places()
        """The stored events that have the ids of the batch."""
        self.streams: list[Any] = []
        """New streams, flat."""
        self.rows = FlatRows(EVENT_WIDTH)
        """New events."""
        self.statements: list[tuple[str, tuple[Any, ...]]] = []
        """All else, in order."""
        self.asking: dict[int, int] = {}
        """Statements whose rows are the outcome of a command, with its place among the outcomes."""
        self.compactions: list[tuple[int, c.Compact]] = []
        """Slices of compactions, each with its place among the outcomes."""

    @property
    def must_write(self) -> bool:
        """Whether it changes anything."""
        return bool(self.rows.last or self.streams or self.statements or self.compactions)

    def weigh(self) -> None:
        """Weigh the events of a large batch, so that the event loop need not."""
        weighed = weigh_rows(self.events)
        free(self.events)
        self.events = weighed

    def free(self) -> None:
        """Let go of a large batch that was answered, in steps between which other threads have their turn."""
        self.places.free()
        if type(self.events) is WeighedRows:
            free(self.events)
