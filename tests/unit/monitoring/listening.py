"""One who listens to everything that a node says of itself."""

from __future__ import annotations

from gater.messages.broadcast import Messenger
from gater.messages.envelope import SECURE, UNSECURED
from gater.messages.records import Record
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub

NODE = "gater@here"
Said = tuple[Instance, str, Record]


class Listener:
    """Everything that is published on all instances, records opened."""

    def __init__(self, pubsub: PubSub, messenger: Messenger) -> None:
        self._subscriptions = {instance: pubsub.subscribe(instance, "*") for instance in Instance}
        self._messenger = messenger

    def heard(self) -> list[Said]:
        """The records that were published since it was last asked."""
        return [
            (instance, message.topic, self._messenger.open(message.body, instance=instance.full_name))
            for instance, subscription in self._subscriptions.items()
            for message in subscription.take()
            if message.body[0] in (SECURE, UNSECURED)
        ]
