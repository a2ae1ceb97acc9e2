"""Consumers and subscriptions as objects: handlers side by side, and a stop from outside."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Any

import pytest

import gater
from gater import GaterApi, SubscriptionNotFoundError
from tests.contract.consumers import NAME, append_to_each, info_of, is_doing, save, settled_up_to
from tests.contract.samples import numbered, until


@pytest.fixture(autouse=True)
def _only_async(way: Any) -> None:
    if way.name in ("http", "blocking-rpc"):
        pytest.skip("the objects of the async API")


async def test_a_handler_acknowledges_by_return_and_refuses_by_raising(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 4)
    await save(api, store)
    seen: list[tuple[int, int]] = []

    async def handle(delivery: gater.Delivery) -> None:
        seen.append((delivery.event.position, delivery.attempt))
        if seen[-1] == (2, 1):
            raise KeyError("not there yet")
        if delivery.event.position == 3:
            await delivery.nack("park", reason="bad")
        if delivery.event.position == 4 and delivery.attempt == 1:
            raise asyncio.CancelledError

    async with api.consumer(store, NAME) as consumer:
        running = asyncio.create_task(consumer.run(handle))
        info = await settled_up_to(api, store, 4)
        await consumer.stop()
        await running
    assert sorted(seen) == [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2)]
    assert (info.acked, info.parked) == (3, 1)


async def test_handlers_run_side_by_side_but_one_at_a_time_for_a_stream(api: GaterApi, store: str) -> None:
    for number in range(5):
        await api.append_events(store, f"s-{number}", numbered(3))
    await save(api, store)
    at_work, most = defaultdict[str, int](int), 0
    handled: list[tuple[str, int]] = []

    async def handle(delivery: gater.Delivery) -> None:
        nonlocal most
        stream = delivery.event.stream_id
        at_work[stream] += 1
        most = max(most, sum(at_work.values()))
        assert at_work[stream] == 1
        await asyncio.sleep(0.005)
        handled.append((stream, delivery.event.version))
        at_work[stream] -= 1

    consumer = api.consumer(store, NAME)
    running = asyncio.create_task(consumer.run(handle, concurrency=3))
    info = await settled_up_to(api, store, 15)
    await consumer.stop()
    await running
    assert (most, info.redelivered) == (3, 0)
    for number in range(5):
        assert [version for stream, version in handled if stream == f"s-{number}"] == [0, 1, 2]


async def test_stop_lets_handlers_finish_and_gives_the_rest_back(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 6)
    await save(api, store, max_retries=0)
    begun: list[int] = []
    finish = asyncio.Event()

    async def handle(delivery: gater.Delivery) -> None:
        begun.append(delivery.event.position)
        await finish.wait()

    async with api.consumer(store, NAME) as consumer:
        running = asyncio.create_task(consumer.run(handle, concurrency=2))
        await until(lambda: begun == [1, 2])
        stopping = asyncio.ensure_future(consumer.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        finish.set()
        await stopping
        info = await info_of(api, store)
        assert (info.acked, info.in_flight, info.parked) == (2, 0, 0)
        await running
    rest = await api.pull_events(store, NAME, wait=10.0)
    assert [(delivery.event.position, delivery.attempt) for delivery in rest] == [(3, 1), (4, 1), (5, 1), (6, 1)]


async def test_stop_ends_a_loop_that_waits(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 1)
    await save(api, store)
    seen: list[int] = []

    async def loop(consumer: gater.Consumer) -> None:
        async for delivery in consumer:
            seen.append(delivery.event.position)
            await delivery.ack()

    consumer = api.consumer(store, NAME)
    looping = asyncio.create_task(loop(consumer))
    await settled_up_to(api, store, 1)
    consumer.stop()
    await looping
    await consumer.stop()
    assert seen == [1]
    await is_doing(api, store, consumers=0)


async def test_stop_in_the_loop_itself_ends_it(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 4)
    await save(api, store, max_retries=0)
    seen: list[int] = []
    async with api.consumer(store, NAME) as consumer:
        async for delivery in consumer:
            seen.append(delivery.event.position)
            await consumer.stop()
            await delivery.ack()
    assert (seen, (await info_of(api, store)).acked) == ([1], 1)


async def test_deliveries_that_are_kept_are_settled_after_the_loop(api: GaterApi, store: str) -> None:
    """As those do who write in batches: they are stopped in the middle of one."""
    await append_to_each(api, store, 3)
    await save(api, store, max_retries=0)
    batch: list[gater.Delivery] = []
    async with api.consumer(store, NAME) as consumer:
        async for delivery in consumer:
            batch.append(delivery)
            if len(batch) == 3:
                consumer.stop()
        for delivery in batch:
            await delivery.ack()
    info = await info_of(api, store)
    assert (info.acked, info.parked, info.redelivered) == (3, 0, 0)


async def test_a_subscription_is_stopped_while_it_waits(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 2)
    subscription = api.subscribe(store)
    seen: list[int] = []

    async def follow() -> None:
        async for event in subscription:
            seen.append(event.position)  # noqa: PERF401 (it is looked at meanwhile)

    following = asyncio.create_task(follow())
    await until(lambda: seen == [1, 2])
    await subscription.stop()
    await following
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)


async def test_the_error_that_ends_a_consumer_is_raised_when_its_handlers_have_finished(
    api: GaterApi, store: str
) -> None:
    await append_to_each(api, store, 1)
    await save(api, store)
    begun, finish, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(delivery: gater.Delivery) -> None:
        begun.set()
        await finish.wait()
        finished.set()

    consumer = api.consumer(store, NAME)
    running = asyncio.create_task(consumer.run(handle, concurrency=2))
    await begun.wait()
    await api.remove_subscription(store, name=NAME)
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(running), 0.02)
    assert not running.done()
    finish.set()
    with pytest.raises(SubscriptionNotFoundError):
        await running
    assert finished.is_set()
