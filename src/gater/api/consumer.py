"""A consumer of a durable subscription: deliveries one by one, or a handler for each, and a stop from outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

from gater.api.arguments import check_count
from gater.api.caller import Caller
from gater.api.consuming import Consuming
from gater.api.delivery import Delivery
from gater.api.stopping import Stopping
from gater.api.subscription_operations import Consume
from gater.model.errors import GaterError
from gater.model.limits import check_number

MOST_HANDLERS: Final = 10_000
"""Handlers of one consumer that run side by side."""

Handler = Callable[[Delivery], Awaitable[object]]

log = logging.getLogger(__name__)


class Consumer:
    """Deliveries of a durable subscription to one of its consumers, as an async iterator.

        async with api.consumer("orders", "billing") as consumer:
            async for delivery in consumer:
                await charge(delivery.event)
                await delivery.ack()

    It begins with the first delivery that is asked for. Waiting for one may be given up (`asyncio.wait_for`) and begun
    again. When it ends, what it has settled is sent, and what it still holds goes to other consumers; so it is when it
    is forgotten. After a lost connection it is attached again with backoff, for ever.
    """

    def __init__(self, caller: Caller, operation: Consume) -> None:
        self.work = Consuming(caller, operation)
        """The internals of the consumer; not for its users."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except GaterError:
            if error is None:  # otherwise that is told; it was logged
                raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        work = self.work
        while (delivery := work.take()) is None:
            if not await work.prepare():
                raise StopAsyncIteration
        return delivery

    def stop(self) -> Stopping:
        """Take no more deliveries, leave as soon as those that were given out are settled; may be awaited.

        The loop over the consumer ends, `run` returns when its handlers have. It may be called by a signal handler,
        and in another thread. Awaited, it returns when what was settled has arrived, and raises StoreUnavailableError
        when that cannot be sent. Awaited by a task that has not settled its own delivery it returns at once.
        """
        self.work.affinity.call(self.work.stop)
        return Stopping(self.work.left)

    async def run(self, handler: Handler, *, concurrency: int = 1) -> None:
        """Have an async function called with each delivery, `concurrency` of them side by side, until `stop`.

        A delivery is acknowledged when the handler returns, and to be tried again (`nack`) when it raises, unless the
        handler has settled it itself. With `ordering="key"` an event of a stream is handled after the one before it.
        When the consumer ends or fails, the handlers that have begun finish first; then its error is raised.
        """
        check_number("concurrency", check_count(concurrency), MOST_HANDLERS)
        slots = asyncio.Semaphore(concurrency)
        failure: GaterError | None = None
        try:
            async with asyncio.TaskGroup() as handling:
                try:
                    await slots.acquire()
                    async for delivery in self:
                        task = handling.create_task(self._handle(handler, delivery, slots))
                        self.work.handlers.add(task)
                        task.add_done_callback(self.work.handlers.discard)
                        await slots.acquire()
                except GaterError as error:
                    failure = error
        finally:
            await self.aclose()
        if failure is not None:
            raise failure

    async def _handle(self, handler: Handler, delivery: Delivery, slots: asyncio.Semaphore) -> None:
        try:
            reason = await _failure(handler, delivery)
            if not delivery.is_settled:
                await (delivery.ack() if reason is None else delivery.nack(reason=reason))
        except GaterError as error:
            log.warning("a delivery could not be settled", extra={**_fields(delivery), "reason": str(error)})
        finally:
            slots.release()

    async def aclose(self) -> None:
        """Leave, whatever was settled: what is held goes to other consumers. Closing twice is closing once.

        Raises StoreUnavailableError when what was settled could not be sent: those events come again.
        """
        await self.work.close()

    def __del__(self) -> None:
        work: Consuming | None = getattr(self, "work", None)
        if work is not None:
            work.forget()


async def _failure(handler: Handler, delivery: Delivery) -> str | None:
    """The reason why a handler failed; None when it did not."""
    try:
        await handler(delivery)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _logged(delivery, error)
    except Exception as error:  # noqa: BLE001 (whatever it is, the event was not processed)
        return _logged(delivery, error)
    return None


def _logged(delivery: Delivery, error: BaseException) -> str:
    log.warning("a handler failed", extra=_fields(delivery), exc_info=error)
    return f"{type(error).__name__}: {error}"


def _fields(delivery: Delivery) -> dict[str, Any]:
    event = delivery.event
    return {"stream_id": event.stream_id, "position": event.position, "attempt": delivery.attempt}
