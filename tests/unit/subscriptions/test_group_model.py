"""A consumer group against a naive model: random consumers, failures, restarts, replays and settings."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from gater.model.errors import OverloadedError
from gater.model.events import EventRow
from gater.model.subscriptions import NACK_ACTIONS, Ahead, GroupSettings
from gater.subscriptions import group_window
from gater.subscriptions.group_outcome import Outcome
from tests.unit.subscriptions.group_model import WINDOW, Model
from tests.unit.subscriptions.group_reading import ReadsAgain
from tests.unit.subscriptions.groups import new_group

CONSUMERS: Final = ("x", "y", "z")
RUNS: Final = settings(
    max_examples=150, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)

group_settings = st.builds(
    GroupSettings,
    ack_timeout=st.sampled_from([2.0, 5.0]),
    max_retries=st.integers(0, 2),
    backoff=st.sampled_from([(0.0,), (1.0,), (0.5, 3.0)]),
    max_in_flight=st.integers(1, 5),
    ordering=st.sampled_from(["key", "key", "none"]),
    max_consumers=st.just(2),
    after_park=st.sampled_from(["continue", "block"]),
)


class GroupMachine(ReadsAgain):
    """Tells the group and the model the same, and plays the store and the consumers."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(group_window, "LEAST_WINDOW", WINDOW)
        self.now = 100.0
        self.log: dict[int, EventRow] = {}
        """The matching events of the store by position."""
        self.head = 0
        self.records: dict[int, bool] = {}
        """Parked events in the store: position, and whether it is to be delivered again."""
        self.being_parked: list[int] = []
        self.done: set[int] = set()
        """Positions that were acknowledged, skipped or parked at any time."""
        self.receipts: list[tuple[int, int]] = []
        self.saved: tuple[int, Ahead] = (0, Ahead())
        self.begin(GroupSettings(max_in_flight=3, max_retries=1, max_consumers=2), 0, Ahead(), [])

    def begin(self, changed: GroupSettings, checkpoint: int, ahead: Ahead, blocked: list[tuple[str, int]]) -> None:
        numbers = self.receipts[-1][1] + 9 if self.receipts else 1
        self.group = new_group(changed, checkpoint=checkpoint, ahead=ahead, blocked=blocked, run=1, numbers=numbers)
        known = Ahead(tuple(sorted(self.settled_by(ahead, checkpoint))), ahead.attempts)
        self.model = Model(
            changed, checkpoint, reached=checkpoint, known=known, known_parked={position for _, position in blocked}
        )
        self.set_order()
        self.model.last_receipt = self.model.numbers = numbers
        if self.model.blocks:
            for key, position in blocked:
                self.model.block(key, position)
        self.being_parked = []
        self.highest = checkpoint
        self.note_marks()

    # --- the store ---

    @rule(keys=st.lists(st.sampled_from(["a", "a", "b", "c", ""]), min_size=1, max_size=8))
    def append(self, keys: list[str]) -> None:
        for key in keys:
            self.head += 1
            if key:  # the others do not match
                event_id = self.head.to_bytes(16, "big")
                self.log[self.head] = (key, self.head, self.head, event_id, "T", "bytes", b"", None, 0)

    @rule(limit=st.integers(1, 8), back=st.sampled_from([0, 0, 0, 3]))
    def feed(self, limit: int, back: int) -> None:
        room = min(self.group.room, limit)
        if not room:
            return
        reached = self.group.reached
        coming = [row for position, row in self.log.items() if position > reached]
        rows = coming[:room]
        up_to = rows[-1][2] if len(coming) > len(rows) else self.head
        again = [row for position, row in self.log.items() if reached - back < position <= reached]
        self.group.feed(again + rows, up_to)
        self.note_marks()
        self.model.feed(again + rows, up_to)
        self.read_again()

    @rule()
    def save_checkpoint(self) -> None:
        self.saved = (self.group.position, self.group.ahead())
        self.group.checkpoint_taken()
        assert self.group.settled_since_checkpoint == 0

    @rule(knows_parked=st.booleans(), is_saved=st.booleans(), changed=group_settings)
    def restart(self, knows_parked: bool, is_saved: bool, changed: GroupSettings) -> None:
        if is_saved:
            self.save_checkpoint()
        blocked = [(self.log[position][0], position) for position in self.records] if knows_parked else []
        self.begin(changed, *self.saved, blocked)

    @rule(changed=group_settings)
    def configure(self, changed: GroupSettings) -> None:
        self.group.configure(changed, self.now)
        self.model.settings = changed
        self.set_order()
        self.model.configure(changed)
        self.read_again()

    # --- consumers ---

    @rule(consumer=st.sampled_from(CONSUMERS), prefetch=st.integers(1, 4))
    def attach(self, consumer: str, prefetch: int) -> None:
        if consumer in self.model.prefetch:
            return
        if len(self.model.prefetch) < self.model.settings.max_consumers:
            self.group.attach(consumer, prefetch)
            self.model.prefetch[consumer] = prefetch
        else:
            with pytest.raises(OverloadedError):
                self.group.attach(consumer, prefetch)

    @rule(consumer=st.sampled_from(CONSUMERS))
    def crash(self, consumer: str) -> None:
        self.group.detach(consumer, self.now)
        self.model.detach(consumer, counts=True)

    @rule(consumer=st.sampled_from(CONSUMERS), limit=st.integers(0, 5))
    def take(self, consumer: str, limit: int) -> None:
        self.make_room(is_heavy=False)
        wanted = min(limit, self.model.share(consumer))
        taken = self.group.take(consumer, self.now, limit)
        for row, attempt, receipt in taken:
            entry = self.model.find(row[2])
            assert entry in self.model.deliverable()
            assert (row, attempt) == (self.log[row[2]], entry.failures + 1)
            assert receipt == self.model.last_receipt + 1
            self.model.deliver(entry, consumer, receipt, self.now)
            self.receipts.append((row[2], receipt))
        assert len(taken) <= wanted
        assert not taken or self.group.in_flight <= self.model.settings.max_in_flight
        if len(taken) < wanted and self.has_read_again:
            assert not self.model.deliverable()

    def drawn_receipt(self, draw: st.DataObject) -> tuple[int, int | None]:
        """Mostly that of an event in flight, sometimes an old one, none at all, or one that never was."""
        kind = draw.draw(st.sampled_from(["held", "held", "held", "recent", "none", "any"]))
        held = self.model.in_flight()
        if kind == "held" and held:
            entry = draw.draw(st.sampled_from(held))
            return entry.position, entry.receipt
        if kind == "recent" and self.receipts:
            return draw.draw(st.sampled_from(self.receipts[-10:]))
        position = draw.draw(st.integers(max(self.group.position - 2, 1), self.head + 2))
        return position, None if kind == "none" else draw.draw(st.integers(0, 3))

    @precondition(lambda self: self.log)
    @rule(draw=st.data())
    def ack(self, draw: st.DataObject) -> None:
        position, receipt = self.drawn_receipt(draw)
        if self.is_marked(position) or position not in self.log:
            assert self.group.ack(position, receipt, self.now) in (Outcome.UNKNOWN, Outcome.ALREADY)
            return
        expected = self.model.ack(position, receipt)
        outcome = self.group.ack(position, receipt, self.now)
        assert outcome is expected or (expected is Outcome.ALREADY and self.group._course.window.marks)
        if expected is Outcome.SETTLED:
            self.done.add(position)

    @precondition(lambda self: self.log)
    @rule(draw=st.data(), action=st.sampled_from(NACK_ACTIONS), delay=st.sampled_from([None, None, 0.0, 2.5]))
    def nack(self, draw: st.DataObject, action: Any, delay: float | None) -> None:
        position, receipt = self.drawn_receipt(draw)
        if self.is_marked(position) or position not in self.log:
            return
        consumers = set(self.model.prefetch)
        expected = self.model.nack(position, receipt, action, self.now, delay)
        outcome = self.group.nack(position, receipt, action, self.now, delay, "why")
        assert outcome is expected or (expected is Outcome.ALREADY and self.group._course.window.marks)
        assert self.group.stopped() == list(consumers - set(self.model.prefetch))
        if expected is Outcome.SETTLED and action == "skip":
            self.done.add(position)

    # --- time ---

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tick()

    @rule()
    def time_passes_until_something_is_due(self) -> None:
        due = self.group.next_due
        if due is not None:
            self.now = max(self.now, due)
            self.tick()

    def tick(self) -> None:
        self.group.tick(self.now)
        self.model.tick(self.now)

    # --- parking ---

    @rule()
    def announce(self) -> None:
        announced, self.model.announced = self.model.announced, []
        expected = {e.position: (e.row[0], *e.parking) for e in announced}
        parking = self.group.to_park()
        assert {entry.position: (entry.row[0], *entry[2:]) for entry in parking} == expected
        assert len(parking) == len(expected)
        of_key: dict[str, int] = {}
        for position, row, reason, _ in parking:
            if reason.startswith("behind"):
                assert of_key.get(row[0], 0) < position
                of_key[row[0]] = position
        self.being_parked += [entry.position for entry in parking]

    @rule(fails=st.sampled_from([False, False, True]))
    def write_parked(self, fails: bool) -> None:
        positions, self.being_parked = self.being_parked, []
        if fails:
            self.group.park_failed(positions, self.now)
            for position in positions:
                entry = self.model.find(position)
                assert entry is not None
                entry.state, entry.due = "parking later", self.now + self.model.settings.backoff[0]
            return
        self.records.update(dict.fromkeys(positions, False))
        self.done.update(positions)
        self.group.parked(positions, self.now)
        for position in positions:
            self.model.parked(position)

    @precondition(lambda self: self.records)
    @rule(draw=st.data())
    def replay(self, draw: st.DataObject) -> None:
        chosen = draw.draw(st.lists(st.sampled_from(sorted(self.records)), unique=True, max_size=3))
        self.replay_these(chosen)

    def replay_these(self, positions: list[int]) -> None:
        rows = [self.log[position] for position in positions]
        self.records.update(dict.fromkeys(positions, True))
        self.group.replay(rows, self.now)
        for row in rows:
            self.model.replay(row)

    @rule(key=st.sampled_from(["", "a", "b", "c"]))
    def discard_and_unblock(self, key: str) -> None:
        """Parked events of a key are discarded; keys of which nothing is parked go on."""
        self.forget()
        self.unpark([position for position in self.records if self.log[position][0] == key])

    @rule()
    def forget(self) -> None:
        forgotten, self.model.forgotten = self.model.forgotten, []
        assert sorted(self.group.to_forget()) == sorted(forgotten)
        self.unpark(forgotten)

    def unpark(self, positions: list[int]) -> None:
        for position in positions:
            self.records.pop(position, None)
        self.group.unparked(positions)
        self.model.unpark(positions)

    # --- what always holds ---

    @invariant()
    def the_facts_are_those_of_the_model(self) -> None:
        group, model, knows_itself = self.group, self.model, self.group._course.window.knows_itself
        unsettled = model.unsettled()
        fed = [entry for entry in unsettled if entry.fed]
        assert group.reached == model.reached
        assert group.position == model.position()
        ahead = group.ahead()
        assert self.settled_by(ahead, group.position) == model.settled_beyond()
        settled = {entry.position for entry in model.entries if entry.state == "settled"}
        assert {p: c for p, c in ahead.attempts if p not in settled} == model.attempts()
        known = [entry for entry in fed if knows_itself or entry.position not in model.away]
        assert group.unsettled == len(known)
        marked = [self.log[position] for position in sorted(model.away) if position > model.reached]
        oldest = [entry.row for entry in fed] + marked
        assert (group.oldest and group.oldest[::2][:2]) == (oldest[0][::2][:2] if oldest else None)
        assert group.replaying == len([entry for entry in unsettled if entry.replayed])
        assert group.in_flight == len(model.in_flight())
        assert group.retrying == len([entry for entry in unsettled if entry.state == "retry"])
        assert group.next_due == model.next_due()
        assert group.consumers == len(model.prefetch)
        assert dict.fromkeys(group.blocked_keys) == dict.fromkeys(model.blocked)
        counted = (group.delivered, group.redelivered, group.acked, group.skipped)
        assert counted == (model.delivered, model.redelivered, model.acked, model.skipped)

    @invariant()
    def there_is_something_ready_when_something_may_be_delivered(self) -> None:
        may_fly = len(self.model.in_flight()) < self.model.settings.max_in_flight
        may_deliver = may_fly and bool(self.model.deliverable())
        assert self.group.has_ready == may_deliver or (may_deliver and not self.has_read_again)

    @invariant()
    def the_checkpoint_tells_the_truth_and_never_goes_back(self) -> None:
        assert self.group.position >= self.highest
        self.highest = self.group.position
        assert {position for position in self.log if position <= self.highest} <= self.done
        assert self.settled_by(self.group.ahead(), self.highest) <= self.done

    @invariant()
    def memory_is_bounded(self) -> None:
        course, kept = self.group._course, len(self.group._course.window)
        assert kept <= len(self.model.unsettled())
        assert len(course.window._order) + len(course.window._again) <= 2 * kept + group_window.SETTLED_LISTED + 8
        ahead = self.group.ahead()
        assert len(ahead.unsettled) + len(ahead.waiting) <= len(self.model.unsettled()) + len(self.log) * (
            not course.window.knows_itself
        )
        assert len(course.waits._heap) <= 2 * kept + 64 + 1
        for consumer, prefetch in self.model.prefetch.items():
            held = self.group.in_flight_of(consumer)
            assert held == len(self.model.in_flight(consumer))
            assert held <= prefetch

    # --- how it ends ---

    def teardown(self) -> None:
        try:
            self.everything_is_settled_in_the_end()
        finally:
            self.patch.undo()

    def everything_is_settled_in_the_end(self) -> None:
        """A healthy consumer and a healthy store: nothing is stuck."""
        for consumer in CONSUMERS:
            self.crash(consumer)
        self.attach("x", 3)
        self.work_until_idle()
        assert (self.group.position, self.group.unsettled) == (self.head, 0)
        assert set(self.log) <= self.done
        self.replay_these(sorted(self.records))
        self.work_until_idle()
        assert not self.records
        assert self.group.replaying == 0
        assert not self.group.has_ready
        assert (len(self.group._course.window), len(self.group._course.lanes)) == (0, 0)

    def work_until_idle(self) -> None:
        for _ in range(1_000):
            before = self.progress()
            self.feed(8, 0)
            self.take("x", 5)
            for entry in self.model.in_flight():
                assert self.group.ack(entry.position, entry.receipt, self.now) is Outcome.SETTLED
                self.model.ack(entry.position, entry.receipt)
                self.done.add(entry.position)
            self.announce()
            self.write_parked(fails=False)
            self.forget()
            self.time_passes_until_something_is_due()
            self.the_facts_are_those_of_the_model()
            self.the_checkpoint_tells_the_truth_and_never_goes_back()
            if before == self.progress():
                return
        raise AssertionError("it never comes to an end")

    def progress(self) -> tuple[object, ...]:
        """What changes as long as there is something left to do."""
        group = self.group
        return (
            group.reached,
            group.unsettled,
            group.next_due,
            self.model.delivered,
            self.now,
            len(self.records),
            len(group.refill.loading),
        )


def test_a_group_does_what_the_model_does() -> None:
    run_state_machine_as_test(GroupMachine, settings=RUNS)
