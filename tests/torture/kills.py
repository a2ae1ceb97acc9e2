"""kill -9 of a loaded node at random moments, again and again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import gater
from gater.testing.server import GaterServer
from tests.torture.checker import violations
from tests.torture.history import History
from tests.torture.report import Report
from tests.torture.workload import Workload

STORE = "torture"
WRITERS = 16


async def kill_repeatedly(
    folder: Path, kills: int, seed: int, progress: Callable[[int, History], None] = lambda _done, _history: None
) -> Report:
    """Kill a node `kills` times under load, starting it again each time; the report says what was violated."""
    rng = random.Random(seed)
    report, history = Report("kill -9", seed, kills), History()
    started = time.monotonic()
    async with GaterServer([STORE], data_dir=folder / "data") as node, gater.connect(node.url) as api:
        async with Workload(api, STORE, history, rng).running(WRITERS):
            for done in range(kills):
                await _load_then_kill(node, history, rng)
                report.recovery_seconds.append(await asyncio.to_thread(_time_start, node))
                progress(done + 1, history)
        content = [event async for event in api.stream_all(STORE)]
        verified = await api.verify(STORE)
        report.violations = [*violations(history, content), *verified.problems]
        if (code := await asyncio.to_thread(node.stop)) != 0:
            report.violations.append(f"the node exited with {code} after SIGTERM")
    report.seconds = time.monotonic() - started
    report.events, report.errors_met = history.events, history.errors
    return report


async def _load_then_kill(node: GaterServer, history: History, rng: random.Random) -> None:
    """Kill at a random moment after at least one more append was acknowledged."""
    before = len(history.acknowledged)
    while len(history.acknowledged) == before:
        await asyncio.sleep(0.005)
    await asyncio.sleep(rng.uniform(0.0, 0.3))
    await asyncio.to_thread(node.kill)


def _time_start(node: GaterServer) -> float:
    started = time.monotonic()
    node.start()
    return time.monotonic() - started
