"""Pulling from a durable subscription: all clients that pull are one consumer together, while there are any."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from gater.model.errors import GaterError
from gater.subscriptions.consumer import Consumer

if TYPE_CHECKING:
    from gater.subscriptions.durable import Delivery, DurableSubscription
    from gater.subscriptions.keeper import Keeper


class Pulling:
    """The calls that pull, and what they were given."""

    def __init__(self, durable: DurableSubscription) -> None:
        self._durable = durable
        self._puller: Consumer | None = None
        """Stands for all who pull."""
        self._calls = 0
        """Those that are under way."""

    async def pull(self, count: int, wait: float, keeper: Keeper) -> list[Delivery]:
        """Up to `count` deliveries, for the first of which `wait` seconds are waited; held until they are settled."""
        self._calls += 1
        try:
            return await self._pull(count, wait, keeper)
        finally:
            self._calls -= 1

    async def _pull(self, count: int, wait: float, keeper: Keeper) -> list[Delivery]:
        puller = self._attached()
        while not keeper.claimed.is_set():
            await keeper.claimed.wait()
            if puller.error is not None:
                raise puller.error.again()
            puller = self._attached()
        page = await self._take(puller, count, keeper)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not page and not puller.ended:
                    await puller.wait()
                    page = await self._take(puller, count, keeper)
        if puller.error is not None:
            raise puller.error.again()
        return page

    async def _take(self, puller: Consumer, count: int, keeper: Keeper) -> list[Delivery]:
        """Take the present deliveries, after the attempts that must be noted before are durable."""
        while not (page := self._durable.take(puller, count)) and await keeper.noted():
            pass
        return page

    def _attached(self) -> Consumer:
        if self._puller is None or self._puller.ended:
            puller = Consumer(self._durable.config.settings.max_in_flight, is_shared=True)
            self._durable.attach(puller)
            self._puller = puller
        return self._puller

    def let_go(self) -> None:
        """The consumer that stands for pulling clients exists only while they wait or hold events."""
        puller = self._puller
        if puller is not None and not self._calls and not self._durable.holds(puller):
            self._puller = None
            self._durable.detach(puller)

    def end(self, error: GaterError) -> None:
        """Nothing is to be waited for any more."""
        if self._puller is not None:
            self._puller.end(error)
