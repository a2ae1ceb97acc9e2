"""Large stores are built once a run, in process, their streams interleaved as events arrive in life."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gater
from bench.callers import run_tasks
from bench.gater_side import new_events
from bench.load import run_load
from bench.rounds import Run
from bench.servers import STORE

READABLE_STREAMS: Final = 1_000
READ_COUNT: Final = 100
"""Every readable stream has at least so many events, whatever the size of the store."""
STREAMS_PER_CALL: Final = 500
CALLS_IN_FLIGHT: Final = 64
COPIED_UP_TO: Final = 1_000_000
"""A store of at most so many events is copied before each turn of appends, so that it keeps its size."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A prepared store: where it is and what is in it."""

    folder: Path
    events: int
    streams: int

    def for_appends(self, run: Run) -> Path:
        """A folder to append to: a copy, written out before it is used, or the store itself when it is very large."""
        if self.events > COPIED_UP_TO:
            return self.folder
        copy = run.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy)
        os.sync()
        return copy


def by_events(run: Run) -> list[Grown]:
    """The same 1,000 streams with ever more events; the store is kept at each of these sizes."""
    sizes = [100_000, 1_000_000, 10_000_000] if run.large else [100_000, 300_000 if run.quick else 1_000_000]
    grown: list[Grown] = []
    for size in sizes:
        store = Grown(run.folder / f"events-{size}", size, READABLE_STREAMS)
        if not store.folder.exists():
            run.say(f"building a store of {size:,} events")
            if grown:
                shutil.copytree(grown[-1].folder, store.folder)
            passes = (size - (grown[-1].events if grown else 0)) // READABLE_STREAMS
            run_load("bench.large:grow", target=str(store.folder), streams=READABLE_STREAMS, passes=passes)
        grown.append(store)
    return grown


def by_streams(run: Run) -> list[Grown]:
    """1,000 streams of 100 events, alone and spread evenly among very many streams of one event."""
    grown: list[Grown] = []
    for streams in (READABLE_STREAMS, 1_000_000 if run.large else 20_000 if run.quick else 100_000):
        events = streams + READABLE_STREAMS * (READ_COUNT - 1)
        store = Grown(run.folder / f"streams-{streams}", events, streams)
        if not store.folder.exists():
            run.say(f"building a store of {streams:,} streams")
            run_load("bench.large:grow", target=str(store.folder), streams=streams, passes=1)
            run_load(
                "bench.large:grow",
                target=str(store.folder),
                streams=streams,
                step=streams // READABLE_STREAMS,
                passes=READ_COUNT - 1,
            )
        grown.append(store)
    return grown


async def grow(target: str, streams: int, passes: int, step: int = 1) -> dict[str, float]:
    """Appends one event to every `step`-th of the streams, in order, as many times as there are passes."""
    calls = (
        range(first, min(first + STREAMS_PER_CALL * step, streams), step)
        for _ in range(passes)
        for first in range(0, streams, STREAMS_PER_CALL * step)
    )
    started = time.perf_counter()
    async with gater.open(target, stores=[STORE]) as api:

        async def work() -> None:
            for numbers in calls:  # shared by all tasks: each takes the next call
                writes = [gater.StreamAppend(stream_name(number), new_events(1), gater.ANY) for number in numbers]
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
