"""Callers repeat one call, each waiting for its own answer, and only their steady state is counted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

WARM_UP_SHARE: Final = 0.3  # of the measured time, spent before the count begins


def run_threads(
    callers: int, call: Callable[[int], object], *, seconds: float, work_per_call: int = 1
) -> dict[str, float]:
    """Runs `call(caller)` over and over on that many threads; counts what finished within `seconds`."""
    done = [0] * callers
    failures: list[Exception] = []
    stop = threading.Event()

    def repeat(caller: int) -> None:
        try:
            while not stop.is_set():
                call(caller)
                done[caller] += work_per_call
        except Exception as failure:  # noqa: BLE001 - handed to the thread that waits for the result
            failures.append(failure)
            stop.set()

    threads = [threading.Thread(target=repeat, args=(caller,), daemon=True) for caller in range(callers)]
    for thread in threads:
        thread.start()
    stop.wait(seconds * WARM_UP_SHARE)
    before, started = sum(done), time.perf_counter()
    stop.wait(seconds)
    count, elapsed = sum(done) - before, time.perf_counter() - started
    stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {"count": count, "seconds": elapsed}


async def run_tasks(
    callers: int, call: Callable[[int], Awaitable[object]], *, seconds: float, work_per_call: int = 1
) -> dict[str, float]:
    """Runs `await call(caller)` over and over in that many tasks; counts what finished within `seconds`."""
    done = [0] * callers
    running = True

    async def repeat(caller: int) -> None:
        while running:
            await call(caller)
            done[caller] += work_per_call

    async with asyncio.TaskGroup() as group:
        for caller in range(callers):
            group.create_task(repeat(caller))
        await asyncio.sleep(seconds * WARM_UP_SHARE)
        before, started = sum(done), time.perf_counter()
        await asyncio.sleep(seconds)
        count, elapsed = sum(done) - before, time.perf_counter() - started
        running = False
    return {"count": count, "seconds": elapsed}
