"""A consumer group against a naive model: random consumers, failures, restarts, replays and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gater.model.errors import OverloadedError
from gater.model.subscriptions import NACK_ACTIONS, Ahead, GroupSettings
from gater.store.machine import EventRow
from gater.subscriptions import group_window
from gater.subscriptions.group import Group, Outcome

WINDOW: Final = 4
CONSUMERS: Final = ("x", "y", "z")
RUNS: Final = settings(
    max_examples=300, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)

State = Literal["ready", "flight", "retry", "parking", "parking later", "settled"]

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


@dataclass
class Owed:
    """An event of the group as the model knows it."""

    row: EventRow
    fed: bool
    replayed: bool
    state: State = "ready"
    failures: int = 0
    receipt: int = 0
    judged: bool = False
    holder: str = ""
    taken_at: float = 0.0
    due: float = 0.0
    parking: tuple[str, int] = ("", 0)

    @property
    def key(self) -> str:
        return self.row[0]

    @property
    def position(self) -> int:
        return self.row[2]


@dataclass
class Model:
    """The rules said plainly; each question looks through everything."""

    settings: GroupSettings
    checkpoint: int = 0
    reached: int = 0
    known: Ahead = field(default_factory=Ahead)
    known_parked: set[int] = field(default_factory=set)
    entries: list[Owed] = field(default_factory=list)
    """Everything that was fed or replayed; what is settled, too."""
    blocked: dict[str, int] = field(default_factory=dict)
    prefetch: dict[str, int] = field(default_factory=dict)
    last_receipt: int = 0
    announced: list[Owed] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    delivered: int = 0
    redelivered: int = 0
    acked: int = 0
    skipped: int = 0

    @property
    def keyed(self) -> bool:
        return self.settings.ordering == "key"

    @property
    def blocks(self) -> bool:
        return self.keyed and self.settings.after_park == "block"

    def unsettled(self) -> list[Owed]:
        return sorted([e for e in self.entries if e.state != "settled"], key=lambda e: e.position)

    def find(self, position: int) -> Owed | None:
        found = [e for e in self.entries if e.position == position]
        return next((e for e in found if e.state != "settled"), found[0] if found else None)

    def in_flight(self, consumer: str = "") -> list[Owed]:
        flying = [e for e in self.entries if e.state == "flight" and consumer in ("", e.holder)]
        return sorted(flying, key=lambda e: e.receipt)

    def position(self) -> int:
        waiting = [e.position for e in self.unsettled() if e.fed]
        return min(waiting) - 1 if waiting else self.reached

    def kept(self) -> int:
        fed = [e for e in self.entries if e.fed and e.position > self.position()]
        return len(fed) + len([e for e in self.unsettled() if not e.fed])

    def room(self) -> int:
        return max(max(2 * self.settings.max_in_flight, WINDOW) - self.kept(), 0)

    def ahead(self) -> Ahead:
        fed = sorted([e for e in self.entries if e.fed], key=lambda e: e.position)
        settled = [e.position for e in fed if e.state == "settled" and e.position > self.position()]
        attempts = [(e.position, e.failures) for e in fed if e.state != "settled" and e.failures]
        settled += [position for position in self.known.settled if position > self.reached]
        attempts += [(position, count) for position, count in self.known.attempts if position > self.reached]
        return Ahead(tuple(settled), tuple(attempts))

    def deliverable(self) -> list[Owed]:
        """What may be delivered next."""
        unsettled = self.unsettled()
        ready = [e for e in unsettled if e.state == "ready"]
        if not self.keyed:
            return ready
        held = {e.key for e in unsettled if e.state != "ready"}
        firsts: dict[str, Owed] = {}
        for entry in ready:
            firsts.setdefault(entry.key, entry)
        return [e for key, e in firsts.items() if key not in held]

    def share(self, consumer: str) -> int:
        """How many more events a consumer may have."""
        if consumer not in self.prefetch:
            return 0
        own = self.prefetch[consumer] - len(self.in_flight(consumer))
        return max(min(own, self.settings.max_in_flight - len(self.in_flight())), 0)

    def next_due(self) -> float | None:
        overdue = [e.taken_at + self.settings.ack_timeout for e in self.in_flight()]
        waits = [e.due for e in self.entries if e.state in ("retry", "parking later")]
        return min(overdue + waits, default=None)

    # --- what happens ---

    def feed(self, rows: list[EventRow], reached: int) -> None:
        for row in rows:
            if row[2] <= self.reached:
                continue
            here = self.find(row[2])
            if here is not None and here.state != "settled":
                here.fed = True
                continue
            entry = Owed(row, fed=True, replayed=False, failures=dict(self.known.attempts).get(row[2], 0))
            self.entries.append(entry)
            if row[2] in self.known.settled or row[2] in self.known_parked:
                entry.state = "settled"
            elif self.is_behind(entry):
                self.park(entry, f"behind the parked event at position {self.blocked[entry.key]}", 0)
        self.reached = max(self.reached, reached)

    def is_behind(self, entry: Owed) -> bool:
        return entry.position > self.blocked.get(entry.key, entry.position) and not entry.replayed

    def replay(self, row: EventRow) -> None:
        here = self.find(row[2])
        if here is None or here.state == "settled":
            self.entries.append(Owed(row, fed=False, replayed=True))
        elif not here.replayed:
            here.replayed, here.failures = True, 0

    def deliver(self, entry: Owed, consumer: str, receipt: int, now: float) -> None:
        self.delivered += 1
        self.redelivered += bool(entry.receipt or entry.failures or entry.replayed)
        entry.state, entry.holder, entry.receipt = "flight", consumer, receipt
        entry.taken_at, entry.judged = now, False
        self.last_receipt = receipt

    def refusal(self, position: int, receipt: int | None) -> Outcome | None:
        entry = self.find(position)
        if entry is None:
            known = position <= self.position() or (
                position > self.reached and (position in self.known.settled or position in self.known_parked)
            )
            return Outcome.ALREADY if known else Outcome.UNKNOWN
        if entry.state == "settled":
            return Outcome.ALREADY
        if entry.receipt and receipt not in (None, entry.receipt):
            return Outcome.STALE
        if not entry.receipt and (receipt is None or receipt < 1):
            return Outcome.UNKNOWN
        return None

    def ack(self, position: int, receipt: int | None) -> Outcome:
        refusal, entry = self.refusal(position, receipt), self.find(position)
        if refusal is not None or entry is None:
            return refusal or Outcome.UNKNOWN
        if entry.state in ("parking", "parking later"):
            return Outcome.STALE
        self.acked += 1
        self.settle(entry)
        return Outcome.SETTLED

    def nack(self, position: int, receipt: int | None, action: str, now: float, delay: float | None) -> Outcome:
        refusal, entry = self.refusal(position, receipt), self.find(position)
        if refusal is not None or entry is None:
            return refusal or Outcome.UNKNOWN
        if entry.state in ("parking", "parking later"):
            return Outcome.ALREADY
        if action == "skip":
            self.skipped += 1
            self.settle(entry)
        elif action == "park":
            self.park(entry, "why", entry.failures + (not entry.judged))
        elif action == "stop":
            if entry.state != "flight":
                return Outcome.ALREADY
            self.detach(entry.holder, counts=False)
        elif entry.judged:
            return Outcome.ALREADY
        else:
            self.fail(entry, now, "why", delay)
        return Outcome.SETTLED

    def settle(self, entry: Owed) -> None:
        entry.state = "settled"
        if entry.replayed:
            self.forgotten.append(entry.position)

    def count_failure(self, entry: Owed, reason: str) -> bool:
        entry.failures += 1
        entry.judged = True
        if entry.failures <= self.settings.max_retries:
            return True
        times = "1 time" if entry.failures == 1 else f"{entry.failures} times"
        self.park(entry, f"failed {times}: {reason}", entry.failures)
        return False

    def fail(self, entry: Owed, now: float, reason: str, delay: float | None = None) -> None:
        if self.count_failure(entry, reason):
            backoff = self.settings.backoff
            pause = delay if delay is not None else (backoff + backoff[-1:] * entry.failures)[entry.failures - 1]
            entry.state, entry.due = "retry", now + pause

    def give_back(self, entry: Owed) -> None:
        if self.is_behind(entry):
            self.park(entry, f"behind the parked event at position {self.blocked[entry.key]}", 0)
        else:
            entry.state = "ready"

    def detach(self, consumer: str, *, counts: bool) -> None:
        for entry in self.in_flight(consumer):
            if not counts or self.count_failure(entry, "its consumer left"):
                self.give_back(entry)
            counts = False
        self.prefetch.pop(consumer, None)

    def tick(self, now: float) -> None:
        for entry in self.in_flight():
            if entry.taken_at + self.settings.ack_timeout <= now:
                self.fail(entry, now, "not acknowledged in time")
        for entry in self.entries:
            if entry.state == "retry" and entry.due <= now:
                self.give_back(entry)
            elif entry.state == "parking later" and entry.due <= now:
                self.park(entry, *entry.parking)

    def park(self, entry: Owed, reason: str, attempts: int) -> None:
        entry.state, entry.parking = "parking", (reason, attempts)
        self.announced.append(entry)

    def parked(self, position: int) -> None:
        entry = self.find(position)
        assert entry is not None
        assert entry.state == "parking"
        entry.state = "settled"
        if self.blocks:
            self.blocked[entry.key] = min(position, self.blocked.get(entry.key, position))
            for later in self.unsettled():
                if later.key == entry.key and later.position > position and later.state == "ready":
                    self.park(later, f"behind the parked event at position {position}", 0)

    def configure(self, changed: GroupSettings) -> None:
        self.settings = changed
        if not self.blocks:
            self.blocked.clear()


class GroupMachine(RuleBasedStateMachine):
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
        first = self.receipts[-1][1] + 10 if self.receipts else 1
        self.group = Group(changed, checkpoint=checkpoint, ahead=ahead, blocked=blocked, first_receipt=first)
        self.model = Model(changed, checkpoint, checkpoint, ahead, {position for _, position in blocked})
        self.model.last_receipt = first - 1
        if self.model.blocks:
            for key, position in blocked:
                self.model.blocked[key] = min(position, self.model.blocked.get(key, position))
        self.being_parked = []
        self.highest = checkpoint

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
        self.model.feed(again + rows, up_to)

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
        self.model.configure(changed)

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
        if len(taken) < wanted:
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
        expected = self.model.ack(position, receipt)
        assert self.group.ack(position, receipt, self.now) is expected
        if expected is Outcome.SETTLED:
            self.done.add(position)

    @precondition(lambda self: self.log)
    @rule(draw=st.data(), action=st.sampled_from(NACK_ACTIONS), delay=st.sampled_from([None, None, 0.0, 2.5]))
    def nack(self, draw: st.DataObject, action: Any, delay: float | None) -> None:
        position, receipt = self.drawn_receipt(draw)
        consumers = set(self.model.prefetch)
        expected = self.model.nack(position, receipt, action, self.now, delay)
        assert self.group.nack(position, receipt, action, self.now, delay, "why") is expected
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
        expected = {e.position: (e.row, *e.parking) for e in announced}
        parking = self.group.to_park()
        assert {entry[0]: entry[1:] for entry in parking} == expected
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
        self.records = {p: replaying for p, replaying in self.records.items() if self.log[p][0] != key}
        for free in self.group.blocked_keys - {self.log[position][0] for position in self.records}:
            self.group.unblock(free)
            del self.model.blocked[free]

    @rule()
    def forget(self) -> None:
        forgotten, self.model.forgotten = self.model.forgotten, []
        assert sorted(self.group.to_forget()) == sorted(forgotten)
        for position in forgotten:
            self.records.pop(position, None)

    # --- what always holds ---

    @invariant()
    def the_facts_are_those_of_the_model(self) -> None:
        group, model = self.group, self.model
        unsettled = model.unsettled()
        fed = [entry for entry in unsettled if entry.fed]
        assert group.reached == model.reached
        assert group.position == model.position()
        assert group.ahead() == model.ahead()
        assert group.unsettled == len(fed)
        assert group.oldest == (fed[0].row if fed else None)
        assert group.replaying == len([entry for entry in unsettled if entry.replayed])
        assert group.in_flight == len(model.in_flight())
        assert group.retrying == len([entry for entry in unsettled if entry.state == "retry"])
        assert group.next_due == model.next_due()
        assert group.room == model.room()
        assert group.consumers == len(model.prefetch)
        assert dict.fromkeys(group.blocked_keys) == dict.fromkeys(model.blocked)
        counted = (group.delivered, group.redelivered, group.acked, group.skipped)
        assert counted == (model.delivered, model.redelivered, model.acked, model.skipped)

    @invariant()
    def there_is_something_ready_when_something_may_be_delivered(self) -> None:
        may_fly = len(self.model.in_flight()) < self.model.settings.max_in_flight
        assert self.group.has_ready == (may_fly and bool(self.model.deliverable()))

    @invariant()
    def the_checkpoint_tells_the_truth_and_never_goes_back(self) -> None:
        assert self.group.position >= self.highest
        self.highest = self.group.position
        assert {position for position in self.log if position <= self.highest} <= self.done
        assert set(self.group.ahead().settled) <= self.done

    @invariant()
    def memory_is_bounded(self) -> None:
        course, kept = self.group._course, len(self.group._course.window)
        assert kept == self.model.kept()
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
            before = (self.group.reached, self.model.delivered, self.now, len(self.records), self.group.unsettled)
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
            after = (self.group.reached, self.model.delivered, self.now, len(self.records), self.group.unsettled)
            if before == after:
                return
        raise AssertionError("it never comes to an end")


def test_a_group_does_what_the_model_does() -> None:
    run_state_machine_as_test(GroupMachine, settings=RUNS)
