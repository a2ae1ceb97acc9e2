"""Several processes in one: adapters that carry to each other without delay."""

from __future__ import annotations

from gater.pubsub.adapters.port import Deliver
from gater.pubsub.instances import Instance


class Hub:
    """What the adapters of some processes are connected by."""

    def __init__(self) -> None:
        self.connected: list[HubAdapter] = []

    def adapter(self) -> HubAdapter:
        """The adapter of one more process."""
        return HubAdapter(self)


class HubAdapter:
    """Carries to all others on its hub."""

    reaches_others = True

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.deliver: Deliver | None = None

    async def start(self, deliver: Deliver) -> None:
        self.deliver = deliver
        self._hub.connected.append(self)

    def publish(self, instance: Instance, topic: str, body: bytes) -> None:
        if self in self._hub.connected:
            for adapter in tuple(self._hub.connected):
                if adapter is not self and adapter.deliver is not None:
                    adapter.deliver(instance, topic, body)

    async def close(self) -> None:
        if self in self._hub.connected:
            self._hub.connected.remove(self)
