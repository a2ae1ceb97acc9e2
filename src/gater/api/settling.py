"""Settlements of deliveries on their way back."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Protocol

from gater.api.caller import Caller
from gater.api.loop_affinity import LoopAffinity
from gater.api.resuming import backoff
from gater.api.subscription_operations import Ack, Nack, Report, Reported, Settle
from gater.model.errors import GaterError, InternalError, NotFoundError, StoreUnavailableError, TransientError
from gater.model.limits import MOST_SETTLED

FRESH_SECONDS: Final = 0.25
"""For so long what waits is given out without asking whether it was hidden meanwhile."""
CLOSE_SECONDS: Final = 5.0
"""How long the last settlements may take when a consumer ends."""
OWNED_PART: Final = 0.75
"""The part of the ack timeout for which what waits is given out unasked; a report has the rest to arrive."""

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
    """The reports of one consumer: the deliveries that it has begun to process, and how each was settled.

    What is said together travels together, as a report, while the next is made. Settlements are sent before the next
    call of the client; when the consumer has ended, each is waited for.
    """

    def __init__(
        self, caller: Caller, store: str, subscription: str, changed: Callable[[], None], affinity: LoopAffinity
    ) -> None:
        """`changed` is called when `stop` was said, when a report is answered, and when one is refused.

        `affinity` is the consumer's.
        """
        self.error: GaterError | None = None
        """Why reports are refused; the deliveries come again."""
        self.is_stopped = False
        """Whether `stop` was said of a delivery: the consumer gets no more."""
        self.tells_when_idle = False
        """Whether `changed` is called when nothing is owed any more, too."""
        self.number = 0
        """Of the consumer, since it was attached last."""
        self.given_until = 0.0
        """Until this time (`monotonic`) what waits here is given out without asking: it is the consumer's, and visible.

        Of what was hidden a moment ago it may not know yet.
        """
        self._owned_until = self._doubted_at = 0.0
        self.seconds = 0.0
        """The ack timeout, as far as it is known."""
        self.lost = 0
        """The deliveries that wait here with receipts up to this one are others' by now."""
        self.hidden: set[int] = set()
        """Receipts of deliveries whose events were hidden, and that were not met since."""
        self._caller = caller
        self._store = store
        self._subscription = subscription
        self._tell = changed
        self._direct = DirectSettling(caller, store, subscription)
        self._acks: list[Ack] = []
        self._nacks: list[Nack] = []
        self._begun = 0
        """Receipt of the delivery that was given out last."""
        self._must_report = False
        """Whether there is something to report besides settlements."""
        self._is_leaving = False
        self._owed: set[int] = set()
        """Receipts of what was given out, and of which nothing was said."""
        self._has_ended = False
        self._is_scheduled = False
        self._is_posted = False
        """Whether the outbox knows that something waits."""
        self._under_way = 0
        self._sent = asyncio.Event()
        self._affinity = affinity
        self._loop = affinity.check()
        caller.outbox.join(self)

    @property
    def owes(self) -> bool:
        """Whether something is to be said of what was given out."""
        return bool(self._owed)

    # --- what is said ---

    async def ack(self, ack: Ack) -> None:
        """An event was processed."""
        self._affinity.check_thread()
        self._owed.discard(ack.receipt)
        if self._has_ended or self.error is not None:
            await self._direct.ack(ack)
            return
        self._acks.append(ack)
        self._settled()

    async def nack(self, nack: Nack) -> None:
        """An event was not processed."""
        self._affinity.check_thread()
        self._owed.discard(nack.receipt)
        if self._has_ended or self.error is not None:
            if nack.action != "stop":  # it has left
                await self._direct.nack(nack)
            return
        self._nacks.append(nack)
        self._settled()
        if nack.action == "stop":
            self.is_stopped = True
            self._tell()

    def _settled(self) -> None:
        if not self._is_posted:
            self._is_posted = True
            self._caller.outbox.add(self)
            self._report_soon()
        if self.tells_when_idle and not self._owed:
            self._tell()

    def begin(self, receipt: int) -> None:
        """A delivery is given out: from now on it is processed, and something is to be said of it here."""
        self._owed.add(receipt)
        self._begun = receipt
        self._must_report = True
        if not self._is_scheduled and not self._under_way:
            self._is_scheduled = True
            self._loop.call_soon(self._report)

    def is_gone(self, receipt: int) -> bool:
        """Whether a waiting delivery is not to be given out: it is another consumer's, or its event was hidden."""
        if receipt in self.hidden:
            self.hidden.discard(receipt)
            return True
        return receipt <= self.lost

    def attach(self) -> None:
        """The consumer is attached anew; what it was given before is not its own any more."""
        self.number = secrets.randbits(62) + 1
        self._begun = self.lost = 0
        self._owned_until = self.given_until = 0.0
        self.hidden.clear()

    def ask(self) -> None:
        """Find out whether what waits here is the consumer's own."""
        self._must_report = True
        self._report_soon()

    def doubt(self) -> None:
        """Take note that waiting deliveries may have been hidden: the server is asked before they are given out."""
        self._doubted_at, self.given_until = monotonic(), 0.0

    def came(self) -> None:
        """Take note of deliveries that came while none waited: they are as the server sees them now."""
        self._trust(monotonic())

    def _trust(self, now: float) -> None:
        self.given_until = min(self._owned_until, now + FRESH_SECONDS)

    def leave(self) -> None:
        """Say that the consumer leaves, so that what it has not begun does not count as failed."""
        self._is_leaving = self._must_report = True
        self._report_soon()

    # --- sending ---

    def report_now(self) -> None:
        """Begin to send what there is to report, unless a report is under way."""
        if not self._under_way:
            self._caller.outbox.send(self)

    def _report_soon(self) -> None:
        """Report when this turn of the event loop ends; if a report is under way, when that is answered."""
        if not self._is_scheduled and not self._under_way:
            self._is_scheduled = True
            self._loop.call_soon(self._report)

    def _report(self) -> None:
        self._is_scheduled = False
        self.report_now()

    def sending(self) -> Coroutine[Any, Any, None] | None:
        """Sends what there is to report, up to its bound (see outbox.Sender)."""
        if self.error is not None or not (self._acks or self._nacks or self._must_report):
            return None
        acks, self._acks = self._acks[:MOST_SETTLED], self._acks[MOST_SETTLED:]
        nacks, self._nacks = self._nacks[:MOST_SETTLED], self._nacks[MOST_SETTLED:]
        self._must_report = self._is_posted = False
        leaves = self._is_leaving and not (self._acks or self._nacks)
        self._under_way += 1
        return self._send(
            Report(self._store, self._subscription, tuple(acks), tuple(nacks), self.number, self._begun, leaves=leaves)
        )

    async def _send(self, report: Report) -> None:
        sent = monotonic()
        try:
            answer = await self._caller.call(report)
        except TransientError as error:
            # What is not settled comes again; settling it twice does no harm.
            if report.acks or report.nacks:
                log.warning("settlements did not get through", extra={"reason": str(error)})
            if not self._caller.resumes:
                self._fail(error)
            elif not self._has_ended:
                self._acks[:0], self._nacks[:0] = report.acks, report.nacks
                self._must_report = self._is_posted = True
                self._caller.outbox.add(self)
                await asyncio.sleep(backoff(1))
        except GaterError as error:
            self._fail(error)
        except Exception as defect:
            log.exception("settlements cannot be sent")
            self._fail(InternalError(message=f"{type(defect).__name__}: {defect}"))
        else:
            self._answered(report, answer, sent)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._caller.outbox.send(self)
                if not self._under_way:
                    self._sent.set()

    def _answered(self, report: Report, answer: Reported, sent: float) -> None:
        if answer.unsettled:
            why = {"deliveries": len(answer.unsettled), "first": answer.unsettled[0].position}
            log.warning("deliveries were settled too late: they were given to another consumer", extra=why)
        if report.number == self.number:
            self.lost = max(self.lost, answer.lost)
            self.seconds = answer.seconds
            self._owned_until = max(self._owned_until, sent + answer.seconds * OWNED_PART)
            self.hidden.update([receipt for receipt in answer.hidden if receipt > self._begun])
            if sent > self._doubted_at:
                self._trust(monotonic())
            self._tell()

    def _fail(self, error: GaterError) -> None:
        self.error = error
        self._tell()

    async def finish(self) -> None:
        """Return when everything was sent; each later settlement is waited for.

        Raises StoreUnavailableError when something could not be sent within CLOSE_SECONDS: it is given up.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                while self.error is None and (self._is_unsent or self._under_way):
                    self._sent.clear()
                    await self._sent.wait()
        self._has_ended = True
        is_unsent = self._is_unsent or self._under_way
        self._acks, self._nacks, self._must_report = [], [], False
        self._caller.outbox.discard(self)
        if self.error is None and is_unsent:
            raise StoreUnavailableError(self._store, "the last settlements were not answered; their events come again")

    @property
    def _is_unsent(self) -> bool:
        return bool(self._acks or self._nacks or self._must_report)
