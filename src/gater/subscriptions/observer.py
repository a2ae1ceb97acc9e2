"""The port between a durable subscription at work and those that announce its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gater.model.errors import GaterError
    from gater.subscriptions.durable import DurableSubscription


class Observer(Protocol):
    """Is told what happens to a subscription."""

    def consumers_changed(self, durable: DurableSubscription) -> None:
        """Note that a consumer was attached or has left."""
        ...

    def holds_events(self, durable: DurableSubscription) -> None:
        """It holds events in memory: it is to be told when events of its streams are hidden."""
        ...

    def delivery_failed(self, durable: DurableSubscription, reason: str) -> None:
        """A delivery was not acknowledged."""
        ...

    def delivery_succeeded(self, durable: DurableSubscription) -> None:
        """A delivery was acknowledged, for the first time since one failed."""
        ...

    def full(self, durable: DurableSubscription, reason: str) -> None:
        """So much waits that nothing more is read."""
        ...

    def crashed(self, durable: DurableSubscription, error: GaterError) -> None:
        """It cannot go on for now."""
        ...

    def run_ended(self, durable: DurableSubscription) -> None:
        """The store says that its run has ended: it was removed, or moved, and does not know of it yet."""
        ...
