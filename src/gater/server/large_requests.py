"""Large requests, read on a thread of their own, one at a time, so that the event loop serves the others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

LARGE_BYTES: Final = 512 << 10
"""Bytes of a message or a body that is read on the thread; what is smaller is read on the event loop in a moment."""
MOST_TURN_SECONDS: Final = 10.0
"""How long the answer of a large request is waited for before the next may have the turn: a disk may hang."""

Read = TypeVar("Read")


class LargeRequests:
    """Turns of large requests: one at a time is read, and has the turn until it is answered."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for the turn, and have it as long as the context lasts."""
        async with self._turn:
            yield

    async def read(self, work: Callable[[], Read]) -> Read:
        """The result of work on the thread; only within `turn`, which a caller that is cancelled keeps until
        the work has ended.
        """
        job = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])
            if not job.cancelled():
                job.exception()
            raise

    @asynccontextmanager
    async def reading(self, work: Callable[[], Read]) -> AsyncGenerator[Read]:
        """The result of work on the thread; the turn ends with the context, or MOST_TURN_SECONDS later."""
        turns = [self._turn]
        await self._turn.acquire()
        try:
            read = await self.read(work)
            timer = asyncio.get_running_loop().call_later(MOST_TURN_SECONDS, _end, turns)
            try:
                yield read
            finally:
                timer.cancel()
        finally:
            _end(turns)


def _end(turns: list[asyncio.Lock]) -> None:
    """Give back the turn, once."""
    if turns:
        turns.pop().release()
