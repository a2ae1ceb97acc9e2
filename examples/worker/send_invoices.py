"""A worker that sends an invoice for each order, eight at a time, and stops on SIGTERM when those are sent.

    gater serve --store shop &
    python examples/worker/send_invoices.py

Start as many as you like: they share the events of the subscription `invoices`. An invoice that cannot be sent is tried
again, with the subscription's backoff; after five failures it is parked (`gater subscriptions parked shop invoices`).
What a worker that is killed was doing is done again by another: sending must bear that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Final

import gater

STORE: Final = "shop"
SUBSCRIPTION: Final = "invoices"
AT_ONCE: Final = 8
SENDING_SECONDS: Final = float(os.environ.get("SENDING_SECONDS", "0.2"))

log = logging.getLogger("invoices")


async def send(delivery: gater.Delivery) -> None:
    """Send the invoice of an order: it is acknowledged when this returns, and tried again when this raises."""
    order, total = delivery.event.stream_id, delivery.event.data["total"]
    if total < 0:
        await delivery.nack("park", reason="the total is negative")  # trying again would not help
        return
    await asyncio.sleep(SENDING_SECONDS)  # stands for the mail server
    log.info("sent the invoice of %s, attempt %d", order, delivery.attempt)


async def main() -> None:
    """Work until SIGTERM or Ctrl-C."""
    loop = asyncio.get_running_loop()
    async with gater.connect(os.environ.get("GATER_URL", "http://127.0.0.1:4001")) as api:
        await api.save_subscription(STORE, "by_event_type", "OrderPlaced", SUBSCRIPTION, max_retries=5)
        async with api.consumer(STORE, SUBSCRIPTION, prefetch=4 * AT_ONCE) as consumer:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, consumer.stop)
            log.info("ready")
            await consumer.run(send, concurrency=AT_ONCE)
    log.info("stopped")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asyncio.run(main())
