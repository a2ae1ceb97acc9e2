"""Bytes that were written to connections and not read by their clients, counted against the share of answers.

A connection counts from where its transport says that the client does not read. Where there is no room, large answers
of calls are refused, streams wait before they read on, and connections that have stood still for STALLED_SECONDS are
ended, those that have done so for longest first. Small answers always leave.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from gater.model.errors import OverloadedError
from gater.model.limits import PAGE_BYTES
from gater.model.memory_budget import Share
from gater.wire.server_session import SMALL_BYTES

PAGE_ROOM: Final = 2 * PAGE_BYTES
"""Bytes for which there is room before a page is read: as JSON it is larger than its payload."""
STALLED_SECONDS: Final = 3.0
"""How long a client may leave what it asked for unread when others need the room."""
LOOK_SECONDS: Final = 0.5
"""Seconds between two looks at stalled connections, while a stream waits for room."""

log = logging.getLogger(__name__)


class Outgoing:
    """The unsent bytes of all connections; used on the event loop only."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self._stalled: dict[Outlet, float] = {}
        """Connections whose clients do not read, and since when; those that began so first come first."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._turn_taken = False
        """Whether a large item was made in this turn of the event loop."""

    def has_room(self, size: int) -> bool:
        """Whether there is room for so many unsent bytes; if not, stalled connections are ended."""
        if self._fits(size):
            return True
        self.share.refused += 1
        self._end_stalled(size)
        return self._fits(size)

    def _fits(self, size: int) -> bool:
        """An answer that is larger than the share has room when there is no other."""
        return size <= self.share.room or not self.share.used

    async def room(self, size: int) -> None:
        """Return when a large item may be made: there is room for it, and no other was made in this turn.

        Making one takes milliseconds, so there is one in each turn of the event loop, and who waits longest is next.
        """
        if self._turn_taken or self._waiting or not self.has_room(size):
            await self._wait(size)
        self._turn_taken = True
        asyncio.get_running_loop().call_soon(self._end_turn)

    async def _wait(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        while True:
            if self._timer is None:
                self._timer = loop.call_later(LOOK_SECONDS, self._look)
            try:
                await future
            except BaseException:
                if future in self._waiting:
                    self._waiting.remove(future)
                else:
                    self._wake_next()
                raise
            if not self._turn_taken and self.has_room(size):
                return
            future = loop.create_future()
            self._waiting.appendleft(future)

    def _look(self) -> None:
        """Let one that waits see again whether there is room."""
        self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
            self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return

    def _end_turn(self) -> None:
        self._turn_taken = False
        self._wake_next()

    def _end_stalled(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        for outlet, since in list(self._stalled.items()):
            if self._fits(size) or since > now - STALLED_SECONDS:
                return
            log.warning("a client does not read", extra={"unsent_bytes": outlet.held, "seconds": round(now - since, 1)})
            outlet.cut_off()

    def hold(self, outlet: Outlet, size: int) -> None:
        """Count bytes that were written and not read, whether there is room or not: `has_room` was asked before."""
        self.share.used += size
        if outlet.is_paused and outlet not in self._stalled:
            self._stalled[outlet] = asyncio.get_running_loop().time()

    def resumed(self, outlet: Outlet) -> None:
        """A connection has nothing unsent any more."""
        self._stalled.pop(outlet, None)

    def release(self, size: int) -> None:
        """Count bytes as free again, and wake those that wait for them."""
        self.share.give_back(size)
        self._wake_next()


class Outlet:
    """The unsent bytes of one connection."""

    __slots__ = ("_end", "_outgoing", "_reserved", "_resumed", "held", "is_paused")

    def __init__(self, outgoing: Outgoing, end: Callable[[], object]) -> None:
        """`end` ends the connection at once."""
        self.held = 0
        self.is_paused = False
        """Whether the transport has said that the client does not read."""
        self._outgoing = outgoing
        self._reserved = 0
        self._resumed = asyncio.Event()
        self._end = end

    def pause(self) -> None:
        """The client does not read."""
        self.is_paused = True
        self._resumed.clear()

    def written(self, size: int) -> None:
        """Note what was written, after the transport has taken it."""
        if self.is_paused:
            self.held += size
            self._outgoing.hold(self, size)

    def resume(self) -> None:
        """The client has read what was written."""
        self.is_paused = False
        self._resumed.set()
        held, self.held = self.held, 0
        self._outgoing.resumed(self)
        if held:
            self._outgoing.release(held)

    def has_room(self, size: int) -> bool:
        """Whether an answer of so many bytes may be written."""
        return size <= SMALL_BYTES or self._outgoing.has_room(size)

    async def room(self, size: int) -> None:
        """Return when an answer of so many bytes may be written."""
        if size > SMALL_BYTES:
            await self._outgoing.room(size)

    async def may_go_on(self, size: int) -> None:
        """Return when the client reads, and there is room for something that is like the last, of so many bytes."""
        while True:
            while self.is_paused:
                await self._resumed.wait()
            await self.room(size)
            if not self.is_paused:
                return

    @property
    def overload(self) -> OverloadedError:
        """The error in place of an answer for which there is no room."""
        return OverloadedError("answer bytes", self._outgoing.share.limit)

    async def reserve(self) -> None:
        """Count the bytes of a page that is about to be made, as soon as there is room for it; until `unreserve`."""
        if not self._reserved:
            await self._outgoing.room(PAGE_ROOM)
            self._reserved = PAGE_ROOM
            self._outgoing.share.used += PAGE_ROOM

    def unreserve(self) -> None:
        """The page is written, or is not written at all."""
        reserved, self._reserved = self._reserved, 0
        if reserved:
            self._outgoing.release(reserved)

    @contextmanager
    def reserved(self, size: int) -> Generator[None, None, None]:
        """While it lasts, an answer of so many bytes is counted that waits until it can be written."""
        self._outgoing.share.used += size
        try:
            yield
        finally:
            self._outgoing.release(size)

    def cut_off(self) -> None:
        """End the connection."""
        end = self._end
        self.end()
        end()

    def end(self) -> None:
        """The connection is gone."""
        self.resume()
        self.unreserve()
        self._end = _nothing


def _nothing() -> None:
    """The end of a connection that has ended."""
