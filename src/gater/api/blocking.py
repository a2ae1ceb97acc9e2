"""The blocking twin of the API: every method of GaterApi, made from it, run on an event loop in a thread of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Never, Self

from gater.api.arguments import check_timeout
from gater.api.blocking_consumer import BlockingConsumer
from gater.api.blocking_items import BlockingDelivery, BlockingIterator, blocking
from gater.api.consumer import Consumer
from gater.api.gater_api import GaterApi
from gater.api.loop_thread import LoopThread
from gater.api.paged_iterator import PagedIterator
from gater.api.pubsub_operations import PubSubMessage
from gater.api.subscription import Subscription
from gater.api.thread_api import ThreadApi
from gater.model.errors import WrongContextError
from gater.pubsub.instances import Instance, parse_instance

__all__ = ["BlockingDelivery", "BlockingGaterApi", "BlockingIterator", "BlockingPubSubChannel"]


if TYPE_CHECKING:
    from gater.api.blocking_methods import BlockingMethods
else:
    BlockingMethods = object  # type checkers are told what the loop at the end adds


class BlockingGaterApi(BlockingMethods):
    """Every method of GaterApi, blocking; async iterators become iterators with a `close`.

    Safe to use from many threads. In a child of the process that made it, one of `gater.connect_sync` connects anew;
    one of `gater.open_sync` raises WrongContextError.
    """

    def __init__(self, thread_api: ThreadApi, seconds: float | None = None) -> None:
        """`seconds`: what each call may take, if not the usual time."""
        self._thread_api = thread_api
        self._seconds = seconds

    def _running(self) -> tuple[LoopThread, GaterApi]:
        thread, api = self._thread_api.running()
        return thread, api if self._seconds is None else api.with_timeout(self._seconds)

    def close(self) -> None:
        """Let go of connections, or in process of the stores, after what is under way is done."""
        self._thread_api.close()

    def with_timeout(self, seconds: float) -> BlockingGaterApi:
        """The same API, each call of which may take `seconds` (see GaterApi.with_timeout); closing one closes both."""
        return BlockingGaterApi(self._thread_api, check_timeout(seconds))

    def pubsub(self, instance: str) -> BlockingPubSubChannel:
        """One of the ten instances of pub/sub, by its short or full name."""
        return BlockingPubSubChannel(self._running, parse_instance(instance))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> Never:
        raise WrongContextError("it cannot be sent to another process: make one there, or fork with it")


class BlockingPubSubChannel:
    """A PubSubChannel whose methods block."""

    def __init__(self, running: Callable[[], tuple[LoopThread, GaterApi]], instance: Instance) -> None:
        self.instance = instance
        self._running = running

    def subscribe(self, topic: str = "*") -> BlockingIterator[PubSubMessage]:
        """The messages of a topic (see PubSubChannel.subscribe) as an iterator; listening has begun on return."""
        thread, api = self._running()
        listening = api.pubsub(self.instance.value).subscribe(topic)
        thread.run(listening.__aenter__())
        return BlockingIterator(thread, listening.direct())

    def broadcast(self, topic: str, message: Any) -> int:
        """Give a message to all subscribers of the topic; returns their number on the node."""
        thread, api = self._running()
        return thread.run(api.pubsub(self.instance.value).broadcast(topic, message))


def _blocking_call(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: BlockingGaterApi, *arguments: Any, **named: Any) -> Any:
        thread, api = self._running()
        return blocking(thread, thread.run(method(api, *arguments, **named)))

    return call


_ITERATORS: Final = {"stream_forward", "stream_backward", "stream_all", "subscribe"}
"""Methods that give an async iterator."""


def _blocking_iterator(
    method: Callable[..., PagedIterator[Any] | Subscription[Any]],
) -> Callable[..., BlockingIterator[Any]]:
    @wraps(method)
    def iterate(self: BlockingGaterApi, *arguments: Any, **named: Any) -> BlockingIterator[Any]:
        thread, api = self._running()
        items: Any = method(api, *arguments, **named)
        return BlockingIterator(thread, items.direct() if isinstance(items, PagedIterator) else items)

    return iterate


def _blocking_consumer(method: Callable[..., Consumer]) -> Callable[..., BlockingConsumer]:
    @wraps(method)
    def consumer(self: BlockingGaterApi, *arguments: Any, **named: Any) -> BlockingConsumer:
        thread, api = self._running()
        return BlockingConsumer(thread, method(api, *arguments, **named))

    return consumer


for _name, _method in inspect.getmembers(GaterApi, inspect.isfunction):
    if not _name.startswith("_") and _name not in vars(BlockingGaterApi):
        if _name in _ITERATORS:
            setattr(BlockingGaterApi, _name, _blocking_iterator(_method))
        elif _name in ("consumer", "consume"):
            setattr(BlockingGaterApi, _name, _blocking_consumer(_method))
        elif inspect.iscoroutinefunction(_method):
            setattr(BlockingGaterApi, _name, _blocking_call(_method))
