"""An event on its way to being processed, and how it is settled."""

from __future__ import annotations

from gater.api.settling import Settler
from gater.api.subscription_operations import Ack, Nack
from gater.model.events import Event
from gater.model.subscriptions import Delivered, NackAction, check_nack


class Delivery:
    """An event that this consumer is to process, and then to acknowledge or not.

    A consumer's settlements do not wait for the server: they travel ahead of the client's next call, and before the
    consumer ends. One that does not arrive lets the event be delivered again. Those of pulled events, and of a consumer
    that has ended, are waited for; they raise NotFoundError when the event is not in flight any more.
    """

    __slots__ = ("_settler", "attempt", "event", "is_settled", "receipt")

    def __init__(self, delivered: Delivered, settler: Settler) -> None:
        self.event: Event = delivered.event
        self.attempt: int = delivered.attempt
        """1 for the first delivery of the event."""
        self.receipt: int = delivered.receipt
        """What tells this delivery from every other one of the same event."""
        self.is_settled = False
        """Whether it was acknowledged or refused here."""
        self._settler = settler

    def __repr__(self) -> str:
        return f"Delivery({self.event!r}, attempt={self.attempt})"

    async def ack(self) -> None:
        """The event was processed."""
        self.is_settled = True
        await self._settler.ack(Ack(self.event.position, self.receipt))

    async def nack(
        self, action: NackAction | int = "retry", *, delay: float | None = None, reason: str | None = None
    ) -> None:
        """The event was not processed.

        `retry` delivers it again, after `delay` seconds (None: the subscription's backoff); `park` sets it aside with
        the `reason`; `skip` lets it go; `stop` gives back all it holds and ends this consumer.
        """
        nack = Nack(self.event.position, self.receipt, *check_nack(action, delay, reason))
        self.is_settled = True
        await self._settler.nack(nack)
