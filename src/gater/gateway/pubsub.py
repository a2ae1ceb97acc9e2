"""Operations on the pub/sub of this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from gater.api.pubsub_operations import CheckedPublish, GetPubSub, InstanceStatus, Listen, Publish, PubSubMessage
from gater.gateway.handling import Handler, StreamHandler
from gater.model.limits import PAGE_BYTES
from gater.model.message_body import check_body
from gater.model.outcome import Done
from gater.pubsub.instances import POLICIES
from gater.pubsub.system import PubSub

PAGE_MESSAGES: Final = 500
"""Messages that travel together at the most."""


async def listen(pubsub: PubSub, operation: Listen) -> AsyncGenerator[list[PubSubMessage], None]:
    """The messages published under topics that fit a pattern, from now on, after an empty page."""
    with pubsub.subscribe(operation.instance, operation.pattern) as subscription:
        yield []
        while await subscription.wait():
            yield [PubSubMessage(m.topic, m.body) for m in subscription.take_page(PAGE_MESSAGES, PAGE_BYTES)]


def publish(pubsub: PubSub, operation: Publish, done: Done) -> None:
    """Give a message to all listeners, if each of them can be given it."""
    body = operation.body if type(operation) is CheckedPublish else check_body(operation.body)
    done(pubsub.broadcast(operation.instance, operation.topic, body), None)


def stats(pubsub: PubSub, operation: GetPubSub, done: Done) -> None:
    """The figures of the instances."""
    found = []
    for instance, stats in pubsub.stats().items():
        policy = POLICIES[instance]
        found.append(
            InstanceStatus(
                instance.value,
                policy.purpose,
                policy.overflow.value,
                policy.bound,
                stats.published,
                stats.delivered,
                stats.dropped,
                stats.failed,
                stats.subscribers,
                stats.depth,
                stats.max_lag,
                stats.processing.mean,
                stats.is_open,
            )
        )
    done(found, None)


HANDLERS: Final[dict[type, Handler]] = {Publish: publish, CheckedPublish: publish, GetPubSub: stats}
STREAMS: Final[dict[type, StreamHandler]] = {Listen: listen}
