"""The adapter of a process that has no others to talk to."""

from __future__ import annotations

from gater.pubsub.adapters.port import Deliver
from gater.pubsub.instances import Instance


class LocalAdapter:
    """Carries nothing: its instances reach all subscribers there are."""

    reaches_others = False

    async def start(self, deliver: Deliver) -> None:
        """Nothing is delivered."""

    def publish(self, instance: Instance, topic: str, body: bytes) -> None:
        """Do nothing: no other process is to be reached."""

    async def close(self) -> None:
        """There is nothing to end."""
