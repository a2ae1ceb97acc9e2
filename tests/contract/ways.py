"""The ways in: each opens the same API on a store of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, cast

import httpx

import gater
from gater.api.blocking import BlockingGaterApi, BlockingIterator
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

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._api, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name in _ITERATING:
                return _iterated(method(*arguments, **named))
            return asyncio.to_thread(method, *arguments, **named)

        return call


_ITERATING = {"subscribe", "stream_forward", "stream_backward", "stream_all"}
_END = object()


async def _iterated(items: BlockingIterator[Any]) -> AsyncGenerator[Any, None]:
    try:
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield item
    finally:
        items.close()
