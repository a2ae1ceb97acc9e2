"""One consumer at work: attached again when it was lost, its deliveries given out, its settlements sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import Any, Final

import msgspec

from gater.api.caller import Caller
from gater.api.delivery import Delivery
from gater.api.loop_affinity import affinity_of_reader
from gater.api.page_reader import PageReader
from gater.api.resuming import backoff
from gater.api.settling import Settling
from gater.api.subscription_operations import Consume
from gater.model.errors import OverloadedError, TransientError
from gater.model.limits import TURN_SECONDS
from gater.model.subscriptions import Delivered

TURN_PART: Final = 0.1
"""The part of the ack timeout after which a report is sent although the handler gives the event loop no turn."""
LONGEST_TURN: Final = 0.1
"""Seconds that a handler may take without giving the event loop a turn until the consumer does."""

log = logging.getLogger(__name__)


class Consuming:
    """One consumer at work, as its tasks and deliveries see it; who only holds the Consumer can forget that."""

    def __init__(self, caller: Caller, operation: Consume) -> None:
        self._caller = caller
        self._operation = operation
        self.affinity = affinity_of_reader()
        self._closing: asyncio.Task[None] | None = None
        self._settling: Settling | None = None
        self.pages: PageReader[Delivered] = PageReader(self._attached())
        self._is_known = False
        """Whether something came since it was attached last."""
        self.is_stopping = False
        """Whether it is to take no more."""
        self._is_over = False
        """Whether it gives out no more: it is stopping, has said `stop` of a delivery, or has failed."""
        self._left = asyncio.Event()
        self._reader: asyncio.Task[Any] | None = None
        """The task that asked for deliveries last."""
        self.handlers: set[asyncio.Task[None]] = set()
        """Tasks that work on deliveries."""

    # --- what comes ---

    async def _attached(self) -> AsyncGenerator[list[Delivered], None]:
        """Pages of deliveries, attached again with backoff whenever the connection was lost, for ever.

        Ends when the consumer has said `stop`.
        """
        failures = 0
        was_attached = False
        """Whether the server may still count this consumer among those that are attached."""
        while True:
            self.settling.attach()
            operation = msgspec.structs.replace(self._operation, number=self.settling.number)
            try:
                async with aclosing(self._caller.stream(operation)) as pages:
                    async for page in pages:
                        failures, was_attached = 0, True
                        self._is_known = True
                        if not self.pages.ready:
                            self.settling.came()
                        yield page
                return
            except TransientError as error:
                if self.settling.is_stopped:
                    return
                if not self._caller.resumes or (isinstance(error, OverloadedError) and not was_attached):
                    raise
                failures += 1
                was_attached = True
            self._is_known = False
            self.pages.ready.clear()  # others have it
            await asyncio.sleep(backoff(failures))

    @property
    def settling(self) -> Settling:
        """The sender of its settlements."""
        if self._settling is None:
            operation = self._operation
            self._settling = Settling(
                self._caller, operation.store, operation.subscription, self._settlements_changed, self.affinity
            )
        return self._settling

    def _settlements_changed(self) -> None:
        settling = self.settling
        self._is_over = self.is_stopping or settling.is_stopped or settling.error is not None
        self.pages.turn_seconds = min(max(settling.seconds * TURN_PART, TURN_SECONDS), LONGEST_TURN)
        self._drop_lost()
        self.pages.wake()
        if self.is_stopping and not self.settling.owes:
            self.close_soon()

    def _drop_lost(self) -> None:
        """Let go of what waits here and was given to others."""
        ready, settling = self.pages.ready, self.settling
        while ready and settling.is_gone(ready[0].receipt):
            ready.popleft()
            self.pages.taken()

    def take(self) -> Delivery | None:
        """A delivery that is ready, and from now on is being processed; None: `prepare` says when to look again."""
        self.affinity.check_thread()
        # As `pick` and `given`, in one: this is done for each event.
        pages, settling = self.pages, self._settling
        ready = pages.ready
        if not ready or settling is None or self._is_over:
            return None
        if not settling.given_until > monotonic() < pages.turn_ends:
            return None
        delivered = ready.popleft()
        if len(ready) <= pages.enough:
            pages.taken()
        if (delivered.receipt <= settling.lost or settling.hidden) and settling.is_gone(delivered.receipt):
            return None  # it came after that was told
        settling.begin(delivered.receipt)
        return Delivery(delivered, settling)

    def pick(self) -> Delivery | None:
        """The same from any thread, one at a time: `given` is to be called with the delivery on the event loop."""
        ready, settling = self.pages.ready, self._settling
        if settling is None or not ready or self._is_over:
            return None
        if not settling.given_until > monotonic() < self.pages.turn_ends:
            return None
        try:
            delivered = ready.popleft()
        except IndexError:  # it was given to others a moment ago
            return None
        return None if settling.is_gone(delivered.receipt) else Delivery(delivered, settling)

    def given(self, delivery: Delivery) -> None:
        """A delivery was given out: it is being processed."""
        self.pages.taken()
        self.settling.begin(delivery.receipt)

    async def prepare(self) -> bool:
        """Wait for a delivery; False: there are no more. Raises what ended the consumer. May be cancelled."""
        self.affinity.check()
        settling, self._reader = self.settling, asyncio.current_task()
        if self.is_stopping:
            return False
        if not self._is_over and (self.pages.ready or not self.pages.has_ended):
            if self.pages.ready and monotonic() >= settling.given_until:
                settling.ask()
                await self.pages.woken()
            else:
                if self.pages.ready:
                    settling.report_now()  # before others have their turn, which may be long
                await self.pages.changed()
            return True
        await self.close()
        if settling.error is not None:
            raise settling.error.again()
        self.pages.check()
        return False

    # --- leaving ---

    def stop(self) -> None:
        """Take no more; leave as soon as nothing is owed."""
        if not self.is_stopping:
            self.is_stopping = self._is_over = True
            self.pages.wake()
            if self._settling is None or not self._settling.owes:
                self.close_soon()
            else:
                self._settling.tells_when_idle = True

    def close_soon(self) -> asyncio.Task[None] | None:
        """The task that leaves; None when there is nothing to leave."""
        self.is_stopping = self._is_over = True
        if self._settling is None:
            self._left.set()
        elif self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._leave(self._settling))
            self._closing.add_done_callback(_log_failure)
            if self._is_known:
                self._settling.leave()
        return self._closing

    async def close(self) -> None:
        """Leave, whatever is owed; returns when what was settled is sent. Twice is once."""
        if self.affinity.is_inherited:
            return  # it is the parent's
        self.affinity.check()
        closing = self.close_soon()
        if closing is None:
            await self.pages.close()
        else:
            await asyncio.wait([closing])
            closing.result()

    async def _leave(self, settling: Settling) -> None:
        try:
            await settling.finish()
        finally:
            await self.pages.close()
            self._left.set()

    async def left(self) -> None:
        """Return when it has left; at once to a task that works on what is owed: it would wait for itself."""
        self.affinity.check()
        task = asyncio.current_task()
        if self._settling is not None and self._settling.owes and (task is self._reader or task in self.handlers):
            return
        await self._left.wait()
        await self.close()

    def forget(self) -> None:
        """Leave, from any thread, when the consumer is forgotten."""
        if self.affinity.loop is not None and self._closing is None:
            self.affinity.call(self.close_soon)


def _log_failure(task: asyncio.Task[None]) -> None:
    """Log why a consumer could not send what it had settled."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("a consumer left with settlements unsent", extra={"reason": str(error)})
