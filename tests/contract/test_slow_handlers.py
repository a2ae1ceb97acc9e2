"""Slow handlers: the ack timeout runs from when the application has an event, not from when its client has it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest

from gater import GaterApi
from tests.contract.consumers import NAME, Worker, append_to_each, is_doing, save, settled_up_to
from tests.contract.samples import numbered, until

HANDLING = 0.03
"""Seconds that a slow handler takes; the ack timeout is some of these."""


class SlowWorker(Worker):
    """A consumer whose handler takes its time, awaiting or blocking the event loop."""

    def __init__(self, api: GaterApi, store: str, *, blocks: bool = False, prefetch: int = 100) -> None:
        async def work(delivery: Any) -> None:
            if blocks:
                time.sleep(HANDLING)  # noqa: ASYNC251 (handlers of users do so)
            else:
                await asyncio.sleep(HANDLING)
            self.handled.append((delivery.event.stream_id, delivery.event.version))
            await delivery.ack()

        super().__init__(api, store, work, prefetch=prefetch)
        self.handled: list[tuple[str, int]] = []


@pytest.mark.parametrize("blocks", [False, True], ids=["awaiting", "blocking the loop"])
async def test_what_waits_behind_a_slow_handler_is_handled_once_and_in_order(
    api: GaterApi, store: str, way: Any, blocks: bool
) -> None:
    if way.name == "http":
        pytest.skip("over HTTP an event is pulled when it is to be processed")
    for stream in range(12):
        await api.append_events(store, f"s-{stream}", numbered(2))
    await save(api, store, ack_timeout=5 * HANDLING, max_retries=0)
    async with SlowWorker(api, store, blocks=blocks) as first, SlowWorker(api, store, blocks=blocks) as second:
        info = await settled_up_to(api, store, 24)
    handled = first.handled + second.handled
    assert sorted(handled) == sorted((f"s-{stream}", version) for stream in range(12) for version in (0, 1))
    assert {delivery.attempt for delivery in (*first.given, *second.given)} == {1}
    assert (info.parked, info.redelivered) == (0, 0)


async def test_what_waits_behind_a_handler_that_hangs_goes_to_another_and_has_not_failed(
    api: GaterApi, store: str, way: Any
) -> None:
    if way.name == "http":
        pytest.skip("over HTTP an event is pulled when it is to be processed")
    await append_to_each(api, store, 6)
    await save(api, store, ack_timeout=0.1, max_retries=0)
    hanging = asyncio.Event()

    async def hang(delivery: Any) -> None:
        await hanging.wait()
        await delivery.ack()

    async with Worker(api, store, hang) as stuck:
        await until(lambda: stuck.seen == [1])
        async with Worker(api, store) as other:
            await until(lambda: sorted(other.seen) == [2, 3, 4, 5, 6])
            assert {delivery.attempt for delivery in other.given} == {1}
            assert (await is_doing(api, store, in_flight=0)).parked == 1
            hanging.set()
            await append_to_each(api, store, 2, first=6)
            await settled_up_to(api, store, 8)
        assert not set(stuck.seen) & {2, 3, 4, 5, 6}


async def test_what_waits_while_the_subscription_is_rewound_is_let_go(api: GaterApi, store: str, way: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP an event is pulled when it is to be processed")
    await append_to_each(api, store, 6)
    await save(api, store)
    go_on = asyncio.Event()

    async def work(delivery: Any) -> None:
        await go_on.wait()
        await asyncio.sleep(HANDLING)
        await delivery.ack()

    async with Worker(api, store, work) as worker:
        await until(lambda: worker.seen == [1])
        await api.rewind_subscription(store, NAME, 5)
        go_on.set()
        await settled_up_to(api, store, 6)
        assert worker.seen in ([1, 2, 5, 6], [1, 5, 6])


async def test_an_event_that_is_forgotten_comes_again(api: GaterApi, store: str) -> None:
    """The timeout of an event runs although others of the same consumer are acknowledged."""
    await append_to_each(api, store, 3)
    await save(api, store, ack_timeout=0.1)
    seen: dict[int, int] = defaultdict(int)

    async def forget_the_first(delivery: Any) -> None:
        position = delivery.event.position
        seen[position] += 1
        if (position, delivery.attempt) != (1, 1):
            await delivery.ack()

    async with Worker(api, store, forget_the_first):
        await settled_up_to(api, store, 3)
    assert seen == {1: 2, 2: 1, 3: 1}
