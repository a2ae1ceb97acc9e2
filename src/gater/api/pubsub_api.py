"""The part of the API that is about pub/sub: ten instances, each with topics to listen to and to publish under."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Self

from gater.api.caller import Caller
from gater.api.paged_iterator import PagedIterator
from gater.api.pubsub_operations import CheckedPublish, GetPubSub, InstanceStatus, Listen, PubSubMessage
from gater.api.resuming import backoff
from gater.model.errors import TransientError
from gater.model.message_body import check_body
from gater.pubsub.instances import Instance, parse_instance
from gater.pubsub.topics import check_pattern, check_topic


class PubSubApi:
    """Pub/sub of the node."""

    _caller: Caller

    # --- pub/sub ---

    def pubsub(self, instance: str) -> PubSubChannel:
        """One of the ten instances, by its short or full name (`health`, `ex_esdb_health`)."""
        return PubSubChannel(self._caller, parse_instance(instance))

    async def get_pubsub(self) -> list[InstanceStatus]:
        """The state of each instance: messages published, dropped and waiting, and subscribers."""
        return await self._caller.call(GetPubSub())


class PubSubChannel:
    """One instance: messages live as long as they are on their way; who does not listen does not get them."""

    def __init__(self, caller: Caller, instance: Instance) -> None:
        self.instance = instance
        self._caller = caller

    def subscribe(self, topic: str = "*") -> Listening:
        """Listen to a topic, or with a `*` at its end to all that begin so.

            async with api.pubsub("health").subscribe("node_health*") as messages:
                async for message in messages:
                    print(message.topic, message.body)

        Entering the block waits until listening has begun; iterating without a block begins it, too. A listener that
        is too slow loses the oldest messages; on security, audit and alerts it is disconnected with OverloadedError
        before it loses any.
        """
        return Listening(self._caller, Listen(self.instance.value, check_pattern(topic)))

    async def broadcast(self, topic: str, message: Any) -> int:
        """Give a message to all subscribers of the topic; returns their number on the node.

        `message` is plain data: what JSON can say, and bytes; whole numbers have at most 64 bits. Nobody is waited
        for. Raises ValidationError for anything else, and RequestTooLargeError for a message of more than 16 MiB.
        """
        return await self._caller.call(CheckedPublish(self.instance.value, check_topic(topic), check_body(message)))


class Listening(PagedIterator[PubSubMessage]):
    """Messages of one pattern, as an async iterator; after a lost connection it listens again to what comes then.

    Waiting for a message may be given up (`asyncio.wait_for`) and begun again: it listens all the time.
    """

    def __init__(self, caller: Caller, operation: Listen) -> None:
        super().__init__(_listened(caller, operation), None)
        self._has_begun = False

    async def __aenter__(self) -> Self:
        if not self._has_begun and not await self._fetch():
            raise StopAsyncIteration
        return self

    async def _fetch(self) -> bool:
        """The first page, an empty one, says that listening has begun."""
        self._has_begun = await super()._fetch()
        return self._has_begun


async def _listened(caller: Caller, operation: Listen) -> AsyncGenerator[list[PubSubMessage], None]:
    failures = 0
    while True:
        stream = caller.stream(operation)
        try:
            async for page in stream:
                failures = 0
                yield page
            return
        except TransientError as error:
            # An overloaded listener is told: it has lost messages that must not be lost in silence.
            if not caller.resumes or error.code == "overloaded":
                raise
            failures += 1
        finally:
            await stream.aclose()
        await asyncio.sleep(backoff(failures))
