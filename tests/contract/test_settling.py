"""Settling deliveries: failed, parked, skipped and stopped ones, late acknowledgements and repeated ones."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from gater import (
    GaterApi,
    InvalidArgumentError,
    NotFoundError,
)
from tests.contract.consumers import NAME, Worker, append_to_each, info_of, is_doing, keep, save, settled_up_to, where
from tests.contract.samples import numbered, refused, until


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
