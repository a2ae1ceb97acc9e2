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
    """Runs `call(caller)` over and over on that many threads; counts what finishes in `seconds` after a warm-up."""
    begin, end = _window(seconds)
    done = [0] * callers
    failures: list[Exception] = []

    def repeat(caller: int) -> None:
        now = 0.0
        try:
            while now < end and not failures:
                call(caller)
                now = time.perf_counter()
                if begin <= now < end:
                    done[caller] += work_per_call
        except Exception as failure:  # noqa: BLE001 - handed to the thread that waits for the result
            failures.append(failure)

    threads = [threading.Thread(target=repeat, args=(caller,), daemon=True) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {"count": sum(done), "seconds": seconds}


async def run_tasks(
    callers: int, call: Callable[[int], Awaitable[object]], *, seconds: float, work_per_call: int = 1
) -> dict[str, float]:
    """Runs `await call(caller)` over and over in that many tasks; counts as `run_threads` does.

    Each task looks at the clock itself: a call that never suspends would keep a timer from firing.
    """
    begin, end = _window(seconds)
    done = [0] * callers

    async def repeat(caller: int) -> None:
        now = 0.0
        while now < end:
            await call(caller)
            now = time.perf_counter()
            if begin <= now < end:
                done[caller] += work_per_call

    async with asyncio.TaskGroup() as group:
        for caller in range(callers):
            group.create_task(repeat(caller))
    return {"count": sum(done), "seconds": seconds}


def _window(seconds: float) -> tuple[float, float]:
    begin = time.perf_counter() + seconds * WARM_UP_SHARE
    return begin, begin + seconds
