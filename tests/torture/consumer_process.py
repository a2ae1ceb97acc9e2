"""A consumer in a process of its own, which can be killed at any moment: it writes down what it does, then does it."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from pathlib import Path

import gater
from tests.torture.deliveries import ACK, RETRY, LoggedDelivery

RETRIED_SHARE = 0.02
"""Of so many deliveries it says that they are to come again."""


async def consume(url: str, store: str, subscription: str, log: Path, rng: random.Random) -> None:
    """Settle what comes, for ever; each line is in the file before the server is told."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with gater.connect(url, timeout=120.0) as api:  # a node that starts on a busy machine is waited for
        async for delivery in api.consume(store, subscription, prefetch=rng.choice((1, 10, 100, 1_000))):
            action = RETRY if rng.random() < RETRIED_SHARE else ACK
            os.write(file, _line(delivery, action))
            if action == ACK:
                await delivery.ack()
            else:
                await delivery.nack("retry", reason="torture")


def _line(delivery: gater.Delivery, action: str) -> bytes:
    event = delivery.event
    logged = LoggedDelivery(
        event.position, event.stream_id, event.version, delivery.attempt, delivery.receipt, action, time.monotonic_ns()
    )
    return logged.to_line()


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "store", "subscription"):
        parser.add_argument(name)
    parser.add_argument("log", type=Path)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    asyncio.run(consume(options.url, options.store, options.subscription, options.log, random.Random(options.seed)))


if __name__ == "__main__":
    main()
