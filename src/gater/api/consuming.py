"""Consuming a durable subscription: deliveries, and settlements on their way back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from typing import Final, Protocol

from gater.api.caller import Caller
from gater.api.resuming import backoff
from gater.api.subscription_operations import Ack, Consume, Nack, Settle
from gater.model.errors import GaterError, InternalError, NotFoundError, OverloadedError, TransientError
from gater.model.events import Event
from gater.model.limits import MOST_SETTLED
from gater.model.subscriptions import Delivered, check_nack

CLOSE_SECONDS: Final = 5.0
"""How long the last settlements may take when a consumer ends."""

log = logging.getLogger(__name__)


class Settler(Protocol):
    """Takes what is said of deliveries."""

    async def ack(self, ack: Ack) -> None:
        """An event was processed."""
        ...

    async def nack(self, nack: Nack) -> None:
        """An event was not processed."""
        ...


async def settle(
    caller: Caller, store: str, subscription: str, *, acks: tuple[Ack, ...] = (), nacks: tuple[Nack, ...] = ()
) -> None:
    """Settle deliveries and wait until that is noted; NotFoundError for one that is not in flight any more."""
    for unsettled in await caller.call(Settle(store, subscription, acks, nacks)):
        raise NotFoundError("delivery", unsettled.position, why=unsettled.why)


class DirectSettling:
    """Settlements one by one, each of which is waited for."""

    def __init__(self, caller: Caller, store: str, subscription: str) -> None:
        self._caller = caller
        self._store = store
        self._subscription = subscription

    async def ack(self, ack: Ack) -> None:
        """An event was processed."""
        await settle(self._caller, self._store, self._subscription, acks=(ack,))

    async def nack(self, nack: Nack) -> None:
        """An event was not processed."""
        await settle(self._caller, self._store, self._subscription, nacks=(nack,))


class Settling:
    """Settlements of one consumer: those that come together travel together, in order, while the next are made."""

    def __init__(self, caller: Caller, store: str, subscription: str) -> None:
        self.error: GaterError | None = None
        """Why settlements are refused; the deliveries come again."""
        self._caller = caller
        self._store = store
        self._subscription = subscription
        self._acks: list[Ack] = []
        self._nacks: list[Nack] = []
        self._owed: set[int] = set()
        """Receipts of what was given out, and of which nothing was said."""
        self._changed = asyncio.Event()
        self._sent = asyncio.Event()

    async def ack(self, ack: Ack) -> None:
        """An event was processed."""
        self._owed.discard(ack.receipt)
        self._acks.append(ack)
        self._changed.set()

    async def nack(self, nack: Nack) -> None:
        """An event was not processed."""
        self._owed.discard(nack.receipt)
        self._nacks.append(nack)
        self._changed.set()

    def owed(self, delivered: Delivered) -> Delivery:
        """A delivery of which something is to be said here."""
        self._owed.add(delivered.receipt)
        return Delivery(delivered, self)

    def leave(self, unseen: Delivered | None) -> None:
        """Say with the last settlement that the consumer goes, so that what it was not shown does not count as failed.

        `unseen` is such an event, if it is known. Nothing is said when it owes some: it most likely fails on them.
        """
        if self._owed:
            return
        said: list[Ack | Nack] = [*self._acks[-1:], *self._nacks[-1:]]
        held = [(one.position, one.receipt) for one in said]
        if unseen is not None:
            held.append((unseen.event.position, unseen.receipt))
        if held:
            self._nacks.append(Nack(*held[-1], "stop"))
            self._changed.set()

    async def run(self) -> None:
        """Send what is to be sent, until cancelled."""
        while True:
            self._changed.clear()
            if not (self._acks or self._nacks):
                self._sent.set()
                await self._changed.wait()
                self._sent.clear()
            await self._send()

    async def _send(self) -> None:
        acks, self._acks = self._acks[:MOST_SETTLED], self._acks[MOST_SETTLED:]
        nacks, self._nacks = self._nacks[:MOST_SETTLED], self._nacks[MOST_SETTLED:]
        try:
            await self._caller.call(Settle(self._store, self._subscription, tuple(acks), tuple(nacks)))
        except TransientError as error:
            # What is not settled comes again; settling it twice does no harm.
            log.warning("settlements did not get through", extra={"reason": str(error)})
            if self._caller.resumes:
                self._acks[:0], self._nacks[:0] = acks, nacks
                await asyncio.sleep(backoff(1))
        except GaterError as error:
            self.error = error
        except Exception as defect:
            log.exception("settlements cannot be sent")
            self.error = InternalError(message=f"{type(defect).__name__}: {defect}")

    async def finished(self) -> None:
        """Return when everything was sent, or after CLOSE_SECONDS."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._acks or self._nacks or not self._sent.is_set():
                    if self.error is not None:
                        return
                    await self._sent.wait()
                    await asyncio.sleep(0)


class Delivery:
    """An event that this consumer is to process, and then to acknowledge or not.

    A consumer's settlements do not wait for the server: they travel with the next message, and before the consumer
    ends. One that does not arrive lets the event be delivered again. Those of pulled events are waited for.
    """

    __slots__ = ("_settler", "attempt", "event", "receipt")

    def __init__(self, delivered: Delivered, settler: Settler) -> None:
        self.event: Event = delivered.event
        self.attempt: int = delivered.attempt
        """1 for the first delivery of the event."""
        self.receipt: int = delivered.receipt
        """What tells this delivery from every other one of the same event."""
        self._settler = settler

    def __repr__(self) -> str:
        return f"Delivery({self.event!r}, attempt={self.attempt})"

    async def ack(self) -> None:
        """The event was processed."""
        await self._settler.ack(Ack(self.event.position, self.receipt))

    async def nack(self, action: str | int = "retry", *, delay: float | None = None, reason: str | None = None) -> None:
        """The event was not processed.

        `retry` delivers it again, after `delay` seconds (None: the subscription's backoff); `park` sets it aside with
        the `reason`; `skip` lets it go; `stop` gives back all it holds and ends this consumer.
        """
        await self._settler.nack(Nack(self.event.position, self.receipt, *check_nack(action, delay, reason)))


async def consumed(caller: Caller, operation: Consume) -> AsyncGenerator[Delivery, None]:
    """The deliveries of one consumer, attached again with backoff whenever the connection was lost, for ever.

    Ends when the consumer has said `stop`; what it has settled is sent before it leaves.
    """
    settling = Settling(caller, operation.store, operation.subscription)
    unseen: Iterator[Delivered] = iter(())
    sender = asyncio.create_task(settling.run())
    try:
        async with aclosing(_pages(caller, operation)) as pages:
            try:
                async for page in pages:
                    unseen = iter(page)
                    for delivered in unseen:
                        if settling.error is not None:
                            raise settling.error
                        yield settling.owed(delivered)
            finally:
                settling.leave(next(unseen, None))
                await settling.finished()
    finally:
        sender.cancel()
        await asyncio.wait([sender])


async def _pages(caller: Caller, operation: Consume) -> AsyncGenerator[list[Delivered], None]:
    failures = 0
    was_attached = False
    """Whether the server may still count this consumer among those that are attached."""
    while True:
        try:
            async with aclosing(caller.stream(operation)) as pages:
                async for page in pages:
                    failures, was_attached = 0, True
                    yield page
            return
        except TransientError as error:
            if not caller.resumes or (isinstance(error, OverloadedError) and not was_attached):
                raise
            failures += 1
            was_attached = True
        await asyncio.sleep(backoff(failures))
