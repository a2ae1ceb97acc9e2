"""The ways in: each opens the same API on a store of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, cast

import httpx

import gater
from gater.api.blocking import BlockingDelivery, BlockingGaterApi, BlockingIterator, BlockingPubSubChannel
from gater.api.pubsub_operations import PubSubMessage
from tests.contract.http_api import HttpApi


class Way(Protocol):
    """One way to reach a store."""

    name: str
    durability: str
    """The level that an answered write reaches."""

    def opened(self, store: str, folder: Path) -> AsyncGenerator[gater.GaterApi, None]:
        """The API with the new store `store`; `folder` is the test's own."""
        ...


class InProcess:
    """The stores are files, opened by the test itself."""

    name = "in-process"
    durability = "fsync"

    async def opened(self, store: str, folder: Path) -> AsyncGenerator[gater.GaterApi, None]:
        """The API with the new store."""
        async with gater.open(folder / "data", stores=[store]) as api:
            yield api


class InMemory:
    """The stores live in the memory of the test."""

    name = "in-memory"
    durability = "memory"

    async def opened(self, store: str, folder: Path) -> AsyncGenerator[gater.GaterApi, None]:
        """The API with the new store."""
        async with gater.open(":memory:", stores=[store]) as api:
            yield api


class Served:
    """A way in through a server, which serves all tests; each has its own store there."""

    durability = "fsync"

    def __init__(self, url: str) -> None:
        self._url = url

    def close(self) -> None:
        """Let go of what all tests share."""


class Rpc(Served):
    """The async client."""

    name = "rpc"

    async def opened(self, store: str, folder: Path) -> AsyncGenerator[gater.GaterApi, None]:
        """The API with the new store."""
        async with gater.connect(self._url) as api:
            await api.create_store(store)
            yield api
            await remove(api, store)


class BlockingRpc(Served):
    """The blocking client, made awaitable; one for all tests, as it has an event loop of its own."""

    name = "blocking-rpc"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._api = gater.connect_sync(url)

    async def opened(self, store: str, folder: Path) -> AsyncGenerator[gater.GaterApi, None]:
        """The API with the new store."""
        # Each call that waits takes a thread; asyncio's own pool has as few as five.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
        api = cast("gater.GaterApi", AwaitableApi(self._api))
        await api.create_store(store)
        yield api
        await remove(api, store)

    def close(self) -> None:
        """Let go of what all tests share."""
        self._api.close()


class Http(Served):
    """HTTP, by the documented routes."""

    name = "http"

    async def opened(self, store: str, folder: Path) -> AsyncGenerator[gater.GaterApi, None]:
        """The API with the new store."""
        async with httpx.AsyncClient(base_url=self._url, timeout=30.0, verify=False) as client:
            api = cast("gater.GaterApi", HttpApi(client))
            await api.create_store(store)
            yield api
            await remove(api, store)


async def remove(api: gater.GaterApi, store: str) -> None:
    """Remove a test's store, unless the test has."""
    with contextlib.suppress(gater.StoreNotFoundError):
        await api.remove_store(store)


class AwaitableApi:
    """A blocking API whose calls can be awaited, each in a thread, so that the same tests fit it."""

    def __init__(self, api: BlockingGaterApi) -> None:
        self._api = api

    def pubsub(self, instance: str) -> AwaitableChannel:
        """One instance of pub/sub."""
        return AwaitableChannel(self._api.pubsub(instance))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._api, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name in _ITERATING:
                return _iterated(method(*arguments, **named))
            return _called(method, *arguments, **named)

        return call


class AwaitableDelivery:
    """A delivery of a blocking API, whose methods can be awaited."""

    def __init__(self, delivery: BlockingDelivery) -> None:
        self.event = delivery.event
        self.attempt = delivery.attempt
        self.receipt = delivery.receipt
        self._delivery = delivery

    async def ack(self) -> None:
        """The event was processed."""
        await asyncio.to_thread(self._delivery.ack)

    async def nack(self, *arguments: Any, **named: Any) -> None:
        """The event was not processed."""
        await asyncio.to_thread(self._delivery.nack, *arguments, **named)


class AwaitableChannel:
    """An instance of pub/sub of a blocking API, whose methods can be awaited."""

    def __init__(self, channel: BlockingPubSubChannel) -> None:
        self.instance = channel.instance
        self._channel = channel

    def subscribe(self, topic: str = "*") -> AwaitableListening:
        """The messages of a topic."""
        return AwaitableListening(self._channel, topic)

    async def broadcast(self, topic: str, message: Any) -> int:
        """Give a message to all who listen."""
        return await asyncio.to_thread(self._channel.broadcast, topic, message)


class AwaitableListening:
    """Listening by a blocking API, as an async iterator that is also a block."""

    def __init__(self, channel: BlockingPubSubChannel, topic: str) -> None:
        self._channel = channel
        self._topic = topic
        self._messages: BlockingIterator[PubSubMessage] | None = None

    async def __aenter__(self) -> Self:
        self._messages = await asyncio.to_thread(self._channel.subscribe, self._topic)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PubSubMessage:
        if self._messages is None:
            await self.__aenter__()
        message = await asyncio.to_thread(next, self._messages, _END)  # type: ignore[call-overload]
        if message is _END:
            raise StopAsyncIteration
        return cast("PubSubMessage", message)

    async def aclose(self) -> None:
        """Listen no longer."""
        if self._messages is not None:
            await asyncio.to_thread(self._messages.close)


_ITERATING = {"subscribe", "consume", "stream_forward", "stream_backward", "stream_all"}
_END = object()


def _awaitable(item: Any) -> Any:
    return AwaitableDelivery(item) if isinstance(item, BlockingDelivery) else item


async def _called(method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    answer = await asyncio.to_thread(method, *arguments, **named)
    return [_awaitable(item) for item in answer] if isinstance(answer, list) else answer


async def _iterated(items: BlockingIterator[Any]) -> AsyncGenerator[Any, None]:
    try:
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield _awaitable(item)
    finally:
        items.close()
