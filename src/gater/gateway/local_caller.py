"""The API's caller in process: operations go straight to the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from time import perf_counter
from typing import Any, Final, TypeVar

import msgspec

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.api.caller import Dispatcher
from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import IN_PROCESS, Origin
from gater.api.outbox import Outbox
from gater.gateway.gateway import Gateway
from gater.gateway.local_affinity import local_affinity
from gater.model.errors import ApiClosedError, RequestTimeoutError, StoreUnavailableError
from gater.model.events import Event
from gater.model.limits import TURN_SECONDS
from gater.model.snapshots import Snapshot
from gater.model.subscriptions import Delivered, ParkedEvent
from gater.store.log import resolve

Answer = TypeVar("Answer")


MOST_AT_ONCE: Final = 8
"""Calls that are answered at once before the event loop has its turn."""


class LocalCaller:
    """A Caller (see there) on a gateway of this process, which is open."""

    resumes = False
    patience = 0.0

    def __init__(
        self,
        dispatcher: Dispatcher,
        outbox: Outbox | None = None,
        *,
        origin: Origin = IN_PROCESS,
        gateway: Gateway | None = None,
    ) -> None:
        """`gateway`: closed with this caller; without one, the caller is a server's on behalf of an origin."""
        self.outbox = Outbox() if outbox is None else outbox
        self._dispatcher = dispatcher
        self._origin = origin
        self._gateway = gateway
        self._affinity = local_affinity()
        self._at_once = 0
        self._closed = False

    async def open(self) -> None:
        """Belong to the running event loop."""
        self._affinity.check()

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Any:
        """The answer of one operation.

        Only waiting for a position is bounded by the operation's own timeout: nothing else can be lost on the way.
        """
        loop = self._affinity.check()
        if self._closed:
            raise ApiClosedError
        if self.outbox and not operation.goes_ahead:
            await self.outbox.empty()
        future: asyncio.Future[Any] = loop.create_future()
        started = perf_counter()
        self._dispatcher.dispatch(operation, self._origin, partial(resolve, future))
        if future.done():
            # Answered at once: who calls in a loop must leave others their turn, if not after each call.
            self._at_once += 1
            if self._at_once >= MOST_AT_ONCE or perf_counter() - started > TURN_SECONDS / 2:
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
        """The items of a streaming operation; ApiClosedError ends it when this caller is closed."""
        self._affinity.check()
        if self._closed:
            raise ApiClosedError
        await self.outbox.empty()
        items = self._dispatcher.stream(operation, self._origin)
        try:
            while True:
                try:
                    yield _typed(operation, await anext(items))
                except StopAsyncIteration:
                    return
                except StoreUnavailableError:
                    if self._closed:
                        raise ApiClosedError from None
                    raise
                if self._gateway is not None:  # over the network, who sends the items says when others have their turn
                    self._affinity.check()
                    await asyncio.sleep(0)
        finally:
            await self._affinity.aclose(items)

    async def close(self) -> None:
        """Close the gateway, when it is this caller's own."""
        if self._gateway is not None and not self._affinity.is_inherited:
            self._affinity.check()
            await self.outbox.empty()
            self._closed = True
            await self._gateway.close()


def _events(rows: Any) -> list[Event]:
    return [Event(*row) for row in rows]


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(*row)


def _parked(answer: Any) -> list[ParkedEvent]:
    return [msgspec.structs.replace(p, event=None if p.event is None else Event(*p.event)) for p in answer]


def _deliveries(answer: Any) -> list[Delivered]:
    return [Delivered(Event(*row), attempt, receipt) for row, attempt, receipt in answer]


_TYPED: Final[dict[type, Callable[[Any], Any]]] = {
    op.ReadStream: lambda page: op.EventPage(_events(page.events), page.next, page.history),
    op.ReadAll: lambda page: op.EventPage(_events(page.events), page.next, page.history),
    op.ScanStream: _events,
    op.ScanAll: _events,
    op.ReadSnapshot: _snapshot,
    op.ListSnapshots: lambda page: op.SnapshotPage([_snapshot(row) for row in page[0]], page[1]),
    sub.SubscribeOperation: lambda page: sub.SubscriptionPage(_events(page[0]), *page[1:]),
    sub.Consume: _deliveries,
    sub.Pull: _deliveries,
    sub.ListParked: _parked,
}
"""The operations whose answers hold rows, and what makes of these the values that they stand for."""


def _typed(operation: Operation[Any], answer: Any) -> Any:
    typed = _TYPED.get(type(operation))
    return answer if typed is None else typed(answer)
