"""Loads of pub/sub in one process: a publisher and its listeners on one event loop, through the API."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import gater
from gater.api.pubsub_api import PubSubChannel
from gater.pubsub.system import held

BURST: Final = 200
"""Messages that are published before the listeners have their turn."""
ALERTS_A_SECOND: Final = 200
STUCK_QUEUE: Final = 1_000


async def deliver(listeners: int, topics: int, seconds: float) -> dict[str, float]:
    """One topic is published to and has so many listeners; so many other topics are listened to. Counts deliveries."""
    count = 0
    async with gater.open(":memory:") as api, AsyncExitStack() as stack:
        channel = api.pubsub("events")
        with held() as pubsub:
            others = [pubsub.subscribe("events", f"other:{number}") for number in range(topics - 1)]

            async def listen(messages: AsyncIterator[Any]) -> None:
                nonlocal count
                async for _ in messages:
                    count += 1

            heard = [await stack.enter_async_context(channel.subscribe("topic")) for _ in range(listeners)]
            tasks = [asyncio.create_task(listen(messages)) for messages in heard]
            await _publish(channel, seconds / 3)
            count, started = 0, time.perf_counter()
            await _publish(channel, seconds)
            elapsed = time.perf_counter() - started
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for other in others:
                other.close()
    return {"count": count, "seconds": elapsed}


async def _publish(channel: PubSubChannel, seconds: float) -> None:
    """Publishes for so long; what was published is read before the next burst."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for number in range(BURST):
            await channel.broadcast("topic", {"number": number, "reading": 21.5})
        await asyncio.sleep(0)


async def isolation(rate: int, seconds: float) -> dict[str, float]:
    """Metrics are flooded at that rate, with a listener that never reads; how late alerts arrive, in milliseconds."""
    delays: list[float] = []
    note = delays.append
    with held() as pubsub:
        stuck = pubsub.subscribe("metrics", "*", buffer=STUCK_QUEUE)
        alerts = pubsub.subscribe("alerts", "*")

        async def hear() -> None:
            async for message in alerts:
                note(time.perf_counter() - message.body["at"])

        hearing = asyncio.create_task(hear())
        started, flooded = time.perf_counter(), 0
        published = 0.0
        while (now := time.perf_counter() - started) < seconds:
            while flooded < now * rate:
                pubsub.broadcast("metrics", "throughput_stats:x", {"n": flooded})
                flooded += 1
            if now - published > 1 / ALERTS_A_SECOND:
                published = now
                pubsub.broadcast("alerts", "system_alerts:critical", {"at": time.perf_counter()})
            await asyncio.sleep(0.0005)
        hearing.cancel()
        await asyncio.wait([hearing])
        dropped = stuck.dropped
        stuck.close()
        alerts.close()
    ordered = sorted(delays)
    return {
        "p50": statistics.median(ordered) * 1_000,
        "p99": ordered[int(len(ordered) * 0.99)] * 1_000,
        "flooded": flooded / seconds,
        "dropped": dropped,
    }
