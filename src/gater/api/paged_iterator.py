"""An async iterator over items that come in pages, of which a wait may be given up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gater.api.loop_affinity import LoopAffinity, affinity_of_reader
from gater.model.errors import GaterError

Item = TypeVar("Item")


class PagedIterator(Generic[Item]):
    """The items of a generator of pages, as an async iterator that is closed with `aclose`, or as a block.

    Waiting for an item may be given up (`asyncio.wait_for`) and begun again: nothing is passed over. No page is
    fetched before it is asked for.
    """

    def __init__(
        self, pages: AsyncGenerator[list[Item], None], again: Callable[[], AsyncGenerator[list[Item], None]] | None
    ) -> None:
        """`again` gives the pages that come after the last one, if they can be asked for again.

        A generator that is cancelled while it waits has ended: with `again`, which costs less as long as no wait is
        given up, it is replaced then, otherwise and from then on each page is fetched by a task.
        """
        self._pages = pages
        self._again = again
        self._ready: deque[Item] = deque()
        self._fetching: asyncio.Task[list[Item] | None] | None = None
        self._is_closed = False
        self._affinity = affinity_of_reader()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._ready:
            if not await self._fetch():
                raise StopAsyncIteration
        return self._ready.popleft()

    async def _fetch(self) -> bool:
        """Wait for the next page, which may be empty; False: there are no more. Raises what ended the pages."""
        self._affinity.check()
        if self._again is not None:
            return await self._fetch_directly(self._again)
        if self._fetching is None:
            self._fetching = asyncio.create_task(_next(self._pages))
        fetching = self._fetching
        if not fetching.done():
            await _end_of(fetching)
        if self._is_closed and fetching.cancelled():
            return False
        error = fetching.exception()
        if error is not None:  # raised again whenever more is asked for
            raise error.again() if isinstance(error, GaterError) else error
        page = fetching.result()
        if page is not None and self._fetching is fetching:  # else another task that waited has taken the page
            self._fetching = None
            self._ready.extend(page)
        return page is not None

    async def _fetch_directly(self, again: Callable[[], AsyncGenerator[list[Item], None]]) -> bool:
        try:
            page = await anext(self._pages, None)
        except asyncio.CancelledError:
            self._pages, self._again = again(), None
            raise
        self._ready.extend(page or ())
        return page is not None

    async def direct(self) -> AsyncGenerator[Item, None]:
        """The items for a task that gives up no wait: cancelled, it ends them at their source at once."""
        async with aclosing(self._pages) as pages:
            async for page in pages:
                for item in page:
                    yield item

    async def aclose(self) -> None:
        """End it at its source; the iterator has no more items then. Closing twice is closing once."""
        if self._affinity.is_inherited:
            return  # it is the parent's
        self._affinity.check()
        self._is_closed, self._again = True, None
        self._ready.clear()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait((self._fetching,))
            self._fetching = None
        await self._pages.aclose()

    def __del__(self) -> None:
        fetching: asyncio.Task[list[Item] | None] | None = getattr(self, "_fetching", None)
        if fetching is not None and not fetching.done():
            affinity: LoopAffinity = self._affinity
            affinity.call(fetching.cancel)


async def _next(pages: AsyncGenerator[list[Item], None]) -> list[Item] | None:
    """The next page; None when there are no more."""
    return await anext(pages, None)


async def _end_of(task: asyncio.Task[Any]) -> None:
    """Wait for the end of a task, which goes on when the wait is given up: `asyncio.wait` at less cost."""
    waiter = task.get_loop().create_future()

    def wake(_: object) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)
