"""Every call to the disk fails once, in a batch, a checkpoint and a recovery: the store keeps what it promised."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from gater.model.commands import WriteResult
from gater.model.errors import StoreUnavailableError
from gater.model.limits import Limits
from gater.store import checkpointing
from gater.store.store import Store, new_config, open_file_store
from tests.unit.store.faulty_files import KINDS, Faults, Kind, use_faulty_files
from tests.unit.store.stores import append

OUTSIDE_READER = """
import sqlite3, sys
print("reading", flush=True)
seen = 0
while not sys.stdin.closed:
    connection = None
    try:
        connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
        count = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        assert count >= seen, (count, seen)
        seen = count
    except sqlite3.OperationalError:
        pass
    finally:
        if connection is not None:
            connection.close()
"""


class Writer:
    """Appends events one by one to a store, and knows which must be in it, and which may be."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.number = 0
        self.acknowledged: list[int] = []
        self.unknown: set[int] = set()

    async def append(self) -> bool:
        """Append one event of some size; whether it was acknowledged."""
        number = self.number
        self.number += 1
        try:
            (result,) = await asyncio.wait_for(self.store.run(append("s", [number])), 20)
        except StoreUnavailableError:
            self.unknown.add(number)
            return False
        assert isinstance(result, WriteResult)
        self.acknowledged.append(number)
        return True

    async def append_again(self) -> None:
        """Append until it is acknowledged: the store recovers."""
        async with asyncio.timeout(20):
            while not await self.append():
                await asyncio.sleep(0.002)

    def check(self) -> None:
        """Nothing acknowledged is missing, nothing is there twice."""
        found = [
            int.from_bytes(event[3]) for event in self.store.reader.read_all(0, 1_000, self.store.tail.position).events
        ]
        assert len(found) == len(set(found))
        assert [number for number in found if number not in self.unknown] == self.acknowledged
        assert set(found) - set(self.acknowledged) <= self.unknown


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr("gater.store.writer.PROBE_SECONDS", 0.005)
    monkeypatch.setattr(checkpointing, "RETRY_SECONDS", 0.005)
    return use_faulty_files(monkeypatch)


@pytest.fixture
def writer(tmp_path: Path, faults: Faults) -> AsyncGenerator[Writer, None]:
    return open_writer(tmp_path, faults)


async def open_writer(tmp_path: Path, faults: Faults) -> AsyncGenerator[Writer, None]:
    """A writer whose store is closed after the test, opened again, and checked."""
    store = await open_file_store(tmp_path, "s", Limits(), new_config("s", tmp_path, memory=False))
    writer = Writer(store)
    await writer.append_again()
    yield writer
    faults.disarm()
    await asyncio.wait_for(store.close(), 20)
    again = await open_file_store(tmp_path, "s", Limits())
    writer.store = again
    writer.check()
    assert (await again.verify()).ok
    await again.close()


@pytest.fixture
def outside_reader(tmp_path: Path) -> Iterator[None]:
    """Another process that opens the live file, reads and closes it, all the time."""
    command = [sys.executable, "-c", OUTSIDE_READER, str(tmp_path / "s.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        yield
        assert process.poll() is None, "the outside reader saw events vanish"
        process.kill()


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


@pytest.mark.usefixtures("outside_reader")
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_of_a_batch_may_fail(writer: Writer, faults: Faults, kind: Kind, lasting: bool) -> None:
    for number in range(1, 150):
        faults.arm(kind, number, lasting=lasting)
        await writer.append()
        hits = faults.disarm()
        await writer.append_again()
        if not hits:
            break
    writer.check()
    assert {"writer-s", "checkpointer-s"} <= threads()


@pytest.mark.usefixtures("outside_reader")
@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_of_a_checkpoint_may_fail(
    writer: Writer, faults: Faults, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "PAGES_TO_START", 8)
    log = writer.store.log_stats
    for number in (*range(1, 30), *range(30, 150, 11)):
        faults.arm(kind, number)
        for _ in range(6):
            await writer.append()
        if not faults.disarm():
            break
        await writer.append_again()
    async with asyncio.timeout(20):  # the log comes to its end: checkpoints go on
        longest = log.log_pages
        while log.log_pages >= longest:
            await writer.append_again()
            longest = max(longest, log.log_pages)
    writer.check()
    assert {"writer-s", "checkpointer-s"} <= threads()


@pytest.mark.usefixtures("outside_reader")
@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_of_a_recovery_may_fail(writer: Writer, faults: Faults, kind: Kind) -> None:
    for number in (*range(1, 30), *range(30, 150, 11)):
        faults.arm("sync", 1)
        await writer.append()
        faults.arm(kind, number)
        await writer.append_again()
        if not faults.disarm():
            break
    writer.check()
    assert {"writer-s", "checkpointer-s"} <= threads()


@pytest.mark.parametrize("kind", ["write", "sync", "read", "open"])
async def test_a_store_closes_while_its_disk_fails(writer: Writer, faults: Faults, kind: Kind) -> None:
    faults.arm(kind, 1, lasting=True)
    await writer.append()
    await asyncio.wait_for(writer.store.close(), 20)
    assert not {"writer-s", "checkpointer-s"} & threads()
