"""The state machine: deterministic, all or nothing, and the same after it is loaded anew."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from gater.model import commands as c
from gater.model.errors import (
    DuplicateEventError,
    GaterError,
    StreamDeletedError,
    WrongExpectedVersionError,
)
from gater.model.events import ImportedEvent
from gater.model.expected_version import ANY, NO_STREAM, STREAM_EXISTS
from gater.model.snapshots import Snapshot
from gater.store.connection import open_file
from gater.store.machine import Machine
from tests.unit.store.stores import append, content, new_machine, raw_event


def random_commands(rng: random.Random, count: int) -> list[c.AnyCommand]:
    """Commands of every kind, of which some are refused."""
    made: list[c.AnyCommand] = []
    for _ in range(count):
        stream = f"s-{rng.randrange(12)}"
        kind = rng.random()
        if kind < 0.6:
            ids = [rng.randrange(3_000) for _ in range(rng.randrange(4))]
            made.append(append(stream, ids, rng.choice([ANY, ANY, NO_STREAM, STREAM_EXISTS, rng.randrange(9)]), 5))
        elif kind < 0.7:
            writes = tuple([c.StreamWrite(f"s-{n}", (raw_event(rng.randrange(3_000)),)) for n in range(3)])
            made.append(c.Append(7, writes, (c.StreamGuard(stream, ANY),)))
        elif kind < 0.75:
            made.append(c.DeleteStream(stream, ANY, rng.random() < 0.1))
        elif kind < 0.85:
            made.append(c.TruncateStream(stream, rng.randrange(20)))
        elif kind < 0.9:
            made.append(c.ImportEvents((ImportedEvent(stream, rng.randrange(5), 3, raw_event(rng.randrange(3_000))),)))
        elif kind < 0.95:
            made.append(c.RecordSnapshot(Snapshot(stream, "x", rng.randrange(3), "t", b"d", None, "", 0, 0)))
        elif kind < 0.98:
            made.append(c.DeleteSnapshot(stream, "x", rng.randrange(3)))
        else:
            made.append(c.Compact(rng.randrange(1, 10), rng.choice((0, 0, rng.randrange(8)))))
    return made


def outcomes_of(machine: Machine, batches: list[list[c.AnyCommand]]) -> list[Any]:
    return [_shown(outcome) for batch in batches for outcome in machine.apply(batch).outcomes]


def _shown(outcome: Any) -> Any:
    return (outcome.code, outcome.details) if isinstance(outcome, GaterError) else outcome


@pytest.mark.parametrize("seed", range(5))
def test_the_same_commands_give_the_same_content_on_every_file(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    commands = random_commands(rng, 400)
    batches = [commands[n : n + 7] for n in range(0, len(commands), 7)]
    machines = [new_machine(open_file(tmp_path / name, create=True, cache_kib=1_024)) for name in ("one", "two")]
    assert outcomes_of(machines[0], batches) == outcomes_of(machines[1], batches)
    assert content(machines[0].connection) == content(machines[1].connection)
    assert machines[0].extent == machines[1].extent > 0
    for machine in machines:
        machine.connection.close()


@pytest.mark.parametrize("seed", range(5))
def test_a_machine_that_is_loaded_anew_goes_on_the_same_way(tmp_path: Path, seed: int) -> None:
    rng = random.Random(100 + seed)
    commands = random_commands(rng, 300)
    batches = [commands[n : n + 5] for n in range(0, len(commands), 5)]
    steady = new_machine()
    path = tmp_path / "anew"
    machine = new_machine(open_file(path, create=True, cache_kib=1_024))
    for batch in batches:
        assert outcomes_of(machine, [batch]) == outcomes_of(steady, [batch])
        position, extent = machine.position, machine.extent
        machine.connection.close()
        machine = Machine(open_file(path, cache_kib=1_024), "memory")
        assert (machine.position, machine.extent) == (position, extent) == (steady.position, steady.extent)
    kept = ("events", "streams", "event_types", "snapshots", "type_blocks")
    anew, first = content(machine.connection), content(steady.connection)
    assert {table: anew[table] for table in kept} == {table: first[table] for table in kept}
    machine.connection.close()


def test_a_refused_command_changes_nothing() -> None:
    machine = new_machine()
    machine.apply([append("a", [1, 2]), append("closed", [3]), c.DeleteStream("closed", ANY, True)])
    before, extent = content(machine.connection), machine.extent
    refused: list[c.AnyCommand] = [
        append("a", [4], 5),
        append("a", [2, 4]),
        append("a", [7, 7]),
        append("closed", [4]),
        append("new", [4], 0),
        c.Append(0, (c.StreamWrite("new", (raw_event(5),)), c.StreamWrite("a", (raw_event(6),), 9))),
        c.Append(0, (c.StreamWrite("new", (raw_event(5),)),), (c.StreamGuard("a", 9),)),
        c.DeleteStream("a", 7),
        c.TruncateStream("closed", 1),
        c.ImportEvents((ImportedEvent("new", 0, 0, raw_event(5)), ImportedEvent("a", 9, 0, raw_event(6)))),
    ]
    outcomes = machine.apply(refused).outcomes
    assert [type(outcome) for outcome in outcomes] == [
        WrongExpectedVersionError,
        DuplicateEventError,
        DuplicateEventError,
        StreamDeletedError,
        WrongExpectedVersionError,
        WrongExpectedVersionError,
        WrongExpectedVersionError,
        WrongExpectedVersionError,
        StreamDeletedError,
        WrongExpectedVersionError,
    ]
    assert (content(machine.connection), machine.extent) == (before, extent)
    assert machine.apply([append("new", [5], NO_STREAM)]).outcomes[0][0].version == 0


def test_commands_of_one_batch_see_each_other() -> None:
    machine = new_machine()
    outcomes = machine.apply(
        [
            append("a", [1, 2], NO_STREAM),
            append("a", [1, 2], NO_STREAM),
            append("a", [3], 1),
            append("a", [3], 1),
            append("a", [2, 3], 0),
            append("a", [4], 1),
            c.DeleteStream("a"),
            append("a", [5], NO_STREAM),
            c.TruncateStream("a", 4),
        ]
    ).outcomes
    shown = [_shown(outcome[0] if isinstance(outcome, list) else outcome) for outcome in outcomes]
    assert [s[:2] if isinstance(s, tuple) else (s.version, s.position) for s in shown] == [
        (1, 2),
        (1, 2),
        (2, 3),
        (2, 3),
        (2, 3),
        ("wrong_expected_version", {"stream_id": "a", "expected": 1, "actual": 2}),
        (2, 3),
        (3, 4),
        (3, 4),
    ]


def test_a_batch_says_whether_it_hid_events() -> None:
    machine = new_machine()
    assert not machine.apply([append("a", [1, 2, 3]), append("b", [4])]).hides
    assert machine.apply([c.TruncateStream("a", 1)]).hides
    assert not machine.apply([c.TruncateStream("a", 1)]).hides
    assert machine.apply([c.DeleteStream("a")]).hides
    assert not machine.apply([append("a", [5])]).hides
    assert machine.apply([c.DeleteStream("b", ANY, True)]).hides
    assert not machine.apply([c.Compact(10)]).hides


def test_the_extent_grows_with_every_change_and_only_then() -> None:
    machine = new_machine()
    extents = [machine.extent]
    for command in (
        append("a", [1]),
        c.RecordSnapshot(Snapshot("x", "y", 0, "t", b"", None, "", 0, 0)),
        c.TruncateStream("a", 1),
        c.DeleteStream("a"),
        c.Compact(10),
        append("a", [2]),
        c.DeleteStream("b", ANY, True),
    ):
        machine.apply([command])
        extents.append(machine.extent)
    assert extents == sorted(set(extents))
    for command in (append("a", []), append("a", [2]), append("a", [3], 99), c.Compact(10)):
        machine.apply([command])
        assert machine.extent >= extents[-1]


def test_a_disk_failure_in_the_middle_leaves_the_machine_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = new_machine()
    machine.apply([append("a", [1, 2])])
    before = content(machine.connection)
    machine.connection.execute("CREATE TEMP TRIGGER fails BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(apsw.ConstraintError):
        machine.apply([append("b", [3]), append("a", [4], 1), c.TruncateStream("a", 1)])
    machine.connection.execute("DROP TRIGGER fails")
    assert content(machine.connection) == before
    assert machine.position == 2
    outcomes = machine.apply([append("b", [3], NO_STREAM), append("a", [4], 1)]).outcomes
    assert [(outcome[0].version, outcome[0].position) for outcome in outcomes] == [(0, 3), (2, 4)]


def test_more_streams_and_types_than_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.heads.MOST_STREAMS", 5)
    monkeypatch.setattr("gater.store.type_index.MOST_TYPES", 5)
    machine = new_machine()
    for round_ in range(4):
        for n in range(20):
            events = (raw_event(1_000 * round_ + n, f"type-{n}"),)
            (result,) = machine.apply([c.Append(0, (c.StreamWrite(f"s-{n}", events, round_ - 1),))]).outcomes[0]
            assert result.version == round_
    writes = tuple([c.StreamWrite(f"s-{n}", (raw_event(9_000 + n, f"type-{n + 10}"),), 3) for n in range(20)])
    results = machine.apply([c.Append(0, writes)]).outcomes[0]
    assert [result.version for result in results] == [4] * 20
    names = [row[0] for row in machine.connection.execute("SELECT name FROM event_types ORDER BY tid")]
    assert names == [f"type-{n}" for n in range(30)]
    assert len(content(machine.connection)["streams"]) == 20


def test_compaction_in_steps_removes_each_hidden_event_once() -> None:
    machine = new_machine()
    for n in range(30):
        machine.apply([append(f"s-{n % 3}", [n])])
    machine.apply([c.TruncateStream("s-0", 7), c.DeleteStream("s-1"), c.TruncateStream("s-2", 1)])
    removed: list[int] = []
    begin: int | None = 0
    while begin is not None:
        compacted = machine.apply([c.Compact(4, begin)]).outcomes[0]
        removed.append(compacted.removed)
        begin = compacted.next
    assert sum(removed) == 18
    assert max(removed) <= 4
    versions = {f"s-{n}": machine.apply([append(f"s-{n}", [])]).outcomes[0][0].version for n in range(3)}
    assert versions == {"s-0": 9, "s-1": 9, "s-2": 9}
    assert machine.apply([append("s-1", [100])]).outcomes[0][0].position == 31


def test_a_mark_is_written_with_the_batch_or_not_at_all() -> None:
    machine = new_machine()

    def mark(connection: apsw.Connection) -> None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('mark', 7)")

    def marked() -> list[tuple[int]]:
        return machine.connection.execute("SELECT value FROM meta WHERE name = 'mark'").fetchall()

    def fail(connection: apsw.Connection) -> None:
        mark(connection)
        raise apsw.FullError("full")

    with pytest.raises(apsw.FullError):
        machine.write(machine.plan([append("s", [1])]), fail)
    assert (machine.position, marked()) == (0, [])
    refused = machine.plan([append("s", [1], 5)])
    assert not refused.must_write
    machine.write(refused, mark)
    assert marked() == [(7,)]
