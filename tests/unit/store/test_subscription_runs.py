"""Runs of subscriptions have numbers that never return, and what was said in one that has ended is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gater.model import commands as c
from gater.model.errors import SubscriptionNotFoundError
from gater.model.selectors import by_event_type
from gater.model.subscriptions import Ahead, GroupSettings
from gater.store.machine import Machine
from gater.store.subscription_reader import SubscriptionReader, selector_json
from tests.unit.store.stores import append, new_machine

SELECTOR = selector_json(by_event_type("T"))
SETTINGS = msgspec.json.encode(GroupSettings())
NOTHING = msgspec.msgpack.encode(Ahead())
REMOVE = c.RemoveSubscription("a", SELECTOR)


def save(start_from: int = 0) -> c.SaveSubscription:
    return c.SaveSubscription("a", SELECTOR, False, start_from, SETTINGS, 5)


def advance(run: int, position: int) -> c.AdvanceCheckpoint:
    return c.AdvanceCheckpoint("a", run, position, NOTHING)


def park(run: int, *positions: int) -> c.ParkEvents:
    return c.ParkEvents("a", run, tuple([c.ParkedEntry(position, f"in {run}", 1) for position in positions]), 7)


def applied(machine: Machine, *commands: Any) -> list[Any]:
    return machine.apply(list(commands)).outcomes


def run_of(machine: Machine) -> int:
    found = SubscriptionReader(machine.connection, machine.counts).get("a")
    assert found is not None
    return found.run


def checkpoint(machine: Machine) -> int:
    found = SubscriptionReader(machine.connection, machine.counts).get("a")
    assert found is not None
    return found.checkpoint


def parked(machine: Machine) -> list[int]:
    return [row.position for row in SubscriptionReader(machine.connection, machine.counts).parked("a", 0, 1_000)]


@pytest.fixture
def machine() -> Machine:
    """A store with five events, a subscription to them, and five parked ones."""
    machine = new_machine()
    applied(machine, append("s", range(5)), save(), park(1, 1, 2, 3, 4, 5))
    return machine


AGAIN = {
    "removed and saved": (REMOVE, save()),
    "rewound": (c.RewindSubscription("a", 0),),
    "saved with another start": (save(2),),
}


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_what_belongs_to_a_run_is_refused_after_it_has_ended(machine: Machine, again: str, in_one_batch: bool) -> None:
    late = [advance(1, 5), park(1, 3), c.ForgetReplayed("a", 1, (2,)), c.ClaimReceipts("a", 1, 10)]
    commands = [*AGAIN[again], park(2, 2), c.ReplayParked("a", 2, (2,), 1)]
    if in_one_batch:
        outcomes = applied(machine, *commands, *late)[len(commands) :]
    else:
        applied(machine, *commands)
        outcomes = applied(Machine(machine.connection, "memory"), *late)
    assert [type(outcome) for outcome in outcomes] == [SubscriptionNotFoundError] * len(late)
    assert checkpoint(machine) <= 1
    assert 2 in parked(machine)
    assert run_of(machine) == 2


def test_a_replay_or_discard_that_a_removal_overtakes_leaves_what_was_parked_since(machine: Machine) -> None:
    applied(machine, REMOVE, save(), park(2, 2))
    outcomes = applied(machine, c.DiscardParked("a", 1, (2,), 1), c.ReplayParked("a", 1, (2,), 1))
    assert [type(outcome) for outcome in outcomes] == [SubscriptionNotFoundError] * 2
    assert [row.replaying for row in SubscriptionReader(machine.connection, machine.counts).parked("a", 0, 9)] == [
        False
    ]


def test_a_rewind_does_not_keep_parked_events_from_being_discarded(machine: Machine) -> None:
    applied(machine, c.RewindSubscription("a", 0))
    assert applied(machine, c.DiscardParked("a", 1, (2,), 1)) == [[2]]


def test_what_was_parked_again_since_it_was_replayed_is_not_forgotten(machine: Machine) -> None:
    applied(machine, c.ReplayParked("a", 1, (2, 3), 2), park(1, 3), c.ForgetReplayed("a", 1, (2, 3)))
    assert parked(machine) == [1, 3, 4, 5]


def test_a_removal_of_another_selector_does_nothing(machine: Machine) -> None:
    other = c.RemoveSubscription("a", selector_json(by_event_type("U")))
    assert applied(machine, other) == [False]
    assert run_of(machine) == 1


@dataclass
class Known:
    """The subscription as it should be."""

    made: int
    run: int
    checkpoint: int
    parked: dict[int, bool] = field(default_factory=dict)


class RunsMachine(RuleBasedStateMachine):
    """Two callers change one subscription, and speak of runs that they knew; log order decides."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = new_machine()
        self.machine.apply([append("s", range(9))])
        self.known: Known | None = None
        self.numbers = 0
        self.runs: list[int] = []
        """Every run that there was."""
        self.given: set[int] = set()

    def number(self, count: int = 1) -> int:
        first = self.numbers + 1
        self.numbers += count
        assert not self.given & set(range(first, self.numbers + 1))
        self.given |= set(range(first, self.numbers + 1))
        return first

    def apply(self, command: c.AnyCommand) -> Any:
        (outcome,) = self.machine.apply([command]).outcomes
        return outcome

    def begin(self, checkpoint: int) -> int:
        run = self.number()
        self.runs.append(run)
        if self.known is None:
            self.known = Known(run, run, checkpoint)
        else:
            self.known.run, self.known.checkpoint = run, checkpoint
        return run

    @rule()
    def restart(self) -> None:
        self.machine = Machine(self.machine.connection, "memory")

    @rule()
    def save(self) -> None:
        made = self.known is None
        if made:
            self.begin(0)
        assert self.apply(save()) is made

    @rule()
    def remove(self) -> None:
        assert self.apply(REMOVE) is (self.known is not None)
        self.known = None

    @precondition(lambda self: self.known)
    @rule(after=st.integers(0, 9))
    def rewind(self, after: int) -> None:
        assert self.apply(c.RewindSubscription("a", after)) == self.begin(after)

    @precondition(lambda self: self.runs)
    @rule(draw=st.data(), position=st.integers(1, 9))
    def speak(self, draw: st.DataObject, position: int) -> None:
        """A command of a run, mostly of one of the last."""
        run = draw.draw(st.sampled_from(self.runs[-3:]))
        kind = draw.draw(st.sampled_from(["advance", "park", "forget", "claim", "replay", "discard"]))
        command: c.AnyCommand = {
            "advance": advance(run, position),
            "park": park(run, position),
            "forget": c.ForgetReplayed("a", run, (position,)),
            "claim": c.ClaimReceipts("a", run, position),
            "replay": c.ReplayParked("a", run, (position,), 1),
            "discard": c.DiscardParked("a", run, (position,), 1),
        }[kind]
        outcome, known = self.apply(command), self.known
        current = known is not None and (known.made <= run if kind in ("replay", "discard") else known.run == run)
        if known is None or not current:
            assert isinstance(outcome, SubscriptionNotFoundError)
        elif kind == "advance":
            assert outcome is (position >= known.checkpoint)
            known.checkpoint = max(known.checkpoint, position)
        elif kind == "park":
            known.parked[position] = False
        elif kind == "forget":
            if known.parked.get(position):
                del known.parked[position]
        elif kind == "claim":
            assert outcome == self.number(position)
            assert outcome > known.run
        elif kind == "replay":
            assert outcome == ([position] if position in known.parked else [])
            if position in known.parked:
                known.parked[position] = True
        else:
            assert outcome == ([position] if known.parked.pop(position, None) is not None else [])

    @invariant()
    def the_file_says_the_same(self) -> None:
        reader = SubscriptionReader(self.machine.connection, self.machine.counts)
        saved, known = reader.get("a"), self.known
        assert reader.numbers() == self.numbers
        if known is None:
            assert saved is None
            assert reader.count_parked("a") == 0
            return
        assert saved is not None
        assert (saved.made, saved.run, saved.checkpoint) == (known.made, known.run, known.checkpoint)
        found = {row.position: row.replaying for row in reader.parked("a", 0, 100)}
        assert found == known.parked


TestRuns = RunsMachine.TestCase
TestRuns.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
