"""Several consumers of one subscription, and those who pull: shared without doubles, in order within each stream."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from gater import (
    Event,
    GaterApi,
    InvalidArgumentError,
    InvalidCountError,
    OverloadedError,
    SubscriptionNotFoundError,
)
from tests.contract.consumers import NAME, Worker, append_to_each, info_of, is_doing, keep, save, settled_up_to, where
from tests.contract.samples import numbered, positions, refused, until


async def test_consumers_share_the_events_without_doubles(api: GaterApi, store: str) -> None:
    await save(api, store)
    order: list[tuple[str, int]] = []

    async def work(delivery: Any) -> None:
        order.append((delivery.event.stream_id, delivery.event.version))
        await asyncio.sleep(0)
        await delivery.ack()

    async with (
        Worker(api, store, work, prefetch=5) as one,
        Worker(api, store, work, prefetch=5) as two,
        Worker(api, store, work, prefetch=5) as three,
    ):
        for number in range(60):
            await api.append_events(store, f"s-{number % 12}", numbered(5, first=number))
        info = await settled_up_to(api, store, 300)
    assert sorted([*one.seen, *two.seen, *three.seen]) == list(range(1, 301))
    assert (info.delivered, info.redelivered) == (300, 0)
    for stream in {stream for stream, _ in order}:
        seen = [version for name, version in order if name == stream]
        assert seen == sorted(seen)


async def test_a_slow_consumer_holds_up_its_stream_and_no_other(api: GaterApi, store: str) -> None:
    await api.append_events(store, "slow", numbered(3))
    await save(api, store)
    async with Worker(api, store, keep, prefetch=1) as slow:
        await until(lambda: slow.seen == [1])
        async with Worker(api, store) as other:
            await api.append_events(store, "quick", numbered(5))
            await until(lambda: other.seen == [4, 5, 6, 7, 8])
            await append_to_each(api, store, 1)
            await until(lambda: other.seen == [4, 5, 6, 7, 8, 9])
            await slow.given[0].ack()
            await until(lambda: len(slow.given) + len(other.given) > 7)
            if slow.seen == [1, 2]:
                await slow.given[1].ack()
            await until(lambda: sorted([*slow.seen, *other.seen]) == list(range(1, 10)))


async def test_with_order_one_event_of_a_stream_is_out_at_a_time(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store)
    for position in (1, 2, 3):
        (delivery,) = await api.pull_events(store, NAME)
        assert delivery.event.position == position
        assert await api.pull_events(store, NAME) == []
        await delivery.ack()


async def test_without_order_all_events_of_a_stream_are_out_at_once(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store, ordering="none")
    first, second, third = await api.pull_events(store, NAME)
    for delivery in (third, first, second):
        await delivery.ack()
    assert (await settled_up_to(api, store, 3)).acked == 3


async def test_an_event_that_waits_for_its_retry_holds_its_stream(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(2))
    await api.append_events(store, "t", numbered(1))
    await save(api, store)
    first, other = await api.pull_events(store, NAME)
    await first.nack(delay=0.2)
    await other.ack()
    assert positions([d.event for d in await api.pull_events(store, NAME)]) == []
    (again,) = await api.pull_events(store, NAME, wait=10.0)
    assert where(again) == (1, 2)
    await again.ack()
    assert positions([d.event for d in await api.pull_events(store, NAME)]) == [2]


async def test_a_consumer_holds_no_more_than_its_prefetch(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 10)
    await save(api, store)
    async with Worker(api, store, keep, prefetch=3) as worker:
        await is_doing(api, store, in_flight=3)
        await until(lambda: worker.seen == [1, 2, 3])
        await worker.given[0].ack()
        await until(lambda: worker.seen == [1, 2, 3, 4])
        info = await is_doing(api, store, in_flight=3)
        assert (info.delivered, info.lag) == (4, 9)


@pytest.mark.parametrize("prefetch", [0, -1, 1.5, "5", None, True])
async def test_a_prefetch_that_is_none_is_refused(api: GaterApi, store: str, way: Any, prefetch: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a consumer is made of pulls")
    await save(api, store)
    with refused(InvalidCountError):
        await anext(api.consume(store, NAME, prefetch=prefetch))


async def test_all_together_hold_no_more_than_may_be_in_flight(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 10)
    await save(api, store, max_in_flight=4)
    async with Worker(api, store, keep, prefetch=3) as one, Worker(api, store, keep, prefetch=3) as two:
        await until(lambda: len(one.given) + len(two.given) == 4)
        assert (await is_doing(api, store, in_flight=4)).delivered == 4


async def test_what_a_consumer_held_goes_to_the_others_when_it_leaves(api: GaterApi, store: str, way: Any) -> None:
    await append_to_each(api, store, 4)
    await save(api, store)
    deliveries = api.consume(store, NAME)
    async with aclosing(deliveries):
        held = [await anext(deliveries) for _ in range(4)]
        await held[0].ack()
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 4)
        assert worker.seen == [2, 3, 4]
        if way.name != "http":
            assert worker.attempts == [(2, 2), (3, 1), (4, 1)]  # it most likely failed at the first


async def test_what_was_said_before_leaving_is_heard(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 50)
    await save(api, store)
    async with aclosing(api.consume(store, NAME)) as deliveries:
        async for delivery in deliveries:
            await delivery.ack()
            if delivery.event.position == 50:
                break
    info = await settled_up_to(api, store, 50)
    assert (info.acked, info.redelivered, info.in_flight) == (50, 0, 0)


async def test_removal_ends_the_consumers(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 1)
    await save(api, store)
    async with Worker(api, store, keep) as holding, Worker(api, store) as waiting:
        await until(lambda: len(holding.given) + len(waiting.given) == 1)
        await api.remove_subscription(store, name=NAME)
        for worker in (holding, waiting):
            with refused(SubscriptionNotFoundError, name=NAME):
                await worker.result()
    with refused(SubscriptionNotFoundError):
        await anext(api.consume(store, NAME))


async def test_there_are_no_more_consumers_than_allowed(api: GaterApi, store: str, way: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP those who pull are one consumer")
    await save(api, store, max_consumers=2)
    async with Worker(api, store), Worker(api, store):
        await is_doing(api, store, consumers=2)
        with refused(OverloadedError, limit=2):
            await anext(api.consume(store, NAME))
        with refused(OverloadedError, limit=2):
            await api.pull_events(store, NAME)
    await is_doing(api, store, consumers=0)
    await append_to_each(api, store, 1)
    async with Worker(api, store) as worker:
        await until(lambda: worker.seen == [1])


async def test_pulling_gives_what_there_is_up_to_a_count(api: GaterApi, store: str) -> None:
    await save(api, store)
    assert await api.pull_events(store, NAME) == []
    await append_to_each(api, store, 5)
    pulled = await api.pull_events(store, NAME, 3)
    assert [where(delivery) for delivery in pulled] == [(1, 1), (2, 1), (3, 1)]
    assert isinstance(pulled[0].event, Event)
    pulled += await api.pull_events(store, NAME, 10)
    assert [where(delivery)[0] for delivery in pulled] == [1, 2, 3, 4, 5]
    assert (await info_of(api, store)).in_flight == 5
    for delivery in pulled:
        await delivery.ack()
    info = await settled_up_to(api, store, 5)
    assert (info.in_flight, info.consumers, info.acked) == (0, 0, 5)


async def test_pulling_waits_for_the_first_event(api: GaterApi, store: str) -> None:
    await save(api, store)
    waiting = asyncio.ensure_future(api.pull_events(store, NAME, wait=30.0))
    await is_doing(api, store, consumers=1)
    await append_to_each(api, store, 1)
    (delivery,) = await waiting
    assert where(delivery) == (1, 1)
    begun = time.monotonic()
    assert await api.pull_events(store, NAME, wait=0.1) == []
    assert time.monotonic() - begun >= 0.09


async def test_what_was_pulled_is_given_to_another_after_the_ack_timeout(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 1)
    await save(api, store, ack_timeout=0.05)
    await api.pull_events(store, NAME)
    async with Worker(api, store) as worker:
        await until(lambda: worker.attempts == [(1, 2)])


@pytest.mark.parametrize("wait", [-1, 61, "1", True, None])
async def test_a_wait_that_is_none_is_refused(api: GaterApi, store: str, way: Any, wait: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a field of another type is a validation_error")
    await save(api, store)
    with refused(InvalidArgumentError, argument="wait"):
        await api.pull_events(store, NAME, wait=wait)


@pytest.mark.parametrize("count", [0, -1, 1.5, "5"])
async def test_a_count_that_is_none_is_refused(api: GaterApi, store: str, way: Any, count: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a field of another type is a validation_error")
    await save(api, store)
    with refused(InvalidCountError):
        await api.pull_events(store, NAME, count)
