"""The counts of snapshots and parked events: what the file has, whatever has led there, without counting it."""

from __future__ import annotations

from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gater.model import commands as c
from gater.model.snapshots import Snapshot
from gater.store.machine import Machine
from gater.store.plan import Plan
from tests.unit.store.stores import new_machine
from tests.unit.store.test_subscription_runs import SELECTOR, SETTINGS

NAMES = st.sampled_from(["a", "b"])
POSITIONS = st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True).map(tuple)
CHOSEN = POSITIONS | st.none()


def record(version: int) -> c.RecordSnapshot:
    return c.RecordSnapshot(Snapshot("s", "x", version, "t", b"d", None, "", 0, 0))


def park(name: str, positions: tuple[int, ...]) -> c.ParkEvents:
    return c.ParkEvents(name, 1, tuple([c.ParkedEntry(position, "", 1) for position in positions]), 7)


COMMANDS = st.one_of(
    st.builds(record, st.integers(0, 3)),
    st.builds(lambda version: c.DeleteSnapshot("s", "x", version), st.integers(0, 3)),
    st.builds(lambda name: c.SaveSubscription(name, SELECTOR, False, 0, SETTINGS, 5), NAMES),
    st.builds(lambda name: c.RemoveSubscription(name, SELECTOR), NAMES),
    st.builds(park, NAMES, POSITIONS),
    st.builds(lambda name, chosen: c.ReplayParked(name, 9, chosen, 9), NAMES, CHOSEN),
    st.builds(lambda name, chosen: c.DiscardParked(name, 9, chosen, 9), NAMES, CHOSEN),
    st.builds(lambda name, chosen: c.ForgetReplayed(name, 1, chosen), NAMES, POSITIONS),
)


def in_file(machine: Machine) -> tuple[Any, dict[Any, Any]]:
    """The counts by counting."""
    (snapshots,) = machine.connection.execute("SELECT count(*) FROM snapshots").fetchone() or (0,)
    rows = machine.connection.execute("SELECT subscription, count(*) FROM parked GROUP BY subscription")
    return snapshots, {row[0]: row[1] for row in rows}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(COMMANDS, min_size=1, max_size=6), max_size=8))
def test_counts_are_those_of_the_file(batches: list[list[Any]]) -> None:
    machine = new_machine()
    for batch in batches:
        machine.apply(batch)
        assert (machine.counts.snapshots, machine.counts.parked) == in_file(machine)
    again = Machine(machine.connection, "memory")
    assert (again.counts.snapshots, again.counts.parked) == in_file(machine)


def test_a_batch_that_was_rolled_back_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = new_machine()
    machine.apply([record(0)])
    monkeypatch.setattr(Machine, "_write_rows", broken(Machine._write_rows))
    with pytest.raises(apsw.FullError):
        machine.apply([record(1)])
    monkeypatch.undo()
    assert machine.counts.snapshots == 1
    machine.apply([record(2)])
    assert machine.counts.snapshots == 2


def broken(write: Any) -> Any:
    def fail(machine: Machine, plan: Plan) -> None:
        write(machine, plan)
        raise apsw.FullError("full")

    return fail
