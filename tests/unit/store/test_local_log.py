"""The commit log on this node: group commit, order, bounds, trouble and recovery."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from gater.model.commands import Compact, Compacted, WriteResult
from gater.model.errors import (
    GaterError,
    InternalError,
    OverloadedError,
    StoreCorruptError,
    StoreUnavailableError,
    WrongExpectedVersionError,
)
from gater.model.limits import Limits
from gater.model.selectors import by_stream
from gater.store import batches, lone_caller, writer
from gater.store.machine import Machine
from gater.store.plan import Plan
from gater.store.store import Store, new_config, open_file_store, open_memory_store
from tests.unit.store.interests import in_events
from tests.unit.store.stores import append, raw_event


async def open_store(folder: Path, limits: Limits | None = None, *, create: bool = True) -> Store:
    config = new_config("s", folder, memory=False) if create else None
    return await open_file_store(folder, "s", limits or Limits(), config)


class Answers:
    """Takes the answers of commands, in the order in which they come."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, Any]] = []

    def of(self, number: int) -> Callable[[Any, GaterError | None], None]:
        return lambda answer, error: self.taken.append((number, error if error is not None else answer))

    async def complete(self, count: int) -> list[Any]:
        while len(self.taken) < count:
            await asyncio.sleep(0.001)
        return [outcome for _, outcome in sorted(self.taken, key=lambda taken: taken[0])]


class Disk:
    """A disk that fails on demand: before a batch is written, or after, when its outcome is unknown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.writes = 0
        written = Machine.write
        probed = Machine.probe

        def write(machine: Machine, plan: Plan) -> None:
            if not plan.must_write:
                return
            self.writes += 1
            if self.before is not None:
                raise self.before
            written(machine, plan)
            if self.after is not None:
                failure, self.after = self.after, None
                self.before = failure
                raise failure

        def probe(machine: Machine) -> None:
            if self.before is not None:
                raise self.before
            probed(machine)

        monkeypatch.setattr(Machine, "write", write)
        monkeypatch.setattr(Machine, "probe", probe)
        monkeypatch.setattr(writer, "PROBE_SECONDS", 0.01)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_what_waits_together_is_written_together(tmp_path: Path, disk: Disk) -> None:
    store, answers = await open_store(tmp_path), Answers()
    for number in range(1_000):
        store.submit(append("s", [number]), 10, answers.of(number))
    outcomes = await answers.complete(1_000)
    assert [outcome[0].version for outcome in outcomes] == list(range(1_000))
    assert disk.writes <= 3
    await store.close()


async def test_answers_come_once_each_in_the_order_of_submission(tmp_path: Path) -> None:
    store, answers = await open_store(tmp_path), Answers()
    for number in range(300):
        store.submit(append("s", [number], number - 1), 10, answers.of(number))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await answers.complete(300)
    await store.close()
    assert [number for number, _ in answers.taken] == list(range(300))
    assert all(isinstance(outcome[0], WriteResult) for _, outcome in answers.taken)


async def test_a_command_alone_is_answered_the_same_way(tmp_path: Path, disk: Disk) -> None:
    store, answers = await open_store(tmp_path), Answers()
    for number in range(20):
        store.submit(append("s", [number], number - 1), 10, answers.of(number))
        await answers.complete(number + 1)
    assert [outcome[0].version for _, outcome in answers.taken] == list(range(20))
    assert disk.writes == 20
    await store.close()


async def test_a_write_that_hangs_holds_up_no_reader_also_when_a_command_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, answers = await open_store(tmp_path), Answers()
    go_on, written = threading.Event(), Machine.write

    def hang(machine: Machine, plan: Plan) -> None:
        assert go_on.wait(20)
        written(machine, plan)

    for number in range(lone_caller.LONELY_BATCHES + 2):
        store.submit(append("s", [number], number - 1), 10, answers.of(number))
        await answers.complete(number + 1)
    count = len(answers.taken)
    monkeypatch.setattr(Machine, "write", hang)
    store.submit(append("s", [count], count - 1), 10, answers.of(count))
    for _ in range(50):
        await asyncio.sleep(0)
        assert len(store.reader.read_all(0, 100, store.tail.position).events) == count
    assert len(answers.taken) == count
    go_on.set()
    assert (await answers.complete(count + 1))[-1][0].version == count
    await store.close()


async def test_a_batch_is_bounded(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_COMMANDS", 10)
    monkeypatch.setattr(batches, "BATCH_BYTES", 100)
    store, answers = await open_store(tmp_path), Answers()
    for number in range(30):
        store.submit(append("s", [number]), 1, answers.of(number))
    await answers.complete(30)
    assert disk.writes == 3
    for number in range(30, 40):
        store.submit(append("s", [number]), 40, answers.of(number))
    await answers.complete(40)
    assert disk.writes == 8
    store.submit(append("s", [40]), 5_000, answers.of(40))
    assert (await answers.complete(41))[40][0].version == 40
    await store.close()


@pytest.mark.parametrize("memory", [False, True])
async def test_past_the_bound_a_command_is_refused_at_once_and_nothing_is_lost(tmp_path: Path, memory: bool) -> None:
    limits = Limits(max_waiting_commands=50)
    store = open_memory_store(new_config("s", tmp_path, memory=True), limits) if memory else None
    store = store or await open_store(tmp_path, limits)
    answers = Answers()
    for number in range(50):
        store.submit(append("s", [number]), 10, answers.of(number))
    for _ in range(3):
        with pytest.raises(OverloadedError) as caught:
            store.submit(append("s", [99]), 10, answers.of(99))
        assert caught.value.limit == 50
    assert store.status().waiting_commands == 50
    assert len(await answers.complete(50)) == 50
    assert store.status().waiting_commands == 0
    assert store.tail.position == 50
    store.submit(append("s", [50]), 10, answers.of(50))
    assert (await answers.complete(51))[50][0].version == 50
    await store.close()


async def test_waiting_bytes_are_bounded(tmp_path: Path) -> None:
    store, answers = await open_store(tmp_path, Limits(max_waiting_bytes=1_000)), Answers()
    store.submit(append("s", [0]), 900, answers.of(0))
    with pytest.raises(OverloadedError):
        store.submit(append("s", [1]), 200, answers.of(1))
    store.submit(append("s", [2]), 100, answers.of(2))
    while len(answers.taken) < 2:
        await asyncio.sleep(0.001)
    await store.close()
    assert store.tail.position == 2


async def test_closing_answers_everything_accepted(tmp_path: Path) -> None:
    store, answers = await open_store(tmp_path), Answers()
    for number in range(500):
        store.submit(append("s", [number]), 10, answers.of(number))
    await store.close()
    assert len(answers.taken) == 500
    with pytest.raises(StoreUnavailableError):
        store.submit(append("s", [500]), 10, answers.of(500))
    again = await open_store(tmp_path, create=False)
    assert again.tail.position == 500
    await again.close()


async def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await asyncio.gather(store.close(), store.close())
    await store.close()


async def test_a_caller_that_fails_to_listen_harms_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, answers = await open_store(tmp_path), Answers()

    def deaf(answer: Any, error: GaterError | None) -> None:
        raise LookupError("deaf")

    store.submit(append("s", [0]), 10, deaf)
    store.submit(append("s", [1]), 10, answers.of(1))
    assert (await answers.complete(1))[0][0].version == 1
    assert "a caller failed to take its answer" in caplog.text
    await store.close()


async def test_a_full_disk_refuses_the_batch_and_then_at_once_until_it_has_room(tmp_path: Path, disk: Disk) -> None:
    store, answers = await open_store(tmp_path), Answers()
    store.submit(append("s", [0]), 10, answers.of(0))
    await answers.complete(1)
    disk.before = apsw.FullError("full")
    for number in range(1, 6):
        store.submit(append("s", [number]), 10, answers.of(number))
    for outcome in (await answers.complete(6))[1:]:
        assert isinstance(outcome, StoreUnavailableError)
        assert (outcome.store, outcome.reason) == ("s", "the disk is full")
    assert store.status().state == "read_only"
    assert "the disk is full" in store.status().reason
    writes = disk.writes
    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            store.submit(append("s", [9]), 10, answers.of(9))
    assert disk.writes == writes
    assert len(store.reader.read_stream("s", 0, 10, False).events) == 1
    await asyncio.sleep(0.05)
    assert store.status().state == "read_only"
    disk.before = None
    while store.status().state != "running":
        await asyncio.sleep(0.001)
    store.submit(append("s", [1, 2], 0), 10, answers.of(6))
    assert (await answers.complete(7))[6][0].version == 2
    assert (await store.verify()).ok
    await store.close()


async def test_commands_that_wait_when_the_disk_fails_are_refused(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_COMMANDS", 2)
    store, answers = await open_store(tmp_path), Answers()
    disk.before = apsw.IOError("broken")
    for number in range(9):
        store.submit(append("s", [number]), 10, answers.of(number))
    outcomes = await answers.complete(9)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
    assert disk.writes == 1
    assert store.tail.position == 0
    disk.before = None
    while store.status().state != "running":
        await asyncio.sleep(0.001)
    assert store.reader.version("s") == -1
    await store.close()


@pytest.mark.parametrize("alone", [False, True])
async def test_a_batch_whose_outcome_was_unknown_is_followed_and_can_be_repeated(
    tmp_path: Path, disk: Disk, alone: bool
) -> None:
    """The sync failed, but the batch is in the file: no gap in the tail, and the repeat gets the first answer."""
    store, answers = await open_store(tmp_path), Answers()
    for number in range(10 if alone else 1):
        store.submit(append("s", [number]), 10, answers.of(number))
        await answers.complete(number + 1)
    done = len(answers.taken)
    position = store.tail.position
    disk.after = apsw.IOError("the sync failed")
    store.submit(append("s", [100, 101]), 10, answers.of(100))
    assert isinstance((await answers.complete(done + 1))[-1], StoreUnavailableError)
    waiting = store.tail.watches.watch(in_events(by_stream("s")))
    disk.before = None
    while store.status().state != "running":
        await asyncio.sleep(0.001)
    await waiting.wait()
    assert waiting.behind  # whoever follows looks into the file
    waiting.close()
    assert store.tail.position == position + 2
    store.submit(append("s", [100, 101]), 10, answers.of(101))
    outcome = (await answers.complete(done + 2))[-1]
    assert (outcome[0].version, outcome[0].position) == (position + 1, position + 2)
    store.submit(append("s", [102]), 10, answers.of(102))
    await answers.complete(done + 3)
    assert [event[2] for event in store.tail.after(position + 2, 9) or []] == [position + 3]
    assert [event[1] for event in store.reader.read_stream("s", 0, 99, False).events] == list(range(position + 3))
    assert (await store.verify()).ok
    await store.close()


async def test_damage_ends_writing_for_good(tmp_path: Path, disk: Disk) -> None:
    store, answers = await open_store(tmp_path), Answers()
    disk.before = apsw.CorruptError("damaged")
    store.submit(append("s", [0]), 10, answers.of(0))
    assert isinstance((await answers.complete(1))[0], StoreCorruptError)
    disk.before = None
    await asyncio.sleep(0.05)
    with pytest.raises(StoreCorruptError):
        store.submit(append("s", [1]), 10, answers.of(1))
    assert store.status().state == "corrupt"
    await store.close()


@pytest.mark.parametrize("memory", [False, True])
async def test_a_defect_is_told_to_its_batch_and_leaves_the_store_as_it_was(
    tmp_path: Path, memory: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    store = open_memory_store(new_config("s", tmp_path, memory=True), Limits()) if memory else None
    store, answers = store or await open_store(tmp_path), Answers()
    store.submit(append("s", [0]), 10, answers.of(0))
    await answers.complete(1)
    broken = append("s", [1], created=1 << 70)  # a time that no column takes: the gateway lets no such command through
    store.submit(broken, 10, answers.of(1))
    assert isinstance((await answers.complete(2))[1], InternalError)
    store.submit(append("s", [1], 0), 10, answers.of(2))
    store.submit(append("s", [1], 7), 10, answers.of(3))
    outcomes = await answers.complete(4)
    assert outcomes[2][0].version == 1
    assert isinstance(outcomes[3], WrongExpectedVersionError)
    assert store.status().state == "running"
    assert store.status().waiting_commands == 0
    assert (await store.verify()).ok
    await store.close()


async def test_compaction_is_answered_with_what_was_removed(tmp_path: Path) -> None:
    store, answers = await open_store(tmp_path), Answers()
    store.submit(append("s", range(5)), 10, answers.of(0))
    store.submit(Compact(10), 0, answers.of(1))
    await answers.complete(2)
    assert answers.taken[1][1] == Compacted(0, None)
    await store.close()


async def test_closing_while_the_disk_fails_ends(tmp_path: Path, disk: Disk) -> None:
    store, answers = await open_store(tmp_path), Answers()
    disk.before = apsw.FullError("full")
    for number in range(5):
        store.submit(append("s", [number]), 10, answers.of(number))
    await store.close()
    assert [type(outcome) for _, outcome in answers.taken] == [StoreUnavailableError] * 5
    disk.before = None
    again = await open_store(tmp_path, create=False)
    assert again.tail.position == 0
    await again.close()


async def test_payloads_reach_the_file(tmp_path: Path) -> None:
    store, answers = await open_store(tmp_path), Answers()
    store.submit(append("s", [1]), 10, answers.of(0))
    await answers.complete(1)
    (event,) = store.reader.read_stream("s", 0, 1, False).events
    assert event[3] == raw_event(1).event_id
    await store.close()


async def test_a_plan_that_is_not_written_for_trouble_is_refused(tmp_path: Path) -> None:
    store, answered = await open_store(tmp_path), asyncio.get_running_loop().create_future()
    owner = store._log._writer  # type: ignore[attr-defined]
    command = append("s", [0])
    plan, owner.trouble = owner.plan([command]), StoreUnavailableError("s", "the files are gone")
    owner.write([command], plan, answered.set_result)
    assert (await answered).outcomes == [owner.trouble]
    assert plan.must_write
    await store.close()
