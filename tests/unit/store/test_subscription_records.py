"""What a store keeps of durable subscriptions: a checkpoint that goes back only when it is told to, what is parked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.model import commands as c
from gater.model.errors import AlreadyExistsError, GaterError, OverloadedError, SubscriptionNotFoundError
from gater.model.selectors import Selector, by_event_type, by_stream
from gater.model.subscriptions import Ahead, GroupSettings
from gater.store import subscription_records
from gater.store.machine import Machine
from gater.store.subscription_reader import SavedSubscription, SubscriptionReader, selector_json
from tests.unit.store.stores import append, content, new_machine

SETTINGS = msgspec.json.encode(GroupSettings())


def save(name: str = "a", selector: Selector | None = None, start_from: int = 0, epoch: int = 5) -> c.SaveSubscription:
    selector = by_event_type("T") if selector is None else selector
    one_stream = selector.stream_id is not None
    return c.SaveSubscription(name, selector_json(selector), one_stream, start_from, SETTINGS, epoch)


def advance(position: int, run: int = 1, ahead: Ahead | None = None, name: str = "a") -> c.AdvanceCheckpoint:
    return c.AdvanceCheckpoint(name, run, position, msgspec.msgpack.encode(ahead or Ahead()))


def remove(name: str = "a", selector: Selector | None = None) -> c.RemoveSubscription:
    return c.RemoveSubscription(name, selector_json(by_event_type("T") if selector is None else selector))


def run(machine: Machine, *commands: Any) -> list[Any]:
    return machine.apply(list(commands)).outcomes


def saved(machine: Machine, name: str = "a") -> SavedSubscription:
    found = SubscriptionReader(machine.connection, machine.counts).get(name)
    assert found is not None
    return found


def parked(machine: Machine, name: str = "a") -> list[tuple[int, bool]]:
    return [
        (row.position, row.replaying)
        for row in SubscriptionReader(machine.connection, machine.counts).parked(name, 0, 1_000)
    ]


@pytest.fixture
def machine() -> Machine:
    """A store with five events of one stream."""
    machine = new_machine()
    run(machine, append("s", range(5)))
    return machine


@pytest.mark.parametrize(
    ("selector", "start_from", "first_version", "checkpoint"),
    [
        (by_event_type("T"), 0, 0, 0),
        (by_event_type("T"), 1, 0, 0),
        (by_event_type("T"), 4, 0, 3),
        (by_event_type("T"), -1, 0, 5),
        (by_event_type("T"), 100, 0, 99),
        (by_stream("s"), 0, 0, 0),
        (by_stream("s"), 3, 3, 0),
        (by_stream("s"), -1, 0, 5),
    ],
)
def test_it_begins_where_it_is_told(
    machine: Machine, selector: Selector, start_from: int, first_version: int, checkpoint: int
) -> None:
    assert run(machine, save("a", selector, start_from)) == [True]
    found = saved(machine)
    assert (found.config.name, found.config.selector, found.config.start_from) == ("a", selector, start_from)
    assert (found.first_version, found.checkpoint, found.run) == (first_version, checkpoint, 1)
    assert found.ahead == Ahead()


def test_saving_again_keeps_how_far_it_has_come(machine: Machine) -> None:
    ahead = Ahead((4,), ((5, 2),))
    run(machine, save(), advance(3, ahead=ahead))
    assert run(machine, save(epoch=9)) == [False]
    found = saved(machine)
    assert (found.checkpoint, found.ahead, found.run) == (3, ahead, 1)
    assert (found.config.created_epoch, found.config.updated_epoch) == (5, 9)


def test_another_start_moves_it_and_forgets_what_was_ahead(machine: Machine) -> None:
    run(machine, save(), advance(3, ahead=Ahead((5,))))
    assert run(machine, save(start_from=2)) == [False]
    found = saved(machine)
    assert (found.checkpoint, found.ahead, found.made, found.run) == (1, Ahead(), 1, 2)
    assert found.config.start_from == 2


def test_the_checkpoint_never_goes_back(machine: Machine) -> None:
    run(machine, save())
    assert run(machine, advance(3), advance(2), advance(3, ahead=Ahead((5,))), advance(4)) == [True, False, True, True]
    assert saved(machine).checkpoint == 4
    assert run(machine, advance(1)) == [False]
    assert saved(machine).checkpoint == 4


def test_what_was_read_before_a_rewind_counts_no_more(machine: Machine) -> None:
    run(machine, save(), advance(4))
    assert run(machine, c.RewindSubscription("a", 1)) == [2]
    refused, taken = run(machine, advance(5), advance(2, 2))
    assert isinstance(refused, SubscriptionNotFoundError)
    assert taken is True
    found = saved(machine)
    assert (found.checkpoint, found.made, found.run) == (2, 1, 2)
    begun, refused, taken = run(machine, c.RewindSubscription("a", 0), advance(5, 2), advance(1, 3))
    assert (begun, taken) == (3, True)
    assert isinstance(refused, SubscriptionNotFoundError)
    assert saved(machine).checkpoint == 1


def test_a_rewind_of_one_stream_begins_by_position(machine: Machine) -> None:
    run(machine, save("a", by_stream("s"), 4))
    run(machine, c.RewindSubscription("a", 1))
    found = saved(machine)
    assert (found.first_version, found.checkpoint, found.config.start_from) == (0, 1, 4)


def test_another_selector_is_refused(machine: Machine) -> None:
    run(machine, save())
    (outcome,) = run(machine, save("a", by_event_type("U")))
    assert isinstance(outcome, AlreadyExistsError)
    assert saved(machine).config.selector == by_event_type("T")


def test_there_are_no_more_than_allowed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_records, "MOST_SUBSCRIPTIONS", 2)
    outcomes = run(machine, save("a"), save("b"), save("c"), save("a"), remove("b"), save("c"))
    assert isinstance(outcomes.pop(2), OverloadedError)
    assert outcomes == [True, True, False, True, True]


def test_what_is_not_there_is_not_found(machine: Machine) -> None:
    outcomes = run(
        machine,
        advance(1),
        c.RewindSubscription("a", 0),
        c.ParkEvents("a", 1, (c.ParkedEntry(1, "", 1),), 0),
        c.ReplayParked("a", 1, None, 5),
        c.DiscardParked("a", 1, (1,), 5),
    )
    assert all(isinstance(outcome, SubscriptionNotFoundError) and outcome.name == "a" for outcome in outcomes)
    assert run(machine, remove("a")) == [False]
    assert parked(machine) == []


def test_removing_forgets_what_is_parked_of_it_alone(machine: Machine) -> None:
    entry = (c.ParkedEntry(1, "bad", 1),)
    run(machine, save("a"), save("b"), c.ParkEvents("a", 1, entry, 7), c.ParkEvents("b", 2, entry, 7))
    assert run(machine, remove("a"), save("a")) == [True, True]
    assert (parked(machine, "a"), parked(machine, "b")) == ([], [(1, False)])


def test_parked_events_are_replayed_and_discarded_by_position_or_all(machine: Machine) -> None:
    entries = tuple(c.ParkedEntry(position, f"bad {position}", position) for position in (4, 2, 1, 5))
    run(machine, save(), c.ParkEvents("a", 1, entries, 7))
    assert parked(machine) == [(1, False), (2, False), (4, False), (5, False)]
    assert sorted(run(machine, c.ReplayParked("a", 1, (2, 3, 5), 9))[0]) == [2, 5]
    assert parked(machine) == [(1, False), (2, True), (4, False), (5, True)]
    assert run(machine, c.DiscardParked("a", 1, (2, 3), 9)) == [[2]]
    assert sorted(run(machine, c.DiscardParked("a", 1, None, 9))[0]) == [1, 4, 5]
    assert parked(machine) == []


def test_parking_again_takes_the_place_of_the_one_before(machine: Machine) -> None:
    run(machine, save(), c.ParkEvents("a", 1, (c.ParkedEntry(1, "first", 1),), 7), c.ReplayParked("a", 1, (1,), 1))
    run(machine, c.ParkEvents("a", 1, (c.ParkedEntry(1, "second", 3),), 8))
    (row,) = SubscriptionReader(machine.connection, machine.counts).parked("a", 0, 9)
    assert row == (1, "second", 3, 8, False)


def test_commands_of_one_batch_see_each_other_and_a_new_machine_goes_on(machine: Machine) -> None:
    run(machine, save(), advance(3), c.RewindSubscription("a", 1), advance(2, 2), save("b", start_from=-1))
    again = Machine(machine.connection, "memory")
    older, ended, newer = run(again, advance(1, 2), advance(3, 1), advance(4, 2))
    assert (older, newer) == (False, True)
    assert isinstance(ended, SubscriptionNotFoundError)
    assert (saved(again).checkpoint, saved(again, "b").checkpoint) == (4, 5)


def test_the_same_commands_give_the_same_content_however_they_are_batched() -> None:
    commands = [
        append("s", range(3)),
        save(),
        advance(2, ahead=Ahead((), ((3, 1),))),
        c.ParkEvents("a", 1, (c.ParkedEntry(1, "bad", 1), c.ParkedEntry(2, "bad", 2)), 7),
        save("a", by_event_type("U")),
        c.ReplayParked("a", 1, None, 1),
        c.RewindSubscription("a", 0),
        save("b", by_stream("s"), 2),
    ]
    at_once, one_by_one = new_machine(), new_machine()
    outcomes = run(at_once, *commands)
    for command, outcome in zip(commands, outcomes, strict=True):
        (again,) = run(one_by_one, command)
        assert isinstance(again, GaterError) == isinstance(outcome, GaterError)
    together, apart = content(at_once.connection), content(one_by_one.connection)
    del together["meta"], apart["meta"]  # it counts the batches
    assert together == apart
