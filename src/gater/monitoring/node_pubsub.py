"""A node's membership of the pub/sub system that it shares with its process, and its announcements there."""

from __future__ import annotations

from typing import Any, Final

from gater.messages import origin
from gater.messages.broadcast import Messenger
from gater.messages.signing import Keyring
from gater.model.errors import StoreUnavailableError
from gater.model.version import __version__
from gater.monitoring.announcements import Announcements
from gater.pubsub.adapters.local import LocalAdapter
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.bus import InstanceStats
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub, acquire, release
from gater.telemetry.sources import MessageFigures

STOP_INSTANCES: Final = (Instance.SYSTEM, Instance.LIFECYCLE)
"""The instances on which a node announces that it stops."""


class NodePubSub:
    """The membership of one node in the pub/sub system of its process, from `join` to `leave`."""

    def __init__(self, node: str, keyring: Keyring | None = None, adapter: Adapter | None = None) -> None:
        """`keyring`: what signs its announcements; `adapter`: what carries messages to other processes."""
        self._node = node
        self._keyring = keyring
        self._adapter = adapter or LocalAdapter()
        self._pubsub: PubSub | None = None
        self._announcements: Announcements | None = None
        self._said_stopping = False

    @property
    def pubsub(self) -> PubSub:
        """The pub/sub system that this node shares with all others of its process."""
        if self._pubsub is None:
            raise StoreUnavailableError(reason="the node is stopping")
        return self._pubsub

    @property
    def announcements(self) -> Announcements:
        """The announcements of the node; only after it was started."""
        if self._announcements is None:
            raise StoreUnavailableError(reason="the node has not started")
        return self._announcements

    @property
    def has_joined(self) -> bool:
        """Whether it is between `join` and `leave`."""
        return self._pubsub is not None

    async def join(self) -> None:
        """Join the system of the process; raises what keeps the adapter from beginning."""
        pubsub = acquire()
        try:
            await pubsub.carrying.attach(self._adapter)
        except BaseException:
            release()
            raise
        self._pubsub = pubsub
        messenger = Messenger(pubsub.broadcast, self._keyring, node=self._node)
        self._announcements = Announcements(pubsub, messenger, __version__)
        origin.use(messenger)
        pubsub.slow_hooks.append(self._announcements.slow_listener)

    async def leave(self) -> None:
        """Leave the system; those who listen to it hear nothing more of this node."""
        if self._pubsub is None:
            return
        pubsub, self._pubsub = self._pubsub, None
        pubsub.slow_hooks.remove(self.announcements.slow_listener)
        origin.leave(self.announcements.messenger)
        try:
            await pubsub.carrying.detach(self._adapter)
        finally:
            release()

    def say_stopping(self) -> bool:
        """Announce, once, that the node is about to stop; whether there were subscribers."""
        if self._said_stopping:
            return False
        self._said_stopping = True
        self.announcements.node_state("stopping")
        return any(self.pubsub.instance(instance).is_heard for instance in STOP_INSTANCES)

    def tell(self, topic: str, body: dict[str, Any]) -> None:
        """Pass on what the metrics have to tell: as it is, and calls in trouble as alerts and diagnostics."""
        if self._pubsub is None:
            return
        metrics = self._pubsub.instance(Instance.METRICS)
        if metrics.is_heard:
            metrics.broadcast(topic, [body["type"], body])
        if body["type"] == "performance_alert":
            self._tell_trouble(body)

    def _tell_trouble(self, body: dict[str, Any]) -> None:
        facts = body["metadata"]
        if body["alert"] == "slow_api_call":
            self.announcements.slow_call(facts["function"], body["duration_us"] / 1e6)
        elif body["alert"] == "api_call_error":
            self.announcements.failed_call(facts["function"], facts["code"])

    # --- for others ---

    def instance_figures(self) -> dict[str, InstanceStats]:
        """The state of the instances, by name; none before the beginning and after the end."""
        if self._pubsub is None:
            return {}
        return {instance.value: stats for instance, stats in self._pubsub.stats().items()}

    def topic_figures(self) -> dict[str, int]:
        """Messages by topic."""
        return {} if self._pubsub is None else self._pubsub.topics()

    def message_figures(self) -> MessageFigures:
        """The figures of the system messages of this node."""
        return MessageFigures() if self._announcements is None else self._announcements.messenger.stats()
