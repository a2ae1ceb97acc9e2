"""The blocking twin of the API: every method of GaterApi, made from it, run on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import wraps
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from gater.api.gater_api import GaterApi

Item = TypeVar("Item")

MOST_AHEAD: Final = 1_000
"""Items that an iterator holds ready for its reader."""


class LoopThread:
    """An event loop that runs in a thread until it is stopped."""

    def __init__(self) -> None:
        self.loop = _new_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="gater-loop", daemon=True)
        self._followed: set[Future[None]] = set()
        self._thread.start()

    def follow(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Run a coroutine beside everything else, until it ends or the thread is to stop."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        self._followed.add(future)
        future.add_done_callback(self._followed.discard)
        return future

    def drop_followed(self) -> None:
        """Cancel what `follow` has started."""
        for future in list(self._followed):
            future.cancel()

    def run(self, work: Coroutine[Any, Any, Item]) -> Item:
        """The result of a coroutine that runs on the loop; cancelled when the waiting thread is interrupted."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the blocking API cannot be used on its own event loop")
        future: Future[Item] = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread and close the loop."""
        if self.loop.is_closed():
            return
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class BlockingIterator(Generic[Item]):
    """The items of an async generator, fetched a bounded number ahead; closing it ends the generator."""

    def __init__(self, thread: LoopThread, items: AsyncGenerator[Item, None]) -> None:
        self._thread = thread
        self._items = items
        self._ready: list[Item] = []
        self._taken: list[Item] = []
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._error: BaseException | None = None
        self._ended = False
        self._pump: Future[None] | None = None

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if not self._taken:
            self._take()
        return self._taken.pop()

    def _take(self) -> None:
        if self._pump is None:
            self._pump = self._thread.follow(self._fetch())
        with self._changed:
            while not self._ready and not self._ended:
                self._changed.wait()
            if not self._ready:
                if self._error is not None:
                    raise self._error
                raise StopIteration
            self._taken, self._ready = self._ready[::-1], []
        if not self._ended:
            with contextlib.suppress(RuntimeError):  # the loop has stopped: then the end has been noted, too
                self._thread.loop.call_soon_threadsafe(self._room.set)

    async def _fetch(self) -> None:
        try:
            async with contextlib.aclosing(self._items) as items:
                async for item in items:
                    with self._changed:
                        self._ready.append(item)
                        full = len(self._ready) >= MOST_AHEAD
                        self._changed.notify()
                    if full:
                        self._room.clear()
                        await self._room.wait()
        except BaseException as error:
            self._error = None if isinstance(error, asyncio.CancelledError) else error
            if self._error is None:
                raise
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def close(self) -> None:
        """End the generator; the iterator has no more items then."""
        with self._changed:
            self._ready.clear()
            self._taken.clear()
        if self._pump is None:
            self._ended = True
        else:
            self._pump.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._ended:
            self.close()


class BlockingGaterApi:
    """Every method of GaterApi, blocking; async iterators become iterators with a `close`.

    Made from the async context manager that `gater.open` and `gater.connect` return; safe to use from many threads.
    """

    def __init__(self, opening: contextlib.AbstractAsyncContextManager[GaterApi]) -> None:
        self._thread = LoopThread()
        self._opening = opening
        try:
            self._api = self._thread.run(opening.__aenter__())
        except BaseException:
            self._thread.stop()
            raise

    def close(self) -> None:
        """Let go of connections, or in process of the stores, after what is under way is done."""
        if not self._thread.loop.is_closed():
            self._thread.drop_followed()
            try:
                self._thread.run(self._opening.__aexit__(None, None, None))
            finally:
                self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _blocking_call(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: BlockingGaterApi, *arguments: Any, **named: Any) -> Any:
        return self._thread.run(method(self._api, *arguments, **named))

    return call


def _blocking_iterator(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., BlockingIterator[Any]]:
    @wraps(method)
    def iterate(self: BlockingGaterApi, *arguments: Any, **named: Any) -> BlockingIterator[Any]:
        return BlockingIterator(self._thread, method(self._api, *arguments, **named))

    return iterate


for _name, _method in vars(GaterApi).items():
    if not _name.startswith("_") and _name not in vars(BlockingGaterApi):
        if inspect.isasyncgenfunction(_method):
            setattr(BlockingGaterApi, _name, _blocking_iterator(_method))
        elif inspect.iscoroutinefunction(_method):
            setattr(BlockingGaterApi, _name, _blocking_call(_method))
