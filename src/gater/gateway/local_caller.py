"""The API's caller in process: operations go straight to the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.api.operation import Operation, StreamingOperation
from gater.gateway.gateway import Gateway
from gater.model.errors import RequestTimeoutError
from gater.model.events import Event
from gater.model.snapshots import Snapshot
from gater.model.subscriptions import Delivered, ParkedEvent
from gater.store.log import Done, settle

Answer = TypeVar("Answer")


MOST_AT_ONCE: Final = 8
"""Calls that are answered at once before the event loop has its turn."""
IN_PROCESS: Final = "in-process"
"""Who calls when nobody else can."""


class LocalCaller:
    """A Caller (see there) on this process's own gateway."""

    resumes = False

    def __init__(self, gateway: Gateway, *, owns_gateway: bool = True) -> None:
        self._gateway = gateway
        self._owns_gateway = owns_gateway
        self._at_once = 0

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Any:
        """The answer of one operation.

        Only waiting for a position is bounded by the operation's own timeout: nothing else can be lost on the way.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done: Done = partial(settle, future)
        if self._owns_gateway:
            done = self._gateway.witness.watching(IN_PROCESS, operation, None, done)
        self._gateway.dispatch(operation, done)
        if future.done():
            # Answered at once: who calls in a loop must leave others their turn, if not after each call.
            self._at_once += 1
            if self._at_once >= MOST_AT_ONCE:
                self._at_once = 0
                await asyncio.sleep(0)
        if timeout is None and not getattr(operation, "after_position", 0):
            return _typed(operation, await future)
        seconds = operation.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                return _typed(operation, await future)
        except TimeoutError:
            raise RequestTimeoutError(operation.name, seconds) from None

    async def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation."""
        gateway = self._gateway
        if self._owns_gateway:
            items = gateway.witness.following(IN_PROCESS, operation, None, gateway.stream)
        else:
            items = gateway.stream(operation)
        try:
            async for item in items:
                yield _typed(operation, item)
        finally:
            await items.aclose()

    async def close(self) -> None:
        """Close the gateway, when it is this caller's own."""
        if self._owns_gateway:
            await self._gateway.close()


def _typed(operation: Operation[Any], answer: Any) -> Any:
    """The answer with its rows as the values they stand for."""
    if operation.answer == list[Event]:
        return [Event(*row) for row in answer]
    if operation.answer is sub.SubscriptionPage:
        return sub.SubscriptionPage([Event(*row) for row in answer.events], answer.live, answer.next)
    if operation.answer == list[Delivered]:
        return [Delivered(Event(*row), attempt, receipt) for row, attempt, receipt in answer]
    if operation.answer == list[ParkedEvent]:
        return [msgspec.structs.replace(p, event=None if p.event is None else Event(*p.event)) for p in answer]
    if operation.answer is op.EventPage:
        return op.EventPage([Event(*row) for row in answer.events], answer.next)
    if operation.answer is Snapshot:
        return Snapshot(*answer)
    if operation.answer is op.SnapshotPage:
        rows, more = answer
        return op.SnapshotPage([Snapshot(*row) for row in rows], more)
    return answer
