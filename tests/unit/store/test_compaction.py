"""A compaction in slices: each costs what it removes, however much was removed before."""

from __future__ import annotations

from collections import deque

import pytest

from gater.model import commands as c
from gater.store.answering import Entry
from gater.store.batches import take_batch, takes_long
from gater.store.machine import Machine
from tests.unit.store.stores import append, memory_store, new_machine, write
from tests.unit.store.work import steps


def many_deleted(number: int) -> Machine:
    machine = new_machine()
    machine.apply([append(f"s-{n}", [n]) for n in range(number)])
    machine.apply([c.DeleteStream(f"s-{n}") for n in range(number)])
    return machine


def one_truncated(number: int) -> Machine:
    """A stream between whose events others stand, so that each has an entry of its own in the index by stream."""
    machine = new_machine()
    machine.apply([append("ab"[n % 2], [n]) for n in range(2 * number)])
    machine.apply([c.TruncateStream("a", number)])
    return machine


def slices_of(machine: Machine) -> list[int]:
    """The work of each slice of a compaction."""
    work: list[int] = []
    begin: int | None = 0

    def carry_out() -> None:
        nonlocal begin
        begin = machine.apply([c.Compact(20, begin or 0)]).outcomes[0].next

    while begin is not None:
        work.append(steps(machine.connection, carry_out))
    return work


@pytest.mark.parametrize("make", [many_deleted, one_truncated])
def test_the_work_of_a_slice_does_not_grow_with_what_there_is(
    make: type[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gater.store.compaction.STREAMS_OF_SLICE", 20)
    few, many = slices_of(make(200)), slices_of(make(1_600))
    assert max(many[1:]) <= 1.5 * max(few[1:])
    assert len(many) <= 9 * len(few)


def test_a_second_compaction_goes_in_slices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.compaction.STREAMS_OF_SLICE", 20)
    machine = many_deleted(400)
    first = slices_of(machine)
    again = slices_of(machine)
    assert len(again) == 21
    assert sum(again) < sum(first) / 3


def test_a_compaction_that_was_cut_short_is_finished_by_the_next() -> None:
    machine = many_deleted(50)
    assert machine.apply([c.Compact(20)]).outcomes[0].removed == 20
    slices_of(machine)
    assert machine.connection.execute("SELECT count(*) FROM events").fetchone() == (0,)
    assert machine.connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_slice_is_a_batch_of_its_own() -> None:
    commands = [append("a", [1]), append("a", [2]), c.Compact(10), append("a", [3])]
    waiting: deque[Entry] = deque([(command, 10, lambda answer, error: None) for command in commands])
    batches = [take_batch(waiting) for _ in range(3)]
    assert [[entry[0] for entry in batch] for batch in batches] == [commands[:2], commands[2:3], commands[3:]]
    assert [takes_long(batch[-1]) for batch in batches] == [False, True, False]


async def test_a_store_is_compacted_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.store.COMPACTED_AT_ONCE", 3)
    async with memory_store() as store:
        for number in range(10):
            await store.run(append(f"s-{number}", [2 * number, 2 * number + 1]))
            await store.run(c.TruncateStream(f"s-{number}", 1))
        assert await store.compact() == 10
        assert await store.compact() == 0
        assert (await store.verify()).ok


async def test_a_list_of_streams_looks_at_a_bounded_number_of_deleted_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.reader.STREAMS_AT_ONCE", 3)
    async with memory_store() as store:
        for number in range(9):
            await write(store, f"s-{number}")
        await store.run(append("s-0", [1]))
        for number in (1, 2, 3, 4, 5, 7):
            await store.run(append(f"s-{number}", [10 + number]))
            await store.run(c.DeleteStream(f"s-{number}"))
        await store.run(append("s-6", [2]))
        assert store.reader.streams("", "", 9) == (["s-0"], "s-2")
        assert store.reader.streams("", "s-2", 9) == ([], "s-5")
        assert store.reader.streams("", "s-5", 9) == (["s-6"], None)
        assert store.reader.streams("", "", 1) == (["s-0"], "s-0")


def test_the_work_of_choosing_parked_events_does_not_grow_with_their_number() -> None:
    def work(number: int, command: c.AnyCommand) -> int:
        machine = new_machine()
        machine.apply([c.SaveSubscription("a", b'{"by_stream":"$all"}', False, 0, b"{}", 1)])
        run = machine.connection.execute("SELECT run FROM subscriptions").fetchone()[0]
        entries = tuple(c.ParkedEntry(position, "", 1) for position in range(1, number))
        machine.apply([c.ParkEvents("a", run, entries, 7)])
        return steps(machine.connection, lambda: machine.apply([command]))

    chosen = tuple(range(20, 40))
    for command in (c.ReplayParked("a", 9, chosen, 20), c.DiscardParked("a", 9, chosen, 20)):
        assert work(2_000, command) <= 1.5 * work(100, command) + 5
