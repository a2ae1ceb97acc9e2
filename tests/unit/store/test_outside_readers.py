"""Other programs that open and close a store's files, in this process or another, take nothing from it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

import gater
from gater import GaterApi, NewEvent, StoreUnavailableError
from gater.store import file_guard
from gater.store.machine import Machine
from gater.store.plan import Plan

APPENDS = 300

NODE = """
import asyncio, shutil, sqlite3, sys, gater
from pathlib import Path
from gater.store import writer
from gater.store.machine import Machine
import apsw

writer.PROBE_SECONDS = 0.02
folder, what = Path(sys.argv[1]), sys.argv[2]
database = folder / "s.db"

async def fail_once(api):
    written = Machine.write
    def fail(machine, plan):
        raise apsw.IOError("a test")
    Machine.write = fail
    try:
        await api.append_events("s", "a", [gater.NewEvent("T")])
    except gater.StoreUnavailableError:
        pass
    Machine.write = written
    while (await api.get_store_status("s")).state != "running":
        await asyncio.sleep(0.01)

def read_here():
    connection = sqlite3.connect(database)
    connection.execute("SELECT count(*) FROM events").fetchall()
    connection.close()

async def main():
    async with gater.open(folder, stores=["s"]) as api:
        await api.append_events("s", "a", [gater.NewEvent("T")])
        if what == "recovery":
            await fail_once(api)
        elif what == "sqlite3":
            read_here()
        elif what == "plain":
            for path in folder.glob("s.db*"):
                path.read_bytes()
        elif what == "copy":
            shutil.copytree(folder, folder / "copy")
        elif what == "backup":
            await api.verify("s")
            await api.backup("s", folder / "copy")
            await api.compact_store("s")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(300):
            await api.append_events("s", "a", [gater.NewEvent("T")])
        print("appended", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""

READER = """
import sqlite3, sys
for _ in range(int(sys.argv[2])):
    connection = sqlite3.connect(sys.argv[1], timeout=10)
    connection.execute("SELECT count(*) FROM events").fetchall()
    connection.close()
"""


def read_outside(database: Path, times: int = 1) -> None:
    subprocess.run([sys.executable, "-c", READER, str(database), str(times)], check=True)


@contextmanager
def node(folder: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that serves the store, in which something has happened; killed in the end."""
    command = [sys.executable, "-c", NODE, str(folder), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            expect(process, "ready")
            yield process
        finally:
            process.kill()


def expect(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("what", ["nothing", "recovery", "sqlite3", "plain", "copy", "backup"])
async def test_a_program_that_opens_and_closes_the_file_takes_no_append(tmp_path: Path, what: str) -> None:
    with node(tmp_path, what) as process:
        read_outside(tmp_path / "s.db")
        assert (tmp_path / "s.db-wal").exists()
        go_on(process)
        expect(process, "appended")
        read_outside(tmp_path / "s.db")
    async with gater.open(tmp_path) as api:
        assert await api.get_version("s", "a") == APPENDS
        assert (await api.verify("s")).ok


async def append(api: GaterApi, count: int) -> None:
    for _ in range(count):
        await api.append_events("s", "a", [NewEvent("T", {"text": "x" * 500})])


async def test_outside_readers_under_load_change_nothing(tmp_path: Path) -> None:
    """Another process and a thread of this one read, while the store is written, verified and backed up."""
    database, ended, failures = tmp_path / "s.db", threading.Event(), list[Exception]()

    def read_here() -> None:
        while not ended.is_set():
            try:
                connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
                connection.execute("SELECT count(*) FROM events").fetchall()
                connection.close()
            except Exception as error:
                failures.append(error)

    async with gater.open(tmp_path, stores=["s"]) as api:
        reader = threading.Thread(target=read_here)
        reader.start()
        try:
            outside = asyncio.create_task(asyncio.to_thread(read_outside, database, 50))
            writers = [asyncio.create_task(append(api, 100)) for _ in range(10)]
            assert (await api.verify("s")).ok
            await api.backup("s", tmp_path / "copy")
            await asyncio.gather(outside, *writers)
        finally:
            ended.set()
            await asyncio.to_thread(reader.join)
        assert failures == []
        assert (await api.verify("s")).ok
        held = copy_of(tmp_path, tmp_path / "killed")
    for folder in (tmp_path, held):
        async with gater.open(folder) as api:
            assert await api.get_version("s", "a") == 999
            assert (await api.verify("s")).ok


def copy_of(folder: Path, target: Path) -> Path:
    """The files as they would be found if the process was killed now."""
    target.mkdir()
    for name in ("s.db", "s.db-wal", "s.watermark"):
        shutil.copy(folder / name, target)
    return target


# --- what it rests on ---


@pytest.fixture(scope="session")
def opened_paths() -> list[str]:
    """The paths that Python code has opened since, in order: SQLite's own opening is not among them."""
    paths: list[str] = []
    sys.addaudithook(lambda event, what: paths.append(os.fsdecode(what[0])) if is_opening(event, what) else None)
    return paths


def is_opening(event: str, what: tuple[object, ...]) -> bool:
    return event == "open" and isinstance(what[0], str | bytes)


async def test_only_the_guard_opens_the_files_once_beside_sqlite(
    tmp_path: Path, opened_paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor that is closed while the store is open takes SQLite's locks with it: there must be no other."""
    monkeypatch.setattr("gater.store.writer.PROBE_SECONDS", 0.01)
    del opened_paths[:]
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api, 50)
        with monkeypatch.context() as patch:
            patch.setattr(Machine, "write", fail)
            with pytest.raises(StoreUnavailableError):
                await append(api, 1)
        while (await api.get_store_status("s")).state != "running":
            await asyncio.sleep(0.005)
        await append(api, 50)
        await api.save_subscription("s", name="billing")
        await api.truncate_stream("s", "a", 20)
        await api.compact_store("s")
        await api.backup("s", tmp_path / "copy")
        assert (await api.verify("s")).ok
        await api.create_store("t")
        await api.remove_store("t")
    files = [str(tmp_path / name) for name in ("s.db", "s.db-wal", "s.db-shm")]
    assert [path for path in opened_paths if path in files] == files
    async with gater.open(tmp_path):
        pass
    assert sorted(path for path in opened_paths if path in files) == sorted(2 * files)


def fail(machine: Machine, plan: Plan) -> None:
    raise apsw.IOError("a test")


def locks_on(path: Path) -> set[tuple[str, str, str, str]]:
    """Kind, mode and range of the locks that are held on a file."""
    inode = path.stat().st_ino
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    fields = [line for line in lines if "->" not in line and line[5].rpartition(":")[2] == str(inode)]
    return {(line[1], line[3], line[6], line[7]) for line in fields}


LOSSES: list[Callable[[Path], object]] = [Path.read_bytes, lambda path: sqlite3.connect(path).close()]


@pytest.mark.parametrize("lose", LOSSES)
async def test_its_locks_outlast_every_other_descriptor(tmp_path: Path, lose: Callable[[Path], object]) -> None:
    database, index = tmp_path / "s.db", tmp_path / "s.db-shm"
    in_database = {("OFDLCK", "READ", "1073741826", "1073742335"), ("OFDLCK", "WRITE", "1073742592", "1073742592")}
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api, 1)
        lose(database)
        index.read_bytes()
        assert locks_on(database) >= in_database
        assert ("OFDLCK", "READ", "128", "128") in locks_on(index)
    assert locks_on(database) == set()
    assert not index.exists()


async def test_a_lost_lock_of_sqlite_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api, 1)
        await api.get_store_status("s")
        assert caplog.records == []
        for _ in range(3):
            (tmp_path / "s.db").read_bytes()
            await api.get_store_status("s")
        (told,) = caplog.records
        assert told.message == file_guard.LOCK_LOST
        status = await api.get_store_status("s")
        assert (status.state, status.reason) == ("running", file_guard.LOCK_LOST)


async def test_a_lost_lock_of_sqlite_is_an_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.monitoring.node_monitor.CHECK_SECONDS", 0.02)
    async with (
        gater.open(tmp_path, stores=["s"]) as api,
        api.pubsub("alerts").subscribe("system_alerts:warning") as alerts,
    ):
        sqlite3.connect(tmp_path / "s.db").close()
        async with asyncio.timeout(10):  # alerts of a busy machine may come first
            while b"another part of this process opened and closed" not in (await anext(alerts)).body[1]:
                pass


@pytest.mark.parametrize("closed_before", [True, False])
async def test_a_reader_of_this_process_that_came_before_the_store_changes_nothing(
    tmp_path: Path, closed_before: bool
) -> None:
    """It reads all the time, while the store is opened, written, read by another process, and closed."""
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api, 1)
    reader = sqlite3.connect(tmp_path / "s.db")
    assert count_with(reader) == 1
    async with gater.open(tmp_path) as api:
        await append(api, APPENDS)
        assert count_with(reader) == 1 + APPENDS
        if closed_before:
            reader.close()
        read_outside(tmp_path / "s.db")
        assert (tmp_path / "s.db-wal").exists()
        await append(api, APPENDS)
        assert (await api.verify("s")).ok
        held = copy_of(tmp_path, tmp_path / "killed")
    reader.close()
    for folder in (tmp_path, held):
        async with gater.open(folder) as api:
            assert await api.get_version("s", "a") == 2 * APPENDS
            assert (await api.verify("s")).ok


def count_with(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    return int(count)


async def test_a_second_process_is_refused_also_without_the_lock_file(tmp_path: Path) -> None:
    with node(tmp_path, "nothing"):
        (tmp_path / "s.lock").unlink()
        (tmp_path / "t.db").hardlink_to(tmp_path / "s.db")
        for _ in range(2):
            with pytest.raises(StoreUnavailableError) as caught:
                async with gater.open(tmp_path):
                    raise AssertionError("opened twice")
            assert caught.value.reason == "another process has it open"
            (tmp_path / "s.lock").unlink()


async def test_where_there_are_no_such_locks_a_store_works_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_SET", "_GET"):
        monkeypatch.setattr(file_guard, name, None)
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api, 5)
        assert {lock[0] for lock in locks_on(tmp_path / "s.db")} == {"POSIX"}
        assert (await api.get_store_status("s")).state == "running"
    async with gater.open(tmp_path) as api:
        assert await api.get_version("s", "a") == 4
