"""kill -9 of consumers, and of the node they are attached to, at random moments under load."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gater
from gater.testing.server import GaterServer
from tests.torture.checker import violations
from tests.torture.deliveries import Course, delivery_violations, read_logs
from tests.torture.fleet import Fleet
from tests.torture.history import History
from tests.torture.report import Report
from tests.torture.workload import PATIENCE, Workload

STORE = "torture"
SUBSCRIPTION = "consumers"
WRITERS = 4
CONSUMERS = 3
SERVER_SHARE = 0.4
"""Of so many faults the node is the victim; of the others, a consumer."""
SETTINGS: dict[str, Any] = {"ack_timeout": 5.0, "backoff": [0.01, 0.1], "max_retries": 1_000, "checkpoint_every": 100}


async def kill_consumers_repeatedly(
    folder: Path, kills: int, seed: int, progress: Callable[[int, History], None] = lambda _done, _history: None
) -> Report:
    """Kill consumers and their node `kills` times under load; the report says what was violated."""
    rng = random.Random(seed)
    report, history, course = Report("kill -9 of consumers and their node", seed, kills), History(), Course()
    started = time.monotonic()
    course.starts.append((0, 0))
    async with GaterServer([STORE], data_dir=folder / "data") as node, gater.connect(node.url) as api:
        await api.save_subscription(STORE, name=SUBSCRIPTION, checkpoint_interval=0.05, **SETTINGS)
        with Fleet(folder / "consumers", node.url, STORE, SUBSCRIPTION, CONSUMERS, rng) as fleet:
            async with _watching(api, course):
                async with Workload(api, STORE, history, rng).running(WRITERS):
                    for done in range(kills):
                        await _wait_for_progress(course, rng)
                        await _kill(node, fleet, course, report, rng, folder)
                        progress(done + 1, history)
                await _consumed(course, history)
        content = [event async for event in api.stream_all(STORE)]
        verified = await api.verify(STORE)
        report.violations = [*violations(history, content), *verified.problems, *fleet.problems]
    logged = read_logs(fleet.folder)
    report.violations += delivery_violations(logged, course, content)
    report.seconds = time.monotonic() - started
    report.events, report.errors_met = history.events, history.errors
    report.deliveries, report.redeliveries = len(logged), len(logged) - len({line.position for line in logged})
    return report


def _note_start(course: Course, folder: Path) -> None:
    course.starts.append((_claimed(folder), course.checkpoint))


def _claimed(folder: Path) -> int:
    """The last receipt that a node which was killed has claimed; its files are left as they are."""
    with tempfile.TemporaryDirectory() as copied:
        for name in (f"{STORE}.db", f"{STORE}.db-wal"):
            if (folder / "data" / name).exists():
                shutil.copy(folder / "data" / name, copied)
        with contextlib.closing(sqlite3.connect(Path(copied) / f"{STORE}.db")) as connection:
            (number,) = connection.execute("SELECT value FROM meta WHERE name = 'numbers'").fetchone()
    return int(number)


async def _kill(
    node: GaterServer, fleet: Fleet, course: Course, report: Report, rng: random.Random, folder: Path
) -> None:
    """Kill the node or a consumer; another takes its place at once."""
    victim = "node" if rng.random() < SERVER_SHARE else "consumer"
    report.killed[victim] = report.killed.get(victim, 0) + 1
    if victim == "consumer":
        await asyncio.to_thread(fleet.kill_one)
        return
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(_note_start, course, folder)
    begun = time.monotonic()
    await asyncio.to_thread(node.start)
    report.recovery_seconds.append(time.monotonic() - begun)


@contextlib.asynccontextmanager
async def _watching(api: gater.GaterApi, course: Course) -> AsyncIterator[None]:
    """Ask for the checkpoint, over and over, while the context lasts."""

    async def watch() -> None:
        while True:
            with contextlib.suppress(gater.TransientError):
                info = await api.get_subscription(STORE, SUBSCRIPTION)
                course.checkpoints.append((time.monotonic_ns(), info.checkpoint))
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        yield
        watcher.cancel()


async def _wait_for_progress(course: Course, rng: random.Random) -> None:
    """Return at a random moment after consumers have got further, so that every fault meets them at work."""
    before = course.checkpoint
    async with asyncio.timeout(PATIENCE):
        while course.checkpoint == before:
            await asyncio.sleep(0.005)
    await asyncio.sleep(rng.uniform(0.0, 0.3))


async def _consumed(course: Course, history: History) -> None:
    """Wait until the checkpoint is behind everything that was acknowledged to writers."""
    last = max((entry.position for entry in history.acknowledged), default=0)
    async with asyncio.timeout(PATIENCE):
        while course.checkpoint < last:
            await asyncio.sleep(0.02)
