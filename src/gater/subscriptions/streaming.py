"""Consumers that are sent their deliveries, and report which of them they have begun to process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from gater.subscriptions.consumer import Consumer
from gater.subscriptions.group import Group
from gater.subscriptions.group_receipts import EVERY_RECEIPT

if TYPE_CHECKING:
    from gater.subscriptions.durable import Delivery, DurableSubscription

PAGE_DELIVERIES: Final = 500
"""Deliveries that one page holds at the most."""


class Streaming:
    """The streams of deliveries of one durable subscription."""

    def __init__(self, durable: DurableSubscription) -> None:
        self._durable = durable
        self._numbered: dict[int, Consumer] = {}
        """Those that report, by the number that they have chosen."""

    async def consume(self, prefetch: int, number: int) -> AsyncGenerator[list[Delivery], None]:
        """Pages of deliveries to one consumer (see DurableSubscription.consume); number 0: it does not report."""
        durable, consumer = self._durable, Consumer(prefetch, is_patient=number != 0)
        durable.attach(consumer)
        if number:
            self._numbered[number] = consumer
        try:
            while not consumer.ended:
                page = [durable.take(consumer, PAGE_DELIVERIES)]
                if page[0]:
                    yield page.pop()
                else:
                    await consumer.wait()
            if consumer.error is not None:
                raise consumer.error.again()
        finally:
            if self._numbered.get(number) is consumer:
                del self._numbered[number]
            durable.detach(consumer)

    def report(self, group: Group, number: int, begun: int, now: float, *, leaves: bool) -> tuple[int, list[int]]:
        """Note what a consumer has begun, and whether it leaves; returns what it does not have any more.

        See Group.report.
        """
        consumer = self._numbered.get(number)
        if consumer is None:
            return EVERY_RECEIPT, []
        gone = group.report(consumer, begun, now)
        if leaves:
            group.leave(consumer, now)
            consumer.end(None)
        return gone
