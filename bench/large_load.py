"""The loads of large stores, in process: building one with its streams interleaved, appending to it, reading it."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Coroutine, Iterable
from typing import Any, Final

import gater
from bench.callers import run_tasks
from bench.gater_side import new_events
from bench.large import READ_COUNT, READABLE_STREAMS
from bench.rare import old_event
from bench.servers import STORE

STREAMS_PER_CALL: Final = 500
CALLS_IN_FLIGHT: Final = 64


async def grow(target: str, streams: int, passes: int, step: int = 1, before: int = 0) -> dict[str, float]:
    """Appends one event to every `step`-th of the streams, in order, as many times as there are passes.

    `before`: how many events the store has already.
    """
    numbered = itertools.count(before + 1)
    calls = (
        range(first, min(first + STREAMS_PER_CALL * step, streams), step)
        for _ in range(passes)
        for first in range(0, streams, STREAMS_PER_CALL * step)
    )
    started = time.perf_counter()
    async with gater.open(target, stores=[STORE]) as api:

        async def work() -> None:
            for numbers in calls:  # shared by all tasks: each takes the next call
                writes = [
                    gater.StreamAppend(stream_name(number), [old_event(next(numbered))], gater.ANY)
                    for number in numbers
                ]
                await api.append_streams(STORE, writes)

        await _together(work() for _ in range(CALLS_IN_FLIGHT))
    return {"count": len(range(0, streams, step)) * passes, "seconds": time.perf_counter() - started}


async def append_to_random_streams(target: str, streams: int, appends: int) -> dict[str, float]:
    """Appends single events to existing streams chosen at random, 64 in flight."""
    chosen = iter(random.Random(appends).choices(range(streams), k=appends))
    async with gater.open(target, stores=[STORE]) as api:

        async def work() -> None:
            for number in chosen:
                await api.append_events(STORE, stream_name(number), new_events(1), expected_version=gater.ANY)

        started = time.perf_counter()
        await _together(work() for _ in range(CALLS_IN_FLIGHT))
        return {"count": appends, "seconds": time.perf_counter() - started}


async def read_random_streams(target: str, streams: int, seconds: float) -> dict[str, float]:
    """One caller reads the last 100 events of readable streams chosen at random."""
    step = streams // READABLE_STREAMS
    choose = random.Random(streams).randrange
    async with gater.open(target, stores=[STORE]) as api:

        async def call(_: int) -> None:
            name = stream_name(choose(READABLE_STREAMS) * step)
            events = [event async for event in api.stream_backward(STORE, name, None, READ_COUNT)]
            if len(events) != READ_COUNT:
                raise RuntimeError(f"{name} gave {len(events)} events")

        return await run_tasks(1, call, seconds=seconds)


def stream_name(number: int) -> str:
    """The id of the stream with that number."""
    return f"stream-{number}"


async def _together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(task)
