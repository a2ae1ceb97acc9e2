"""The load of many subscribers: each waits for something else, while a writer appends at a fixed rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

import gater
from bench.gater_side import new_events
from bench.pacing import WARM_UP_SECONDS, Pace, percentiles
from bench.payload import EVENT_TYPE
from bench.servers import STORE, cpu_seconds

SUBSCRIBERS_OF_A_CONNECTION: Final = 500


async def appends(target: str, pid: int, kind: str, subscribers: int, rate: float, seconds: float) -> dict[str, float]:
    """Append latency, and CPU time of the server process for each append, in µs.

    Every append matches one of a thousand subscribers; a single subscriber is given everything.
    """
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(gater.connect(target))
        await writer.append_events(STORE, "probe", new_events(1))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        following = await _follow(stack, group, target, kind, subscribers)
        pace = Pace(writer, rate, lambda number: f"key-{number % 1_000}", _event)
        async with pace.running():
            await asyncio.sleep(WARM_UP_SECONDS)
            before, count = cpu_seconds(pid), len(pace.latencies)
            await asyncio.sleep(seconds)
            spent, count = cpu_seconds(pid) - before, len(pace.latencies) - count
        delivered = sum(counts[0] for counts in following.values())
        for task in following:
            task.cancel()
    if subscribers and delivered < count:
        raise RuntimeError(f"{delivered} events were delivered of {count}")
    return {"cpu": spent / count * 1e6, **percentiles(pace.latencies)}


async def _follow(
    stack: AsyncExitStack, group: asyncio.TaskGroup, target: str, kind: str, subscribers: int
) -> dict[asyncio.Task[None], list[int]]:
    """Subscribers that have all caught up, and how many events each was given."""
    following: dict[asyncio.Task[None], list[int]] = {}
    caught_up: list[asyncio.Event] = []
    for number in range(subscribers):
        if number % SUBSCRIBERS_OF_A_CONNECTION == 0:
            api = await stack.enter_async_context(gater.connect(target))
        selector = _selector(kind, number) if subscribers > 1 else ("by_stream", "$all")
        counts, ready = [0], asyncio.Event()
        following[group.create_task(_count(api, selector, counts, ready))] = counts
        caught_up.append(ready)
    for ready in caught_up:
        await ready.wait()
    return following


async def _count(api: gater.GaterApi, selector: tuple[str, Any], counts: list[int], ready: asyncio.Event) -> None:
    events: AsyncGenerator[Any, None] = api.subscribe(STORE, *selector, gater.LIVE, notices=True)
    async with aclosing(events):
        async for event in events:
            if event is gater.CAUGHT_UP:
                ready.set()
            elif event is not gater.FELL_BEHIND:
                counts[0] += 1


def _selector(kind: str, number: int) -> tuple[str, Any]:
    """The selector of the subscriber of that number."""
    values = {"by_stream": f"key-{number}", "by_event_type": f"{EVENT_TYPE}-{number}"}
    return kind, values.get(kind, {"key": f"key-{number}"})


def _event(number: int) -> gater.NewEvent:
    """An event that one subscriber of each kind waits for."""
    key = number % 1_000
    return gater.NewEvent(f"{EVENT_TYPE}-{key}", {"key": f"key-{key}", "reading": "x" * 160})
