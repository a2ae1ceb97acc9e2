"""Consuming a durable subscription: each event at least once, in order; it may be moved, and tells how it is doing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gater import (
    GaterApi,
    InvalidArgumentError,
    NotFoundError,
)
from tests.contract.consumers import NAME, QUICK, Worker, append_to_each, info_of, is_doing, save, settled_up_to, where
from tests.contract.samples import first_of, numbered, positions, refused, until


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


async def test_long_subscriptions_are_consumed_whole(api: GaterApi, store: str, way: Any) -> None:
    """More than a page, more than may be in flight; several checkpoints on the way, none of which goes back."""
    many = 100 if way.name == "http" else 500  # over HTTP each settlement is a request of its own
    await save(api, store, checkpoint_every=many // 5, max_in_flight=50)
    for first in range(0, 3 * many, many):
        await api.append_events(store, f"s-{first}", numbered(many, first=first))
    checkpoints: list[int] = []
    async with Worker(api, store, prefetch=30) as worker:
        while not checkpoints or checkpoints[-1] < 3 * many:
            checkpoints.append((await info_of(api, store)).checkpoint)
    assert checkpoints == sorted(checkpoints)
    assert sorted(worker.seen) == list(range(1, 3 * many + 1))


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
