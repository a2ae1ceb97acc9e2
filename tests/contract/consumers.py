"""Consumers of durable subscriptions for tests: each works in a task of its own, and remembers what it was given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from gater import GaterApi, SubscriptionInfo
from tests.contract.samples import numbered, until

NAME = "billing"
"""The subscription of a test."""
QUICK = {"checkpoint_interval": 0.02, "backoff": [0.01]}
"""Settings with which a test need not wait."""


async def acknowledge(delivery: Any) -> None:
    """What a consumer does with a delivery unless a test says otherwise."""
    await delivery.ack()


async def keep(delivery: Any) -> None:
    """Neither acknowledge nor refuse a delivery."""


class Worker:
    """A consumer that does the same with each delivery, from the begin of the context to its end."""

    def __init__(
        self,
        api: GaterApi,
        store: str,
        work: Callable[[Any], Awaitable[None]] = acknowledge,
        *,
        name: str = NAME,
        prefetch: int = 100,
    ) -> None:
        self.given: list[Any] = []
        """The deliveries, in the order in which they came."""
        self._work = work
        self._deliveries = api.consume(store, name, prefetch=prefetch)
        self._task: asyncio.Task[None] | None = None

    @property
    def seen(self) -> list[int]:
        """The positions that were delivered, in that order."""
        return [delivery.event.position for delivery in self.given]

    @property
    def attempts(self) -> list[tuple[int, int]]:
        """Position and attempt of each delivery."""
        return [(delivery.event.position, delivery.attempt) for delivery in self.given]

    @property
    def has_ended(self) -> bool:
        """Whether it gets no more."""
        return self._task is not None and self._task.done()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._consume())
        return self

    async def _consume(self) -> None:
        async with aclosing(self._deliveries) as deliveries:
            async for delivery in deliveries:
                self.given.append(delivery)
                await self._work(delivery)

    async def result(self) -> None:
        """Return when it has ended by itself; raises what ended it."""
        assert self._task is not None
        await self._task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._task is not None
        if not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def info_of(api: GaterApi, store: str, name: str = NAME) -> SubscriptionInfo:
    """How the test's subscription is doing."""
    return await api.get_subscription(store, name)


async def settled_up_to(api: GaterApi, store: str, position: int, name: str = NAME) -> SubscriptionInfo:
    """How a subscription is doing once its checkpoint is at the position."""

    async def is_there() -> bool:
        return (await info_of(api, store, name)).checkpoint >= position

    await until(is_there)
    return await info_of(api, store, name)


async def save(api: GaterApi, store: str, **settings: Any) -> None:
    """Make the test's subscription, to the whole store, or change its settings."""
    await api.save_subscription(store, name=NAME, **{**QUICK, **settings})


async def append_to_each(api: GaterApi, store: str, streams: int, first: int = 0) -> None:
    """One event to each of so many streams."""
    for number in range(first, first + streams):
        await api.append_events(store, f"s-{number}", numbered(1, first=number))


async def has(api: GaterApi, store: str, **numbers: Any) -> bool:
    """Whether the subscription is doing so."""
    info = await info_of(api, store)
    return all(getattr(info, name) == value for name, value in numbers.items())


async def is_doing(api: GaterApi, store: str, **numbers: Any) -> SubscriptionInfo:
    """How the subscription is doing, once these are its numbers."""
    await until(lambda: has(api, store, **numbers))
    return await info_of(api, store)


def where(delivery: Any) -> tuple[int, int]:
    """Position and attempt of a delivery."""
    return delivery.event.position, delivery.attempt
