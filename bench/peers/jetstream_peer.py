"""JetStream is driven through nats-py: one server with its default settings, a stream in a file, a pull consumer.

Messages are fetched in batches of a thousand and acknowledged one by one (explicit acks, which nats-py sends without
waiting for the server). The subject plays the stream id. JetStream keeps no order between redeliveries of a subject,
and does not sync its files before it acknowledges; both are its defaults.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import nats
from nats.js.api import AckPolicy, ConsumerConfig, StorageType

from bench.payload import PAYLOAD

STREAM: Final = "bench"
PUBLISHED_AT_ONCE: Final = 1_000
FETCH_SECONDS: Final = 10.0


async def fill(target: str, streams: int, events_per_stream: int) -> dict[str, float]:
    """Writes the messages that are consumed: subjects interleaved, as they are in life."""
    async with await nats.connect(target) as client:
        jetstream = client.jetstream()
        await jetstream.add_stream(name=STREAM, subjects=["read.>"], storage=StorageType.FILE)
        started = time.perf_counter()
        names = [f"read.{number}" for _ in range(events_per_stream) for number in range(streams)]
        for first in range(0, len(names), PUBLISHED_AT_ONCE):
            chosen = names[first : first + PUBLISHED_AT_ONCE]
            await asyncio.gather(*[await jetstream.publish_async(name, PAYLOAD) for name in chosen])
    return {"count": len(names), "seconds": time.perf_counter() - started}


async def consume(target: str, prefetch: int, deliveries: int, group: str) -> dict[str, float]:
    """One new durable consumer takes that many messages, each acknowledged; counts deliveries."""
    async with await nats.connect(target) as client:
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=10 * prefetch)
        subscription = await client.jetstream().pull_subscribe("read.>", durable=group, stream=STREAM, config=config)
        started, count = time.perf_counter(), 0
        while count < deliveries:
            for message in await subscription.fetch(prefetch, timeout=FETCH_SECONDS):
                await message.ack()
                count += 1
        await client.flush()
        elapsed = time.perf_counter() - started
    return {"count": count, "seconds": elapsed}
