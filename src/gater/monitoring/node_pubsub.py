"""The membership of a node in the pub/sub system that it shares with its process."""

from __future__ import annotations

from typing import Any, Final, Self

from gater.messages import origin
from gater.messages.broadcast import Messenger
from gater.messages.signing import Keyring
from gater.monitoring.announcements import Announcements
from gater.monitoring.lifecycle import announce_node
from gater.monitoring.pubsub_monitor import announce_slow_subscriber
from gater.pubsub.adapters.local import LocalAdapter
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.bus import InstanceStats, SlowSubscriber
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub, acquire, release
from gater.telemetry.sources import MessageFigures

STOP_INSTANCES: Final = (Instance.SYSTEM, Instance.LIFECYCLE)
"""The instances on which a node announces that it stops."""


class NodePubSub:
    """A node in pub/sub, from `join` to `leave`: the system of the process, and what the node announces there."""

    def __init__(self, pubsub: PubSub, adapter: Adapter, messenger: Messenger) -> None:
        """Use `join`: it makes the system if this is the first node of the process."""
        self.pubsub = pubsub
        self.announcements = Announcements(pubsub, messenger)
        self._adapter = adapter
        self._has_left = False
        self._has_announced_stop = False
        origin.use(messenger)
        pubsub.slow_hooks.append(self._slow_subscriber)

    @classmethod
    async def join(cls, node: str, keyring: Keyring | None = None, adapter: Adapter | None = None) -> Self:
        """Join the system of the process; raises what keeps the adapter from starting.

        `keyring` signs the announcements, `adapter` carries messages to other processes.
        """
        carried = adapter or LocalAdapter()
        pubsub = acquire()
        try:
            await pubsub.carrying.attach(carried)
        except BaseException:
            release()
            raise
        return cls(pubsub, carried, Messenger(pubsub.broadcast, keyring, node=node))

    async def leave(self) -> None:
        """Leave the system; its subscribers get nothing more of this node. Twice is once."""
        if self._has_left:
            return
        self._has_left = True
        self.pubsub.slow_hooks.remove(self._slow_subscriber)
        origin.leave(self.announcements.messenger)
        try:
            await self.pubsub.carrying.detach(self._adapter)
        finally:
            release()

    def announce_stopping(self) -> bool:
        """Announce, once, that the node is about to stop; whether the announcement had subscribers."""
        if self._has_announced_stop:
            return False
        self._has_announced_stop = True
        announce_node(self.announcements, "stopping")
        return any(self.announcements.is_heard(instance) for instance in STOP_INSTANCES)

    def publish_metrics(self, topic: str, body: dict[str, Any]) -> None:
        """Publish a message of the metrics on their instance."""
        metrics = self.pubsub.instance(Instance.METRICS)
        if not self._has_left and metrics.is_heard:
            metrics.broadcast(topic, [body["type"], body])

    def _slow_subscriber(self, slow: SlowSubscriber) -> None:
        announce_slow_subscriber(self.announcements, slow)

    # --- figures ---

    def instance_figures(self) -> dict[str, InstanceStats]:
        """The figures of the instances by name; none after the node has left."""
        if self._has_left:
            return {}
        return {instance.value: stats for instance, stats in self.pubsub.stats().items()}

    def topic_figures(self) -> dict[str, int]:
        """The number of messages by topic."""
        return {} if self._has_left else self.pubsub.topics()

    def message_figures(self) -> MessageFigures:
        """The figures of the system messages of this node."""
        return self.announcements.messenger.stats()
