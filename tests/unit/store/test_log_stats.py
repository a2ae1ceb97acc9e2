"""What a log counts of the batches it commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gater.model.errors import WrongExpectedVersionError
from gater.model.limits import Limits
from gater.store.machine import Machine
from gater.store.plan import Plan
from gater.store.store import Store, new_config, open_file_store, open_memory_store
from tests.unit.store.stores import append


async def open_store(folder: Path, kind: str) -> Store:
    config = new_config("s", folder, memory=kind == "memory")
    if kind == "memory":
        return open_memory_store(config, Limits())
    return await open_file_store(folder, "s", Limits(), config)


@pytest.fixture(params=["memory", "file"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_each_batch_and_its_commands_are_counted(tmp_path: Path, kind: str) -> None:
    store = await open_store(tmp_path, kind)
    assert (store.log_stats.batches, store.log_stats.commands) == (0, 0)
    for number in range(10):  # more than it takes to be written on the event loop
        await store.run(append("s", [number]))
    stats = store.log_stats
    assert (stats.batches, stats.commands, stats.commit_durations.count) == (10, 10, 10)
    assert stats.commit_durations.seconds > 0
    await store.close()


async def test_commands_of_one_turn_are_one_batch(tmp_path: Path, kind: str) -> None:
    store = await open_store(tmp_path, kind)
    for number in range(49):
        store.submit(append("s", [number]), 10, lambda answer, error: None)
    await store.run(append("s", [49]))
    assert (store.log_stats.batches, store.log_stats.commands) == (1, 50)
    await store.close()


async def test_what_is_not_written_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(tmp_path, "file")
    with pytest.raises(WrongExpectedVersionError):
        await store.run(append("s", [1], expected=5))
    assert store.log_stats.batches == 0

    def fail(machine: Machine, plan: Plan) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(Machine, "write", fail)
    with pytest.raises(Exception, match="no disk"):
        await store.run(append("s", [1]))
    assert store.log_stats.batches == 0
    await store.close()
