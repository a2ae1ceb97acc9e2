"""The items of a stream of pages, read ahead by a task, so that a caller may give up waiting and call again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import Generic, TypeVar

from gater.model.errors import GaterError
from gater.model.limits import TURN_SECONDS

Item = TypeVar("Item")


class PageReader(Generic[Item]):
    """Holds about two pages at most; the task that reads begins with the first wait.

    Pages that have come together are ready together, so that what is said of their items travels together.
    """

    def __init__(self, pages: AsyncGenerator[list[Item], None]) -> None:
        self.turn_seconds = TURN_SECONDS
        """How long items are taken before others have their turn of the event loop."""
        self.ready: deque[Item] = deque()
        """Items that were read; whoever takes one calls `taken`."""
        self._pages = pages
        self.enough = 0
        """With more items ready than these, no page is asked for."""
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self.has_begun = False
        """Whether a page has come, perhaps an empty one."""
        self._is_closed = False
        self.turn_ends = 0.0
        """When others are to have their turn of the event loop before the next item (`monotonic`)."""

    def taken(self) -> None:
        """An item was taken from those that are ready."""
        if len(self.ready) <= self.enough:
            self._room.set()

    def wake(self) -> None:
        """Wake the waiting callers, so that they check their conditions again."""
        self._changed.set()

    def begin(self) -> None:
        """Begin to read, if that has not begun."""
        if self._task is None and not self._is_closed:
            self._task = asyncio.get_running_loop().create_task(self._read())

    async def changed(self) -> None:
        """Return when there may be an item, when the pages have ended, and when it is woken.

        When there is an item already, others have their turn, if it is over.
        """
        self.begin()
        if not self.ready and not self.has_ended:
            self._changed.clear()
            await self._changed.wait()
        elif monotonic() >= self.turn_ends:
            await asyncio.sleep(0)
        self.turn_ends = monotonic() + self.turn_seconds

    async def woken(self) -> None:
        """Return when something has changed."""
        self._changed.clear()
        await self._changed.wait()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is read; `check` says why."""
        return self._is_closed or (self._task is not None and self._task.done())

    async def first(self) -> None:
        """Return when the first page has come; raises what ended the pages before."""
        self.begin()
        while not self.has_begun and not self.has_ended:
            await self.woken()
        self.check()

    async def next(self) -> Item:
        """The next item; StopAsyncIteration when there are no more."""
        while not self.ready or monotonic() >= self.turn_ends:
            if self.has_ended and not self.ready:
                self.check()
                raise StopAsyncIteration
            await self.changed()
        item = self.ready.popleft()
        self.taken()
        return item

    def check(self) -> None:
        """Raise the error that ended the pages, if one did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            if error is not None:
                raise error.again() if isinstance(error, GaterError) else error

    async def _read(self) -> None:
        try:
            async with aclosing(self._pages) as pages:
                async for page in pages:
                    self.has_begun = True
                    self.ready.extend(page)
                    self.enough = len(page)
                    self._changed.set()
                    while len(self.ready) > self.enough:
                        self._room.clear()
                        await self._room.wait()
        finally:
            self._changed.set()

    def end(self) -> None:
        """Have the stream end; what is ready is let go of."""
        self._is_closed = True
        self.ready.clear()
        self._changed.set()
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """End the stream at its source, and wait for that. Twice is once."""
        self.end()
        if self._task is None:
            await self._pages.aclose()
            return
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # whoever closes does not ask for more
