"""The blocking twin of the API: every method of GaterApi, made from it, run on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from functools import wraps
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

from gater.api.consuming import Delivery
from gater.api.event_loop import new_event_loop
from gater.api.gater_api import GaterApi
from gater.api.pubsub_api import Listening, PubSubChannel
from gater.api.pubsub_operations import PubSubMessage
from gater.model.errors import GaterError, StoreUnavailableError
from gater.model.events import Event
from gater.pubsub.weighing import weight_of

Item = TypeVar("Item")

MOST_AHEAD: Final = 1_000
"""Items that an iterator holds ready for its reader."""
MOST_AHEAD_BYTES: Final = 4 << 20
"""Bytes of these together; the item that reaches them is the last."""


class LoopThread:
    """An event loop that runs in a thread until it is stopped; what is asked of it later is refused."""

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._gate = threading.Lock()
        self._stopped = False
        self._followed: set[Future[None]] = set()
        self._thread = threading.Thread(target=self._run, name="gater-loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._gate:
                self._stopped = True  # also when something on the loop has ended it
            loop.run_until_complete(_cancel_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def _begin(self, work: Coroutine[Any, Any, Item]) -> Future[Item]:
        with self._gate:
            if not self._stopped:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise StoreUnavailableError(reason="the API was closed")

    def follow(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Run a coroutine beside everything else, until it ends or the thread is to stop."""
        future = self._begin(work)
        self._followed.add(future)
        future.add_done_callback(self._followed.discard)
        return future

    def drop_followed(self) -> None:
        """Cancel what `follow` has started."""
        for future in list(self._followed):
            future.cancel()

    def run(self, work: Coroutine[Any, Any, Item]) -> Item:
        """The result of a coroutine that runs on the loop; cancelled when the waiting thread is interrupted.

        Raises StoreUnavailableError when the thread was stopped, or is before the coroutine has ended.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the blocking API cannot be used on its own event loop")
        future = self._begin(work)
        try:
            return future.result()
        except CancelledError:
            raise StoreUnavailableError(reason="the API was closed") from None
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called on the loop, unless that was stopped."""
        with self._gate:
            if not self._stopped:
                self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End what still runs, and the thread."""
        with self._gate:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _cancel_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Channel(Generic[Item]):
    """Where the items of an async generator wait for the threads that read them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ready: deque[Item] = deque()
        self.bytes = 0
        """Bytes of the items that came since the ready ones were taken."""
        self.room = asyncio.Event()
        self.error: BaseException | None = None
        self.ended = False

    async def fill(self, items: AsyncGenerator[Item, None]) -> None:
        """Take in the items, until they or the readers end; while MOST_AHEAD unread ones are here, or bytes, wait."""
        try:
            async with contextlib.aclosing(items):
                async for item in items:
                    if self._put(item):
                        self.room.clear()
                        await self.room.wait()
        except Exception as error:
            self.error = error
            raise
        finally:
            self.end()

    def _put(self, item: Item) -> bool:
        with self.changed:
            if not self.ended:
                self.ready.append(item)
                self.bytes += _weight(item)
                self.changed.notify()
            return len(self.ready) >= MOST_AHEAD or self.bytes >= MOST_AHEAD_BYTES

    def end(self) -> None:
        """There will be no more items; who waits for one is told."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()


def _weight(item: Any) -> int:
    """Bytes of an event, a delivery or a message that waits to be read."""
    event = getattr(item, "event", item)
    if isinstance(event, Event):
        return event.payload_bytes
    return weight_of(item.body) if isinstance(item, PubSubMessage) else 0


class BlockingIterator(Generic[Item]):
    """The items of an async generator, fetched a bounded number ahead; any thread may read or close it.

    Closing it, or forgetting it, ends the generator.
    """

    def __init__(self, thread: LoopThread, items: AsyncGenerator[Item, None]) -> None:
        self._thread = thread
        self._items = items
        self._taken: deque[Item] = deque()
        # What fetches holds the channel, not this object: so it can be forgotten.
        self._channel: _Channel[Item] = _Channel()
        self._fetching: Future[None] | None = None

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        while True:
            try:
                item = self._taken.popleft()
            except IndexError:
                self._take()
            else:
                return cast("Item", _blocking(self._thread, item))

    def _take(self) -> None:
        channel = self._channel
        with channel.changed:
            if self._fetching is None and not channel.ended:
                self._fetching = self._thread.follow(channel.fill(self._items))
            while not channel.ready and not channel.ended and not self._taken:
                channel.changed.wait()
            if self._taken:  # another thread was quicker
                return
            if not channel.ready:
                if channel.error is not None:
                    raise channel.error.again() if isinstance(channel.error, GaterError) else channel.error
                raise StopIteration
            self._taken, channel.ready, channel.bytes = channel.ready, deque(), 0
            channel.changed.notify_all()
        if not channel.ended:
            self._thread.call(channel.room.set)

    def close(self) -> None:
        """End the generator; the iterator has no more items then."""
        channel = self._channel
        with channel.changed:
            channel.ready.clear()
            self._taken.clear()
            channel.end()
        if self._fetching is not None:
            self._fetching.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class BlockingDelivery:
    """A Delivery whose settling methods block, until what they say is on its way."""

    def __init__(self, thread: LoopThread, delivery: Delivery) -> None:
        self.event = delivery.event
        self.attempt = delivery.attempt
        self.receipt = delivery.receipt
        self._thread = thread
        self._delivery = delivery

    def ack(self) -> None:
        """The event was processed."""
        self._thread.run(self._delivery.ack())

    def nack(self, action: str | int = "retry", *, delay: float | None = None, reason: str | None = None) -> None:
        """The event was not processed (see Delivery.nack)."""
        self._thread.run(self._delivery.nack(action, delay=delay, reason=reason))


class BlockingGaterApi:
    """Every method of GaterApi, blocking; async iterators become iterators with a `close`.

    Made from the async context manager that `gater.open` and `gater.connect` return; safe to use from many threads.
    """

    def __init__(self, opening: contextlib.AbstractAsyncContextManager[GaterApi]) -> None:
        self._thread = LoopThread()
        self._opening = opening
        self._closing = threading.Lock()
        self._closed = threading.Event()
        try:
            self._api = self._thread.run(opening.__aenter__())
        except BaseException:
            self._thread.stop()
            raise

    def close(self) -> None:
        """Let go of connections, or in process of the stores, after what is under way is done."""
        with self._closing:
            if self._closed.is_set():
                return
            self._closed.set()
            self._thread.drop_followed()
            try:
                self._thread.run(self._opening.__aexit__(None, None, None))
            finally:
                self._thread.stop()

    def with_timeout(self, seconds: float) -> BlockingGaterApi:
        """The same API, each call of which may take `seconds` (see GaterApi.with_timeout); closing one closes both."""
        timed = copy.copy(self)
        timed._api = self._api.with_timeout(seconds)
        return timed

    def pubsub(self, instance: str) -> BlockingPubSubChannel:
        """One of the ten instances of pub/sub, by its short or full name."""
        return BlockingPubSubChannel(self._thread, self._api.pubsub(instance))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class BlockingPubSubChannel:
    """A PubSubChannel whose methods block."""

    def __init__(self, thread: LoopThread, channel: PubSubChannel) -> None:
        self.instance = channel.instance
        self._thread = thread
        self._channel = channel

    def subscribe(self, topic: str = "*") -> BlockingIterator[PubSubMessage]:
        """The messages of a topic (see PubSubChannel.subscribe) as an iterator; listening has begun on return."""
        listening = self._channel.subscribe(topic)
        self._thread.run(listening.__aenter__())
        return BlockingIterator(self._thread, _messages(listening))

    def broadcast(self, topic: str, message: Any) -> int:
        """Give a message to all who listen to the topic; returns how many they are on the node."""
        return self._thread.run(self._channel.broadcast(topic, message))


async def _messages(listening: Listening) -> AsyncGenerator[PubSubMessage, None]:
    async with contextlib.aclosing(listening):
        async for message in listening:
            yield message


def _blocking(thread: LoopThread, answer: Any) -> Any:
    """The answer, with deliveries that settle as this API does."""
    if isinstance(answer, Delivery):
        return BlockingDelivery(thread, answer)
    if isinstance(answer, list) and answer and isinstance(answer[0], Delivery):
        return [BlockingDelivery(thread, delivery) for delivery in answer]
    return answer


def _blocking_call(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: BlockingGaterApi, *arguments: Any, **named: Any) -> Any:
        return _blocking(self._thread, self._thread.run(method(self._api, *arguments, **named)))

    return call


def _blocking_iterator(method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., BlockingIterator[Any]]:
    @wraps(method)
    def iterate(self: BlockingGaterApi, *arguments: Any, **named: Any) -> BlockingIterator[Any]:
        return BlockingIterator(self._thread, method(self._api, *arguments, **named))

    return iterate


for _name, _method in inspect.getmembers(GaterApi, inspect.isfunction):
    if not _name.startswith("_") and _name not in vars(BlockingGaterApi):
        if inspect.isasyncgenfunction(_method):
            setattr(BlockingGaterApi, _name, _blocking_iterator(_method))
        elif inspect.iscoroutinefunction(_method):
            setattr(BlockingGaterApi, _name, _blocking_call(_method))
