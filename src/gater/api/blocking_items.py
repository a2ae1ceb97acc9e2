"""Iterators and deliveries of the blocking API."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

from gater.api.delivery import Delivery
from gater.api.loop_thread import LoopThread
from gater.api.pubsub_operations import PubSubMessage
from gater.model.errors import GaterError
from gater.model.events import Event
from gater.model.subscriptions import NackAction
from gater.pubsub.weighing import weight_of

Item = TypeVar("Item")

MOST_AHEAD: Final = 1_000
"""Items that an iterator holds ready for its reader."""
MOST_AHEAD_BYTES: Final = 4 << 20
"""Bytes of these together; the item that reaches them is the last."""


class _Channel(Generic[Item]):
    """A bounded queue of the items of an async generator, for the threads that read them."""

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

    Closing it, or forgetting it, ends the generator. In a child of the process it raises WrongContextError.
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
        self._thread.refuse_in_child()
        while True:
            try:
                item = self._taken.popleft()
            except IndexError:
                self._take()
            else:
                return cast("Item", blocking(self._thread, item))

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

    def stop(self) -> None:
        """End the iteration, also one that waits; any thread may call it, and a signal handler."""
        self.close()

    def close(self) -> None:
        """End the generator; the iterator has no more items then. In a child of the process nothing happens."""
        if self._thread.is_inherited:
            return
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

    def nack(
        self, action: NackAction | int = "retry", *, delay: float | None = None, reason: str | None = None
    ) -> None:
        """The event was not processed (see Delivery.nack)."""
        self._thread.run(self._delivery.nack(action, delay=delay, reason=reason))


def blocking(thread: LoopThread, answer: Any) -> Any:
    """The answer, with deliveries that settle as the blocking API does."""
    if isinstance(answer, Delivery):
        return BlockingDelivery(thread, answer)
    if isinstance(answer, list) and answer and isinstance(answer[0], Delivery):
        return [BlockingDelivery(thread, delivery) for delivery in answer]
    return answer
