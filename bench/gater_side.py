"""Gater is driven through its public API: one client, its callers as tasks of one event loop on uvloop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import gater
from bench.callers import run_tasks
from bench.payload import CONTENT_TYPE, EVENT_TYPE, PAYLOAD
from bench.servers import STORE

PROBE_STREAM = "probe"


def new_events(count: int) -> list[gater.NewEvent]:
    """Events as an application makes them: one object each; their ids are made on the way."""
    return [gater.NewEvent(EVENT_TYPE, PAYLOAD, content_type=CONTENT_TYPE) for _ in range(count)]


@asynccontextmanager
async def opened(target: str) -> AsyncIterator[gater.GaterApi]:
    """The API on a server (a URL) or in this process (a folder), after one append that proves it is durable."""
    way_in = gater.connect(target) if target.startswith("http") else gater.open(target, stores=[STORE])
    async with way_in as api:
        result = await api.append_events(STORE, PROBE_STREAM, new_events(1))
        if result.durability != "fsync":
            raise RuntimeError(f"appends reach {result.durability}, not fsync")
        yield api


async def append(target: str, callers: int, events_per_call: int, seconds: float) -> dict[str, float]:
    """Every caller is a task that appends to its own stream; counts events."""
    async with opened(target) as api:
        streams = [f"stream-{caller}" for caller in range(callers)]

        async def call(caller: int) -> None:
            await api.append_events(STORE, streams[caller], new_events(events_per_call), expected_version=gater.ANY)

        return await run_tasks(callers, call, seconds=seconds, work_per_call=events_per_call)


async def fill(target: str, streams: int, events_per_stream: int) -> dict[str, float]:
    """Writes the store that reads are measured on: streams interleaved, as they are in life."""
    async with opened(target) as api:
        started = time.perf_counter()
        for _ in range(events_per_stream):
            for first in range(0, streams, 500):
                names = range(first, min(first + 500, streams))
                await api.append_streams(
                    STORE, [gater.StreamAppend(f"read-{name}", new_events(1), gater.ANY) for name in names]
                )
        return {"count": streams * events_per_stream, "seconds": time.perf_counter() - started}


async def read_stream(
    target: str, callers: int, streams: int, events_per_stream: int, seconds: float
) -> dict[str, float]:
    """Reads all events of one stream after the other; counts reads."""
    async with opened(target) as api:
        next_stream = list(range(callers))

        async def call(caller: int) -> None:
            stream = next_stream[caller]
            next_stream[caller] = (stream + callers) % streams
            events = await api.get_events(STORE, f"read-{stream}", 0, events_per_stream, "forward")
            if len(events) != events_per_stream:
                raise RuntimeError(f"read {len(events)} events of a stream of {events_per_stream}")

        return await run_tasks(callers, call, seconds=seconds)


async def scan(target: str, streams: int, events_per_stream: int) -> dict[str, float]:
    """Iterates once over the whole store, after one short read that warms the connection."""
    async with opened(target) as api:
        await api.read_all(STORE, 0, 1000)
        started = time.perf_counter()
        count = 0
        async for _ in api.stream_all(STORE):
            count += 1
        elapsed = time.perf_counter() - started
    if count < streams * events_per_stream:
        raise RuntimeError(f"scanned {count} events of {streams} streams of {events_per_stream}")
    return {"count": count, "seconds": elapsed}


async def consume(target: str, prefetch: int, deliveries: int, group: str, ordering: str = "key") -> dict[str, float]:
    """One consumer of a new durable subscription takes that many events, each acknowledged; counts deliveries.

    The time ends when the server has answered the last acknowledgement.
    """
    async with gater.connect(target) as api:
        await api.save_subscription(STORE, name=group, ordering=ordering)
        started, count = time.perf_counter(), 0
        async with aclosing(api.consume(STORE, group, prefetch=prefetch)) as consumed:
            async for delivery in consumed:
                await delivery.ack()
                count += 1
                if count == deliveries:
                    break
        elapsed = time.perf_counter() - started
        acked = (await api.get_subscription(STORE, group)).acked
    if acked < deliveries:
        raise RuntimeError(f"{acked} events of {deliveries} are acknowledged")
    return {"count": count, "seconds": elapsed}
