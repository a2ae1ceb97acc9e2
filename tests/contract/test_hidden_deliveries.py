"""Events that are hidden are no longer delivered by groups, whatever they wait for there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from time import monotonic
from typing import Any

import pytest

import gater
from gater import GaterApi
from gater.api import settling
from tests.contract.consumers import NAME, Worker, info_of, is_doing, keep, save
from tests.contract.samples import numbered, until
from tests.contract.ways import Way

Hide = Callable[[GaterApi, str], Awaitable[Any]]


async def deleted(api: GaterApi, store: str) -> None:
    await api.delete_stream(store, "a")


async def tombstoned(api: GaterApi, store: str) -> None:
    await api.delete_stream(store, "a", tombstone=True)


async def truncated(api: GaterApi, store: str) -> None:
    await api.truncate_stream(store, "a", 4)


async def compacted(api: GaterApi, store: str) -> None:
    await api.delete_stream(store, "a")
    await api.compact_store(store)


hiding = pytest.mark.parametrize("hide", [deleted, tombstoned, truncated, compacted])


@hiding
async def test_hidden_events_that_wait_for_their_turn_are_not_delivered(api: GaterApi, store: str, hide: Hide) -> None:
    await save(api, store)
    await api.append_events(store, "a", numbered(4))
    async with Worker(api, store, keep) as worker:
        await until(lambda: worker.seen == [1])
        await hide(api, store)
        await worker.given[0].ack()
        await api.append_events(store, "b", numbered(1))
        await until(lambda: len(worker.seen) == 2)
        assert worker.seen == [1, 5]
        assert (await info_of(api, store)).lag == 1


@hiding
async def test_hidden_events_are_not_retried_and_hold_nothing_up(api: GaterApi, store: str, hide: Hide) -> None:
    await save(api, store)
    await api.append_events(store, "a", numbered(4))

    async def refuse(delivery: Any) -> None:
        if delivery.event.position == 1:
            await delivery.nack("retry", delay=86_400.0)

    async with Worker(api, store, refuse) as worker:
        await is_doing(api, store, retrying=1)
        await hide(api, store)
        await api.append_events(store, "b", numbered(1))
        await until(lambda: worker.seen == [1, 5])
        await worker.given[1].ack()
        await is_doing(api, store, retrying=0, lag=0, checkpoint=5)


@hiding
async def test_a_hidden_event_does_not_come_again_from_a_consumer_that_leaves(
    api: GaterApi, store: str, hide: Hide
) -> None:
    await save(api, store)
    await api.append_events(store, "a", numbered(4))
    async with Worker(api, store, keep) as worker:
        await until(lambda: worker.seen == [1])
        await hide(api, store)
    await api.append_events(store, "b", numbered(1))
    async with Worker(api, store) as worker:
        await is_doing(api, store, lag=0)
    assert worker.seen == [5]


@hiding
async def test_hidden_events_that_wait_at_a_consumer_are_not_given_out(
    way: Way, api: GaterApi, store: str, hide: Hide
) -> None:
    if way.name == "http":
        pytest.skip("a client that pulls is given what it has pulled")
    await save(api, store, ordering="none")
    await api.append_events(store, "a", numbered(4))
    await api.append_events(store, "b", numbered(1))
    async with aclosing(api.consume(store, NAME)) as deliveries:
        first = await anext(deliveries)
        await is_doing(api, store, in_flight=5)
        await hide(api, store)
        await first.ack()
        second = await anext(deliveries)
        assert second.event.position == 5
        await second.ack()
        await is_doing(api, store, in_flight=0, lag=0, redelivered=0, acked=2)


async def test_a_consumer_asks_now_and_then_what_other_clients_have_hidden(
    request: pytest.FixtureRequest, way: Way, api: GaterApi, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way.name not in ("rpc", "blocking-rpc"):
        pytest.skip("there are no other clients, or none that holds deliveries")
    monkeypatch.setattr(settling, "FRESH_SECONDS", 0.05)
    await save(api, store, ordering="none")
    await api.append_events(store, "a", numbered(4))
    await api.append_events(store, "b", numbered(1))
    async with aclosing(api.consume(store, NAME)) as deliveries:
        first = await anext(deliveries)
        await is_doing(api, store, in_flight=5)
        async with gater.connect(request.getfixturevalue("server").url) as other:
            await other.delete_stream(store, "a")
        asked_again = monotonic() + settling.FRESH_SECONDS
        await until(lambda: monotonic() > asked_again)
        await first.ack()
        assert (await anext(deliveries)).event.position == 5


@hiding
async def test_hidden_events_are_not_pulled(api: GaterApi, store: str, hide: Hide) -> None:
    await save(api, store, ordering="none")
    await api.append_events(store, "a", numbered(4))
    [first] = await api.pull_events(store, NAME, 1)
    await hide(api, store)
    await first.nack("retry", delay=0.0)
    await api.append_events(store, "b", numbered(1))
    assert [delivery.event.position for delivery in await api.pull_events(store, NAME, 10)] == [5]
    await is_doing(api, store, retrying=0, lag=1)
