"""The part that a node has in pub/sub: the system that it shares with its process, and what it says there."""

from __future__ import annotations

from typing import Any, Final

from gater.gateway.announcements import Announcements
from gater.messages.broadcast import Messenger
from gater.messages.origin import leave, use
from gater.messages.signing import Keyring
from gater.model.errors import StoreUnavailableError
from gater.model.version import __version__
from gater.pubsub.adapters.local import LocalAdapter
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.bus import InstanceStats
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub, acquire, release
from gater.subscriptions.channels import Channels
from gater.telemetry.sources import MessageFigures

SPOKEN_ON: Final = (Instance.EVENTS, Instance.HEALTH, Instance.METRICS)
"""Where stores tell what happens in them, in the order of Channels."""
HEARD_AT_THE_END: Final = (Instance.SYSTEM, Instance.LIFECYCLE)
"""Where a node says that it stops."""


class Voice:
    """Speaks and listens for one node from `begin` to `end`; all else belongs to the event loop between them."""

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
        """What the node says of itself; only after it was started."""
        if self._announcements is None:
            raise StoreUnavailableError(reason="the node has not started")
        return self._announcements

    @property
    def has_begun(self) -> bool:
        """Whether it is between `begin` and `end`."""
        return self._pubsub is not None

    async def begin(self) -> None:
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
        use(messenger)
        pubsub.slow_hooks.append(self._announcements.slow_listener)

    async def end(self) -> None:
        """Leave the system; those who listen to it hear nothing more of this node."""
        if self._pubsub is None:
            return
        pubsub, self._pubsub = self._pubsub, None
        pubsub.slow_hooks.remove(self.announcements.slow_listener)
        leave(self.announcements.messenger)
        try:
            await pubsub.carrying.detach(self._adapter)
        finally:
            release()

    def say_stopping(self) -> bool:
        """Announce, once, that the node is about to stop; whether somebody was told."""
        if self._said_stopping:
            return False
        self._said_stopping = True
        self.announcements.node_is("stopping")
        return any(self.pubsub.instance(instance).is_heard for instance in HEARD_AT_THE_END)

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

    def channels(self) -> Channels:
        """Where stores tell what happens in them."""
        return Channels(*map(self.pubsub.instance, SPOKEN_ON))

    def instance_figures(self) -> dict[str, InstanceStats]:
        """How the instances stand, by name; none before the beginning and after the end."""
        if self._pubsub is None:
            return {}
        return {instance.value: stats for instance, stats in self._pubsub.stats().items()}

    def topic_figures(self) -> dict[str, int]:
        """Messages by topic."""
        return {} if self._pubsub is None else self._pubsub.topics()

    def message_figures(self) -> MessageFigures:
        """What became of the system messages of this node."""
        return MessageFigures() if self._announcements is None else self._announcements.messenger.stats()
