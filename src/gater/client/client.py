"""The API's caller over the network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeVar

from gater.api.loop_affinity import LoopAffinity
from gater.api.operation import Operation, StreamingOperation
from gater.api.outbox import Outbox
from gater.client.link import Link
from gater.client.retry import may_send_again
from gater.client.transport import ConnectionLostError
from gater.model.errors import ApiClosedError, GaterError, InternalError, StoreUnavailableError

Answer = TypeVar("Answer")

WINDOW_PAGES: Final = 8
"""Items of a stream that are asked for ahead of the reader."""


ELSEWHERE: Final = "make a client for each event loop, or use gater.connect_sync, whose API any thread may call"
"""What a caller in another event loop is to do."""
FORKED: Final = "make a client after the fork, or use gater.connect_sync, which connects anew there"
"""What a caller in a child of the process is to do."""


class RemoteCaller:
    """A Caller (see there) on a server.

    A call that a lost connection leaves without answer is sent again, within its time, if that cannot do anything
    twice. `overloaded` is passed on: whoever calls knows what can wait.
    """

    def __init__(self, link: Link, timeout: float) -> None:
        """`timeout`: seconds a call may take, connecting included, unless it or its operation says otherwise."""
        self.patience = timeout
        self.outbox = Outbox()
        self._link = link
        self._timeout = timeout
        self._affinity = LoopAffinity(elsewhere=ELSEWHERE, forked=FORKED)
        self._closed = False

    @property
    def resumes(self) -> bool:
        """Whether a broken stream is worth opening again: not when there has never been a connection."""
        return self._link.was_connected and not self._closed

    async def open(self) -> None:
        """Belong to the running event loop; the connection is made when it is first needed."""
        self._affinity.check()

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Answer:
        """The answer of one operation.

        Raises the operation's errors, RequestTimeoutError, and StoreUnavailableError when the server cannot be
        reached in time or the connection broke and the call may not be repeated.
        """
        seconds = timeout if timeout is not None else self._seconds(operation)
        now = self._affinity.check().time()
        deadline = None if seconds is None else now + seconds
        while True:
            if (self.outbox or self._link.current is None) and not operation.goes_ahead:
                await self._send_ahead(deadline)
            connection = self._link.current or await self._link.connection(self._connect_by(deadline))
            try:
                answer: Answer = await connection.call(operation, deadline, seconds)
                return answer
            except ConnectionLostError as lost:
                if lost.violated or not self.resumes or not may_send_again(operation, lost.begun):
                    raise _unavailable(operation, lost) from None
                if lost.begun:
                    operation = operation.repeated()

    async def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation; a StoreUnavailableError ends it when the connection breaks.

        So it does when the first connection of this client cannot be made within its timeout.
        """
        self._affinity.check()
        once = self._link.was_connected  # whoever reads on tries again; a first connection is waited for here
        await self._send_ahead(None)
        connection = self._link.current or await self._link.connection(self._connect_by(None), once=once)
        items: AsyncGenerator[Any, None] = connection.stream(operation, WINDOW_PAGES)
        try:
            async for item in items:
                yield item
                self._affinity.check()
        except ConnectionLostError as lost:
            raise ApiClosedError if self._closed else _unavailable(operation, lost) from None
        finally:
            await self._affinity.aclose(items)

    async def _send_ahead(self, deadline: float | None) -> None:
        """Send the settlements that wait; while there is no connection to send them on in order, wait for them."""
        await self.outbox.empty()
        if self._link.current is None:
            await self.outbox.answered(self._connect_by(deadline) - asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Let go of the connection when the calls under way are answered; streams end with an error.

        In a child of the process the connection is left to the parent; when its event loop has ended, it has, too.
        """
        loop = self._affinity.loop
        if self._affinity.is_inherited or (loop is not None and loop.is_closed()):
            self._closed = True
            return
        self._affinity.check()
        await self.outbox.empty()
        self._closed = True
        await self._link.close(self._timeout)

    def _seconds(self, operation: Operation[Any]) -> float | None:
        """The time of an operation: this client's, for those that do not take longer by nature."""
        return self._timeout if operation.timeout == Operation.timeout else operation.timeout

    def _connect_by(self, deadline: float | None) -> float:
        """When to give up connecting: a call without a time limit waits no longer for a connection than others."""
        return asyncio.get_running_loop().time() + self._timeout if deadline is None else deadline


def _unavailable(operation: Operation[Any], lost: ConnectionLostError) -> GaterError:
    """The error of a caller whose connection broke; one that passes by itself, unless the answer was to blame."""
    outcome = "; what was asked may have been done" if lost.begun and not operation.repeatable else ""
    if lost.violated:
        return InternalError(message=f"{lost.reason}{outcome}")
    return StoreUnavailableError(getattr(operation, "store", None), f"the connection was lost: {lost.reason}{outcome}")
