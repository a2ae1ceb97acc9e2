"""A consumer of the blocking API: deliveries as an iterator, which another thread or a signal handler can stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from functools import partial
from types import TracebackType
from typing import Self

from gater.api.blocking_items import BlockingDelivery
from gater.api.consumer import Consumer
from gater.api.loop_thread import LoopThread
from gater.model.errors import GaterError


class BlockingConsumer:
    """Deliveries of a durable subscription to one of its consumers (see Consumer); any thread may read it.

        with api.consumer("orders", "billing") as consumer:
            for delivery in consumer:
                charge(delivery.event)
                delivery.ack()

    A delivery's ack timeout begins when it is taken out of the iterator. In a child of the process it raises
    WrongContextError.
    """

    def __init__(self, thread: LoopThread, consumer: Consumer) -> None:
        self._thread = thread
        self._consumer = consumer
        self._work = consumer.work
        self._taking = threading.Lock()
        self._is_stopping = False

    def __iter__(self) -> Iterator[BlockingDelivery]:
        return self

    def __next__(self) -> BlockingDelivery:
        self._thread.refuse_in_child()
        while not self._is_stopping:
            with self._taking:
                delivery = self._work.pick()
                if delivery is not None:
                    self._thread.call(partial(self._work.given, delivery))
            if delivery is not None:
                return BlockingDelivery(self._thread, delivery)
            if not self._prepare():
                break
        raise StopIteration

    def _prepare(self) -> bool:
        """Wait until there may be a delivery; False: there are no more."""
        preparing = self._thread.follow(self._work.prepare())
        try:
            return preparing.result()
        except CancelledError:  # the API was closed
            return False
        except BaseException:
            preparing.cancel()
            raise

    def stop(self) -> None:
        """Take no more deliveries: the loop over the consumer ends when its body does, or at once while it waits.

        Any thread may call it, and a signal handler. It does not wait: `close` does, and the end of the `with` block.
        """
        self._is_stopping = True
        if not self._thread.is_inherited:
            self._thread.call(self._work.stop)

    def close(self) -> None:
        """Leave, when what was settled is sent: what is held goes to other consumers. Closing twice is closing once.

        Raises StoreUnavailableError when that could not be sent: those events come again. In a child of the process
        nothing happens.
        """
        self._is_stopping = True
        if not self._thread.is_inherited:
            self._thread.run(self._consumer.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close()
        except GaterError:
            if error is None:  # otherwise that is told; it was logged
                raise
