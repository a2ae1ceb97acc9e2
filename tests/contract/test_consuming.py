"""Consuming a durable subscription: each event at least once, in order within its stream, shared by the consumers."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from gater import (
    Event,
    GaterApi,
    InvalidArgumentError,
    InvalidCountError,
    NotFoundError,
    OverloadedError,
    SubscriptionInfo,
    SubscriptionNotFoundError,
)
from tests.contract.consumers import NAME, QUICK, Worker, info_of, keep, settled_up_to
from tests.contract.samples import first_of, numbered, positions, refused, until


async def save(api: GaterApi, store: str, **settings: Any) -> None:
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
    return delivery.event.position, delivery.attempt


async def test_every_event_comes_in_order_and_is_settled(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 3)
    await api.append_events(store, "s-0", numbered(4))
    await save(api, store)
    async with Worker(api, store) as worker:
        info = await settled_up_to(api, store, 7)
        await append_to_each(api, store, 2)
        info = await settled_up_to(api, store, 9)
    assert [delivery.event for delivery in worker.given] == await api.read_all(store)
    assert {delivery.attempt for delivery in worker.given} == {1}
    assert (info.lag, info.in_flight, info.retrying, info.parked) == (0, 0, 0, 0)
    assert (info.delivered, info.redelivered, info.acked) == (9, 0, 9)
    assert 0 < info.delivery_seconds < 20


async def test_only_what_matches_is_delivered(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(2, event_type="T"))
    await api.append_events(store, "b", numbered(2, event_type="U"))
    await api.save_subscription(store, "by_event_type", "T", NAME, **QUICK)
    async with Worker(api, store) as worker:
        await until(lambda: worker.seen == [1, 2])
        await api.append_events(store, "b", numbered(1, event_type="U"))
        await api.append_events(store, "a", numbered(1, event_type="T"))
        await until(lambda: worker.seen == [1, 2, 6])
        assert (await settled_up_to(api, store, 6)).delivered == 3


async def test_long_subscriptions_are_consumed_whole(api: GaterApi, store: str) -> None:
    """More than a page, more than may be in flight; several checkpoints on the way, none of which goes back."""
    await save(api, store, checkpoint_every=100, max_in_flight=50)
    for first in range(0, 1_500, 500):
        await api.append_events(store, f"s-{first}", numbered(500, first=first))
    checkpoints: list[int] = []
    async with Worker(api, store, prefetch=30) as worker:
        while not checkpoints or checkpoints[-1] < 1_500:
            checkpoints.append((await info_of(api, store)).checkpoint)
    assert checkpoints == sorted(checkpoints)
    assert sorted(worker.seen) == list(range(1, 1_501))


# --- not acknowledged ---


@pytest.mark.parametrize("action", ["retry", "unknown", 2, 0])
async def test_an_event_that_failed_comes_again(api: GaterApi, store: str, action: Any) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store)

    async def work(delivery: Any) -> None:
        if where(delivery) == (1, 1):
            await delivery.nack(action, reason="not yet")
        else:
            await delivery.ack()

    async with Worker(api, store, work) as worker:
        await until(lambda: worker.attempts == [(1, 1), (1, 2), (2, 1)])
        info = await settled_up_to(api, store, 2)
    assert (info.redelivered, info.parked) == (1, 0)


async def test_a_delay_is_kept(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    await save(api, store, backoff=[60.0])
    times: list[float] = []

    async def work(delivery: Any) -> None:
        times.append(time.monotonic())
        if delivery.attempt == 1:
            await delivery.nack("retry", delay=0.3)
        else:
            await delivery.ack()

    async with Worker(api, store, work):
        await is_doing(api, store, retrying=1, in_flight=0)
        await settled_up_to(api, store, 1)
    assert len(times) == 2
    assert times[1] - times[0] >= 0.29


@pytest.mark.parametrize("action", ["park", 1])
async def test_a_parked_event_is_set_aside_with_its_reason(api: GaterApi, store: str, action: Any) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store)

    async def work(delivery: Any) -> None:
        if delivery.event.position == 1:
            await delivery.nack(action, reason="bad data")
        else:
            await delivery.ack()

    async with Worker(api, store, work) as worker:
        info = await settled_up_to(api, store, 2)
        assert worker.seen == [1, 2]
    assert (info.parked, info.lag, info.retrying) == (1, 0, 0)
    (parked,) = await api.list_parked(store, NAME)
    assert (parked.position, parked.reason, parked.attempts, parked.replaying) == (1, "bad data", 1, False)
    assert parked.event == (await api.get_events(store, "s"))[0]


@pytest.mark.parametrize("action", ["skip", 3])
async def test_a_skipped_event_is_let_go(api: GaterApi, store: str, action: Any) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store)

    async def work(delivery: Any) -> None:
        await delivery.nack(action)

    async with Worker(api, store, work) as worker:
        info = await settled_up_to(api, store, 3)
        assert worker.attempts == [(1, 1), (2, 1), (3, 1)]
    assert (info.parked, info.acked, info.lag) == (0, 0, 0)


@pytest.mark.parametrize("action", ["stop", 4])
async def test_stop_ends_this_consumer_and_gives_back_what_it_held(api: GaterApi, store: str, action: Any) -> None:
    await append_to_each(api, store, 4)
    await save(api, store)

    async def work(delivery: Any) -> None:
        if delivery.event.position == 2:
            await delivery.nack(action)
        elif delivery.event.position == 1:
            await delivery.ack()

    async with Worker(api, store, work) as stopping:
        await stopping.result()
        assert stopping.seen[:2] == [1, 2]
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 4)
        assert worker.seen == [2, 3, 4]


async def test_stop_ends_no_other_consumer(api: GaterApi, store: str, way: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP those who pull are one consumer")
    await append_to_each(api, store, 2)
    await save(api, store)

    async def stop(delivery: Any) -> None:
        await delivery.nack("stop")

    async with Worker(api, store, keep, prefetch=1) as other:
        await until(lambda: len(other.given) == 1)
        async with Worker(api, store, stop) as stopping:
            await stopping.result()
        await other.given[0].ack()
        await until(lambda: len(other.given) == 2)
        assert sorted(other.seen) == [1, 2]
        assert (await info_of(api, store)).consumers == 1


async def test_an_event_that_always_fails_is_parked_after_its_retries(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store, max_retries=2)

    async def work(delivery: Any) -> None:
        if delivery.event.position == 1:
            await delivery.nack(reason="broken")
        else:
            await delivery.ack()

    async with Worker(api, store, work) as worker:
        info = await settled_up_to(api, store, 2)
        assert worker.attempts == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert info.parked == 1
    (parked,) = await api.list_parked(store, NAME)
    assert (parked.position, parked.reason, parked.attempts) == (1, "failed 3 times: broken", 3)


async def test_the_waits_follow_the_backoff(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    await save(api, store, backoff=[0.05, 0.2], max_retries=3)
    times: list[float] = []

    async def work(delivery: Any) -> None:
        times.append(time.monotonic())
        await delivery.nack()

    async with Worker(api, store, work):
        await is_doing(api, store, parked=1)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(waits) == 3
    for waited, least in zip(waits, (0.05, 0.2, 0.2), strict=True):
        assert waited >= least - 0.01, waits


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("action", {"action": "explode"}),
        ("action", {"action": 5}),
        ("action", {"action": -1}),
        ("delay", {"delay": -0.1}),
        ("delay", {"delay": 1e9}),
        ("reason", {"reason": 5}),
    ],
)
async def test_a_wrong_nack_is_refused(
    api: GaterApi, store: str, way: Any, argument: str, wrong: dict[str, Any]
) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a field of another type is a validation_error")
    await api.append_events(store, "s", numbered(1))
    await save(api, store)
    (delivery,) = await api.pull_events(store, NAME)
    with refused(InvalidArgumentError, argument=argument):
        await delivery.nack(**wrong)
    with refused(InvalidArgumentError, argument=argument):
        await api.nack_event(store, NAME, delivery, **wrong)
    await delivery.ack()


# --- acknowledged, late or twice ---


async def test_what_is_not_acknowledged_in_time_goes_to_another(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    await save(api, store, ack_timeout=0.1)
    async with Worker(api, store, keep, prefetch=1) as lost:
        await until(lambda: lost.seen == [1])
        async with Worker(api, store, keep) as other:
            await until(lambda: len(other.given) + len(lost.given) > 1)
            assert (other.given or lost.given)[-1].attempt == 2


async def test_a_late_acknowledgement_is_stale(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    await save(api, store, ack_timeout=0.05)
    (first,) = await api.pull_events(store, NAME)
    (second,) = await api.pull_events(store, NAME, wait=10.0)
    assert (second.attempt, second.event) == (2, first.event)
    with refused(NotFoundError, kind="delivery", name=1, why="stale"):
        await api.ack_event(store, NAME, first)
    with refused(NotFoundError, why="stale"):
        await first.ack()
    with refused(NotFoundError, why="stale"):
        await api.nack_event(store, NAME, first, "park")
    await api.ack_event(store, NAME, second)
    assert (await info_of(api, store)).parked == 0


async def test_acknowledging_twice_is_acknowledging_once(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store)
    (delivery,) = await api.pull_events(store, NAME)
    for named in (delivery, delivery.event, 1, delivery):
        await api.ack_event(store, NAME, named)
    await delivery.ack()
    await api.nack_event(store, NAME, delivery, "park")
    info = await settled_up_to(api, store, 1)
    assert (info.acked, info.parked) == (1, 0)


async def test_what_is_not_in_flight_is_not_found(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store)
    await api.pull_events(store, NAME, 1)
    for position in (2, 3, 99):
        with refused(NotFoundError, name=position, why="unknown"):
            await api.ack_event(store, NAME, position)
        with refused(NotFoundError, name=position, why="unknown"):
            await api.nack_event(store, NAME, position)


@pytest.mark.parametrize("named", ["1", None, 1.0, True, -1])
async def test_what_names_no_delivery_is_refused(api: GaterApi, store: str, way: Any, named: Any) -> None:
    if way.name == "http" and named == -1:
        pytest.skip("over HTTP a number out of its bounds is a validation_error")
    await save(api, store)
    with refused(InvalidArgumentError, argument="event"):
        await api.ack_event(store, NAME, named)


async def test_an_event_may_be_settled_by_its_position(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 3)
    await save(api, store)
    first, second, third = await api.pull_events(store, NAME)
    await api.ack_event(store, NAME, first.event.position)
    await api.nack_event(store, NAME, second.event, "park")
    await api.ack_event(store, NAME, third.event)
    assert (await settled_up_to(api, store, 3)).parked == 1


# --- several consumers ---


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


# --- pulling ---


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


# --- moving it ---


async def test_rewinding_delivers_again_from_a_position_on(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 6)
    await save(api, store)
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 6)
        assert await api.rewind_subscription(store, NAME, 4) == 4
        await until(lambda: worker.seen == [1, 2, 3, 4, 5, 6, 4, 5, 6])
        await settled_up_to(api, store, 6)
        await append_to_each(api, store, 1, first=6)
        await until(lambda: worker.seen[9:] == [7])
    assert {delivery.attempt for delivery in worker.given} == {1}


async def test_rewinding_moves_the_checkpoint(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 6)
    await save(api, store)
    async with Worker(api, store):
        await settled_up_to(api, store, 6)
    await is_doing(api, store, consumers=0)
    for position, expected in ((4, 4), (0, 1), (1, 1), (100, 7), (3, 3)):
        assert await api.rewind_subscription(store, NAME, position) == expected
        assert (await info_of(api, store)).checkpoint == expected - 1


async def test_what_was_in_flight_when_it_was_rewound_is_stale(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 3)
    await save(api, store)
    before = await api.pull_events(store, NAME)
    await api.rewind_subscription(store, NAME, 2)
    for delivery in before:
        with refused(NotFoundError, why="stale"):
            await api.ack_event(store, NAME, delivery)
    again = await api.pull_events(store, NAME)
    assert [where(delivery) for delivery in again] == [(2, 1), (3, 1)]
    for delivery in again:
        await delivery.ack()
    await settled_up_to(api, store, 3)


async def test_rewinding_to_a_time(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 3)
    await until(lambda: _has_passed(api, store))
    since = int(time.time() * 1e6)
    await append_to_each(api, store, 3, first=3)
    await save(api, store)
    async with Worker(api, store):
        await settled_up_to(api, store, 6)
    moment = datetime.fromtimestamp(since // 1_000_000, UTC).replace(microsecond=since % 1_000_000)
    for time_given in (since, moment, moment.astimezone()):
        assert await api.rewind_subscription(store, NAME, time=time_given) == 4
    assert await api.rewind_subscription(store, NAME, time=0) == 1
    assert await api.rewind_subscription(store, NAME, time=moment + timedelta(days=1)) == 7
    await api.rewind_subscription(store, NAME, time=since)
    async with Worker(api, store) as worker:
        await until(lambda: worker.seen == [4, 5, 6])


async def _has_passed(api: GaterApi, store: str) -> bool:
    """Whether the newest event is of an earlier time than now."""
    return (await api.read_all(store, None, 1, "backward"))[0].created_epoch < int(time.time() * 1e6) - 1_000


@pytest.mark.parametrize(
    "named", [{}, {"position": 1, "time": 1}, {"position": -1}, {"position": "1"}, {"time": "now"}]
)
async def test_rewinding_needs_a_position_or_a_time(api: GaterApi, store: str, way: Any, named: dict[str, Any]) -> None:
    if way.name == "http":
        pytest.skip("over HTTP a field of another type is a validation_error")
    await save(api, store)
    with refused(InvalidArgumentError):
        await api.rewind_subscription(store, NAME, **named)


# --- how it is doing ---


async def test_it_tells_how_it_is_doing(api: GaterApi, store: str, way: Any) -> None:
    await save(api, store)
    assert (await info_of(api, store)).state == "idle"
    await append_to_each(api, store, 4)
    info = await info_of(api, store)
    assert (info.state, info.lag, info.consumers) == ("stranded", 4, 0)
    assert info.lag_seconds >= 0
    first, second, third, fourth = await api.pull_events(store, NAME)
    info = await is_doing(api, store, in_flight=4, lag=4, consumers=1)
    assert (info.state, info.delivered, info.acked, info.redelivered) == ("live", 4, 0, 0)
    await second.ack()
    await third.nack(delay=60.0)
    await fourth.nack("park")
    info = await is_doing(api, store, in_flight=1, retrying=1, parked=1, lag=2)
    assert (info.acked, info.checkpoint) == (1, 0)
    await first.ack()
    info = await settled_up_to(api, store, 2)
    assert (info.checkpoint, info.lag, info.in_flight, info.retrying, info.parked) == (2, 1, 0, 1, 1)
    assert info.lag_seconds > 0


async def test_events_of_a_deleted_stream_are_not_waited_for(api: GaterApi, store: str) -> None:
    await api.append_events(store, "gone", numbered(3))
    await api.append_events(store, "kept", numbered(1))
    await api.delete_stream(store, "gone")
    await save(api, store)
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 4)
        assert worker.seen == [4]


async def test_settings_change_while_it_is_consumed(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(4))
    await save(api, store)
    (first,) = await api.pull_events(store, NAME)
    assert await api.pull_events(store, NAME) == []
    await save(api, store, ordering="none")
    rest = await api.pull_events(store, NAME)
    assert [where(delivery)[0] for delivery in rest] == [2, 3, 4]
    for delivery in (*rest, first):
        await delivery.ack()
    await settled_up_to(api, store, 4)


async def test_a_consumer_and_a_subscriber_do_not_know_of_each_other(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 3)
    await save(api, store)
    async with Worker(api, store) as worker:
        assert positions(await first_of(api.subscribe(store), 3)) == [1, 2, 3]
        await until(lambda: worker.seen == [1, 2, 3])
