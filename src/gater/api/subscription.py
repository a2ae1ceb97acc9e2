"""A subscription: every matching event of a store, then the new ones, as an async iterator that can be stopped."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gater.api.caller import Caller
from gater.api.loop_affinity import LoopAffinity, affinity_of_reader
from gater.api.notices import CAUGHT_UP, FELL_BEHIND
from gater.api.page_reader import PageReader
from gater.api.resuming import followed
from gater.api.stopping import Stopping
from gater.api.subscription_operations import SubscribeOperation
from gater.model.errors import GaterError

Item = TypeVar("Item")


class Subscription(Generic[Item]):
    """The events of a subscription, as an async iterator.

        async with api.subscribe("orders") as subscription:
            async for event in subscription:
                print(event.event_type)

    It begins with the first event that is asked for. Waiting for one may be given up (`asyncio.wait_for`) and begun
    again: nothing is passed over. It ends with `stop`, when it is closed, and when it is forgotten.
    """

    def __init__(self, caller: Caller, operation: SubscribeOperation, *, notices: bool) -> None:
        self._pages: PageReader[Any] = PageReader(_items(caller, operation, notices))
        self._affinity = affinity_of_reader()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        self._affinity.check()
        try:
            item: Item = await self._pages.next()
        except GaterError:
            await self.aclose()
            raise
        return item

    def stop(self) -> Stopping:
        """End the iteration, also one that waits for an event; may be awaited, until the node was told.

        It may be called by a signal handler, and in another thread.
        """
        self._affinity.call(self._pages.end)
        return Stopping(self.aclose)

    async def aclose(self) -> None:
        """End it at its source; the iterator has no more events then. Closing twice is closing once."""
        if self._affinity.is_inherited:
            return  # it is the parent's
        self._affinity.check()
        await self._pages.close()

    def __del__(self) -> None:
        affinity: LoopAffinity | None = getattr(self, "_affinity", None)
        if affinity is not None and affinity.loop is not None:
            affinity.call(self._pages.end)


async def _items(caller: Caller, operation: SubscribeOperation, notices: bool) -> AsyncGenerator[list[Any], None]:
    """The events page by page, with notices between them if they are wanted."""
    live = False
    async with aclosing(followed(caller, operation)) as pages:
        async for page in pages:
            if not notices or page.live == live:
                yield page.events
            elif page.live:
                yield [*page.events, CAUGHT_UP]
            else:
                yield [FELL_BEHIND, *page.events]
            live = page.live
