"""The part of a group's test machine that reads again what the group has let go of."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from gater.model.events import EventRow
from gater.model.subscriptions import Ahead
from gater.subscriptions import group_window
from gater.subscriptions.group import Group
from tests.unit.subscriptions.group_model import Model


class ReadsAgain(RuleBasedStateMachine):
    """Knows what a group keeps of its events, and what it does not."""

    patch: pytest.MonkeyPatch
    log: dict[int, EventRow]
    group: Group
    model: Model

    def settled_by(self, ahead: Ahead, checkpoint: int) -> set[int]:
        """The positions beyond a checkpoint that are settled by what is known ahead of it."""
        settled = set(ahead.settled)
        for position, event in self.log.items():
            of_stream = [mark for mark in ahead.waiting if mark.stream == event[0]]
            is_waiting = any(mark.first <= position <= mark.last for mark in of_stream)
            if checkpoint < position <= ahead.reached and position not in ahead.unsettled and not is_waiting:
                settled.add(position)
        return settled

    def set_order(self) -> None:
        """Key order that was asked for begins when no stream is marked."""
        wanted = self.model.settings.ordering == "key"
        self.model.order_is_pending = wanted and not self.group._course.lanes.keyed

    # --- what is let go of, and read again ---

    @rule(is_heavy=st.booleans())
    def make_room(self, is_heavy: bool) -> None:
        if is_heavy:
            self.patch.setattr(group_window, "WINDOW_BYTES", 0)
        self.group.make_room()
        self.patch.setattr(group_window, "WINDOW_BYTES", 32 << 20)
        self.read_again()

    @property
    def has_read_again(self) -> bool:
        """Whether there was room for all that goes on."""
        return (
            bool(self.group.refill.room) and self.group._course.window.knows_itself and not self.group.refill.is_wanted
        )

    def is_marked(self, position: int) -> bool:
        """Whether an event is one of those of which the group knows only that there are some."""
        mark = self.group._course.window.marks.get(self.log[position][0]) if position in self.log else None
        return mark is not None and mark.covers(position) and self.group._course.window.find(position) is None

    def read_again(self) -> None:
        """Read what was let go of as long as there is room for it."""
        refill = self.group.refill
        while True:
            if positions := refill.to_load(2):
                refill.loaded(positions, [self.log[position] for position in positions])
            for key, mark in refill.to_resume(2):
                rows = [row for position, row in self.log.items() if row[0] == key and position >= mark.first]
                refill.resume(key, mark, rows[:3], 0, not rows)
            if not refill.is_wanted:
                self.set_order()
                self.note_marks()
                return

    def note_marks(self) -> None:
        """Tell the model which events are not here, and which are here again."""
        marks = self.group._course.window.marks
        away = {position for position in self.log if self.is_marked(position)} if marks else set()
        here_again, self.model.away = self.model.away - away, away
        for position in sorted(here_again):
            self.model.here_again(position)
