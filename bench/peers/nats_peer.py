"""Core NATS through nats-py: one server on this machine, publisher and listeners in one process as Gater's are."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import nats

BURST: Final = 200
PAYLOAD: Final = b'{"number":123,"reading":21.5}'


async def deliver(target: str, listeners: int, seconds: float) -> dict[str, float]:
    """One subject is published to and has so many subscriptions. Counts deliveries."""
    count = 0

    async def heard(_: Any) -> None:
        nonlocal count
        count += 1

    async with await nats.connect(target) as client:
        for _ in range(listeners):
            await client.subscribe("topic", cb=heard)
        await _publish(client, seconds / 3)
        count, started = 0, time.perf_counter()
        await _publish(client, seconds)
        elapsed = time.perf_counter() - started
    return {"count": count, "seconds": elapsed}


async def _publish(client: Any, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(BURST):
            await client.publish("topic", PAYLOAD)
        await client.flush()  # the server has them, and has sent them to whoever listens
        await asyncio.sleep(0)
