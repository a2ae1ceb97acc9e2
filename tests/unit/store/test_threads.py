"""The threads of a store outlive whatever they meet; what stands in their way is told, and ends."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from gater.model.errors import GaterError, StoreUnavailableError
from gater.model.limits import Limits
from gater.store import checkpointing, opening, writer
from gater.store.connection import SCAN_CACHE_KIB, open_file
from gater.store.local_log import LocalLog
from gater.store.machine import Machine
from gater.store.store import Store, new_config, open_file_store
from gater.store.writer import Writer
from tests.unit.store.stores import append, event_of, write

NO_DESCRIPTORS = OSError(errno.EMFILE, "Too many open files")
LARGE = b'{"text":"' + b"x" * 3_000 + b'"}'


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PROBE_SECONDS", 0.005)
    monkeypatch.setattr(checkpointing, "RETRY_SECONDS", 0.005)
    monkeypatch.setattr(checkpointing, "PAGES_TO_START", 8)


@pytest.fixture
def store(tmp_path: Path) -> AsyncGenerator[Store, None]:
    return opened(tmp_path)


async def opened(folder: Path) -> AsyncGenerator[Store, None]:
    store = await open_file_store(folder, "s", Limits(), new_config("s", folder, memory=False))
    yield store
    await asyncio.wait_for(store.close(), 10)


class Failing:
    """Stands in for a function, and fails until it is told to stop."""

    def __init__(self, function: Callable[..., Any], error: BaseException) -> None:
        self._function = function
        self._error = error
        self.stopped = False
        self.failures = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self.stopped:
            return self._function(*arguments, **named)
        self.failures += 1
        raise self._error


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def log_begins_anew(store: Store) -> None:
    """Append until the log is shorter than before: a checkpoint came to its end."""
    async with asyncio.timeout(10):
        before = store.log_stats.log_pages
        while store.log_stats.log_pages >= before:
            before = store.log_stats.log_pages
            await write(store, "s", event_of(data=LARGE))


async def append_for_ever(store: Store) -> None:
    async with asyncio.timeout(20):
        while True:
            await write(store, "s", event_of(data=LARGE))
            assert bool(store.concern) == (store.log_stats.log_pages >= checkpointing.PAGES_TO_WARN)


class QuickThreadQueue:
    """A queue of jobs whose thread has ended when the call that ends it returns."""

    def __init__(self, jobs: Any, thread: threading.Thread) -> None:
        self.get = jobs.get
        self._jobs = jobs
        self._thread = thread

    def put(self, job: Any) -> None:
        self._jobs.put(job)
        self._thread.join(10)


@pytest.mark.parametrize("error", [NO_DESCRIPTORS, apsw.IOError("failed"), MemoryError(), ValueError("a defect")])
async def test_a_recovery_is_tried_again_whatever_it_meets(
    store: Store, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopening = Failing(opening.open_store, error)
    monkeypatch.setattr(opening, "open_store", reopening)
    with monkeypatch.context() as failing:
        failing.setattr(Machine, "write", Failing(Machine.write, apsw.FullError("full")))
        with pytest.raises(StoreUnavailableError):
            await write(store, "s", event_of())
    await until(lambda: reopening.failures > 2)
    assert store.status().state == "read_only"
    reopening.stopped = True
    await until(lambda: store.status().state == "running")
    await write(store, "s", event_of())


async def test_a_store_closes_while_its_recovery_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reopening = Failing(opening.open_store, NO_DESCRIPTORS)
    monkeypatch.setattr(opening, "open_store", reopening)
    monkeypatch.setattr(Machine, "write", Failing(Machine.write, apsw.FullError("full")))
    with pytest.raises(StoreUnavailableError):
        await write(store, "s", event_of())
    await until(lambda: reopening.failures > 0)
    await asyncio.wait_for(store.close(), 10)


async def test_a_store_closes_when_its_writers_thread_ends_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store._log
    assert isinstance(log, LocalLog)
    thread = log._writer
    jobs = thread._jobs
    await write(store, "s", event_of())
    monkeypatch.setattr(thread, "_jobs", QuickThreadQueue(jobs, thread._thread))
    too_late = threading.Timer(20, lambda: jobs.put(None))  # ends a wait of the event loop for a job
    too_late.start()
    await store.close()
    assert too_late.is_alive()
    too_late.cancel()


@pytest.mark.parametrize("error", [SystemExit(), ValueError("a defect")], ids=["exit", "defect"])
async def test_a_job_that_ends_the_writers_thread_is_answered_and_the_store_goes_on(
    store: Store, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(Writer._write_plan, error)
    monkeypatch.setattr(Writer, "_write_plan", lambda writer, *arguments: failing(writer, *arguments))
    answers: list[GaterError | None] = []
    for number in range(5):
        store.submit(append("s", [number]), 10, lambda _, error: answers.append(error))
    await until(lambda: len(answers) == 5)
    assert all(isinstance(answer, StoreUnavailableError) for answer in answers)
    failing.stopped = True
    await until(lambda: store.status().state == "running")
    assert "writer-s" in [thread.name for thread in threading.enumerate()]
    await write(store, "s", event_of())
    assert store.status().waiting_commands == 0


@pytest.mark.parametrize("error", [apsw.CantOpenError("no descriptor"), NO_DESCRIPTORS, ValueError("a defect")])
async def test_checkpoints_go_on_whatever_their_thread_meets(
    store: Store, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening_file = Failing(checkpointing.open_file, error)
    monkeypatch.setattr(checkpointing, "open_file", opening_file)
    async with asyncio.timeout(10):
        while opening_file.failures < 3:
            await write(store, "s", event_of(data=LARGE))
    assert "not moved into the file" in store.concern
    await log_begins_anew(store)  # the writer moves it meanwhile
    assert store.concern
    opening_file.stopped = True
    async with asyncio.timeout(10):
        while store.concern:
            await write(store, "s", event_of(data=LARGE))
    await log_begins_anew(store)
    assert (await store.verify()).ok


async def test_a_log_that_cannot_get_shorter_is_told_and_ends_writing_at_its_bound(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "PAGES_TO_WARN", 150)
    monkeypatch.setattr(checkpointing, "MOST_PAGES", 250)
    await write(store, "s", event_of())
    monkeypatch.setattr("gater.store.connection.BUSY_MS", 1)
    reader = open_file(tmp_path / "s.db", read_only=True, cache_kib=SCAN_CACHE_KIB)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    with pytest.raises(StoreUnavailableError, match="has grown to"):
        await append_for_ever(store)
    assert store.log_stats.log_pages < 260
    assert store.status().state == "read_only"
    reader.close()
    await until(lambda: store.status().state == "running")
    await write(store, "s", event_of())
    assert not store.concern
