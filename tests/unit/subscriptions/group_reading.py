"""The part of a group's test machine that reads again what the group has let go of."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from gater.model.events import POSITION, EventRow
from gater.model.subscriptions import Ahead
from gater.subscriptions.group import Group
from gater.subscriptions.group_window import WINDOW_BYTES
from tests.unit.subscriptions.group_model import Model


class ReadsAgain(RuleBasedStateMachine):
    """Knows what a group keeps of its events, and what it does not."""

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
            self.group.refill.limit(0)
        self.group.make_room()
        self.group.refill.limit(WINDOW_BYTES)
        self.read_again()

    @rule(most=st.integers(0, 600), keeps_one=st.booleans())
    def shrink(self, most: int, keeps_one: bool) -> None:
        """Payloads are let go of for the sake of other groups."""
        self.group.refill.shrink(most, keeps_one=keeps_one)

    @rule()
    def release(self) -> None:
        """What is in memory is let go of, and what was only read is read again."""
        reached, position = self.group.reached, self.group.position
        dropped = self.group.refill.release()
        assert self.group.position == position
        if dropped is not None:
            assert self.group.reached == dropped[POSITION] - 1
            again = [row for place, row in self.log.items() if dropped[POSITION] <= place <= reached]
            self.group.feed(again, reached)
        assert self.group.reached == reached
        self.note_marks()

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
