"""Parked events that are delivered again: in what portions they are read, and what is written when they are settled."""

from __future__ import annotations

import asyncio
from typing import Any

from gater.model import commands as c
from gater.store.store import Store
from gater.subscriptions.consumer import Consumer
from gater.subscriptions.durable import DurableSubscription
from gater.subscriptions.durables import Durables
from gater.subscriptions.replay_queue import REPLAYED_AT_ONCE, SHARED, ReplayQueue
from tests.unit.store.stores import event_of, write
from tests.unit.subscriptions.durable_store import (
    NAME,
    Writes,
    at_work,
    attached,
    made,
    park,
    parked,
    positions,
    settle,
    taken,
    turns,
    until,
)


async def parked_again(
    store: Store, durables: Durables, streams: str, count: int
) -> tuple[DurableSubscription, Consumer]:
    """A subscription with so many parked events of each stream, one stream behind the other, all to be replayed."""
    for stream in streams:
        await write(store, stream, *[event_of() for _ in range(count)])
    durable = await made(durables, after_park="block")
    consumer = attached(durable)
    for _ in streams:
        park(durable, *await taken(durable, consumer, 1))
    await until(lambda: store.subscriptions.count_parked(NAME) == len(streams) * count)
    await durables.replay(NAME, None)
    await turns()
    return durable, consumer


async def test_streams_with_many_parked_events_do_not_hold_up_each_other() -> None:
    async with at_work() as (store, durables):
        many = REPLAYED_AT_ONCE + 1
        durable, consumer = await parked_again(store, durables, "abc", many)
        assert positions(await taken(durable, consumer, 3)) == [1, 1 + many, 1 + 2 * many]


async def test_parked_events_of_one_stream_are_not_read_one_by_one(monkeypatch: Any) -> None:
    async with at_work() as (store, durables):
        many = SHARED + 2 * SHARED // 2
        durable, consumer = await parked_again(store, durables, "a", many)
        reads: list[int] = []
        original = store.reader.at_positions

        def counted(wanted: list[int]) -> Any:
            reads.append(len(wanted))
            return original(wanted)

        monkeypatch.setattr(store.reader, "at_positions", counted)
        for position in range(1, many + 1):
            (delivery,) = await taken(durable, consumer, 1)
            assert delivery[0][2] == position
            settle(durable, delivery)
        assert reads == [SHARED // 2, SHARED // 2]
        await until(lambda: not parked(store))


async def test_what_is_settled_while_others_are_written_is_written_together() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        durable, consumer = await parked_again(store, durables, "a", 20)
        writes.held_back = (c.ForgetReplayed,)
        for _ in range(20):
            settle(durable, *await taken(durable, consumer, 1))
        await turns()
        assert [command.positions for command in writes.of(c.ForgetReplayed)] == [(1,)]
        writes.let_go()
        await until(lambda: not parked(store))
        assert [len(command.positions) for command in writes.of(c.ForgetReplayed)] == [1, 19]


async def test_what_is_settled_when_the_store_closes_is_not_delivered_again() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        durable, consumer = await parked_again(store, durables, "a", 5)
        writes.held_back = (c.ForgetReplayed,)
        for _ in range(5):
            settle(durable, *await taken(durable, consumer, 1))
        await turns()
        await durables.close()
        assert [command.positions for command in writes.of(c.ForgetReplayed)] == [(1,), (2, 3, 4, 5)]
        writes.let_go()
        await turns()
        assert parked(store) == []


async def test_those_who_ask_for_parked_events_wait_for_what_was_settled() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        durable, consumer = await parked_again(store, durables, "a", 3)
        writes.held_back = (c.ForgetReplayed,)
        for _ in range(3):
            settle(durable, *await taken(durable, consumer, 1))
        await turns()
        asked = asyncio.create_task(durables.parks_written(NAME))
        for _ in range(2):
            await turns()
            assert not asked.done()
            writes.let_go()
            writes.held_back = (c.ForgetReplayed,)
        await asked
        assert parked(store) == []


def test_each_stream_has_a_share_and_goes_on_when_half_of_it_is_left() -> None:
    queue = ReplayQueue()
    for stream in range(10):
        for number in range(REPLAYED_AT_ONCE):
            queue.add(f"s-{stream}", stream * 10_000 + number)
    first = queue.take()
    share = SHARED // 10
    assert len(first) == SHARED
    assert first[:share] == list(range(share))
    assert queue.take() == []
    some = share - share // 2
    queue.end(range(some - 1))
    assert queue.take() == []
    queue.end([some - 1])
    assert queue.take() == list(range(share, share + some))
    queue.add("new", 100_000)
    assert queue.take() == [100_000]


def test_what_is_put_back_comes_next_and_what_is_here_comes_once() -> None:
    queue = ReplayQueue()
    for position in (1, 2, 3):
        queue.add("a", position)
    assert queue.take() == [1, 2, 3]
    queue.put_back([2, 3])
    queue.add("a", 1)
    assert queue.take() == [2, 3]
    queue.end([1, 2, 3])
    queue.add("a", 1)
    assert queue.take() == [1]
