"""`gater.open` and `gater.open_sync`: the API on this process's own stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gater.api.blocking import BlockingGaterApi
from gater.api.gater_api import GaterApi
from gater.api.operation import Operation, StreamingOperation
from gater.api.outbox import Outbox
from gater.api.thread_api import ThreadApi
from gater.gateway.local_affinity import local_affinity
from gater.model.errors import ApiClosedError
from gater.model.limits import Limits

if TYPE_CHECKING:
    from gater.gateway.local_caller import LocalCaller

Answer = TypeVar("Answer")

MEMORY: Final = ":memory:"
"""In place of a folder: keep everything in memory."""


class OpeningCaller:
    """A Caller (see there) on the stores of a folder, which it opens when they are first needed, and closes."""

    resumes = False
    patience = 0.0

    def __init__(self, path: str | PathLike[str], stores: Sequence[str], limits: Limits | None) -> None:
        self._path = path
        self._stores = tuple(stores)
        self._limits = limits
        self.outbox = Outbox()
        self._local: LocalCaller | None = None
        self._opening = asyncio.Lock()
        self._affinity = local_affinity()
        self._closed = False

    async def open(self) -> None:
        """Open the stores, unless they are open; raises ApiClosedError after `close`."""
        await self._opened()

    async def _opened(self) -> LocalCaller:
        self._affinity.check()
        async with self._opening:
            if self._closed:
                raise ApiClosedError()
            if self._local is None:
                self._local = await self._open()
            return self._local

    async def _open(self) -> LocalCaller:
        # Imported when stores are opened: a client of a node needs nothing of it, and starts in half the time.
        from gater.gateway.gateway import open_gateway
        from gater.gateway.local_caller import LocalCaller

        gateway = await open_gateway(
            Path(self._path),
            stores=self._stores,
            limits=self._limits,
            memory=str(self._path) == MEMORY,
            is_embedded=True,
        )
        try:
            local = LocalCaller(gateway.door, self.outbox, gateway=gateway)
            await local.open()
        except BaseException:
            await gateway.close()
            raise
        return local

    def call(self, operation: Operation[Answer], timeout: float | None = None) -> Coroutine[Any, Any, Answer]:
        """The answer of one operation (see LocalCaller)."""
        return self._first_call(operation, timeout) if self._local is None else self._local.call(operation, timeout)

    async def _first_call(self, operation: Operation[Answer], timeout: float | None) -> Answer:
        answer: Answer = await (await self._opened()).call(operation, timeout)
        return answer

    def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation."""
        return self._first_stream(operation) if self._local is None else self._local.stream(operation)

    async def _first_stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        items = (await self._opened()).stream(operation)
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    async def close(self) -> None:
        """Close the stores, after what is under way is done; in a child of the process they are left as they are."""
        if self._affinity.is_inherited:
            return
        self._affinity.check()
        async with self._opening:
            self._closed = True
            if self._local is not None:
                await self._local.close()


def open_api(path: str | PathLike[str], *, stores: Sequence[str] = (), limits: Limits | None = None) -> GaterApi:
    """The API on the stores in the folder `path` (made if missing), opened when it is entered, awaited or first used.

        async with gater.open("data/", stores=["orders"]) as api:
            ...
        api = await gater.open("data/")  # to be closed by `await api.close()`

    `stores` are made if missing. The path `":memory:"` keeps everything in memory. Opening raises StoreUnavailableError
    when no store of the folder can be opened, as when another process has them open; while some can, calls for the
    others do.
    """
    return GaterApi(OpeningCaller(path, stores, limits))


def open_blocking(
    path: str | PathLike[str], *, stores: Sequence[str] = (), limits: Limits | None = None
) -> BlockingGaterApi:
    """The same, blocking, opened at once: for `with`, or to be closed by hand."""
    thread_api = ThreadApi(lambda: open_api(path, stores=stores, limits=limits), in_children=False)
    thread_api.running()
    return BlockingGaterApi(thread_api)
