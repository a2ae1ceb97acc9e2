"""Each run of a subscription by itself: what was said in one that has ended changes nothing in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import GaterApi, NotFoundError
from tests.contract.consumers import NAME, Worker, info_of, save, settled_up_to
from tests.contract.samples import numbered, until

ROUNDS = 25
EVENTS = 15

Renewal = Callable[[GaterApi, str], Awaitable[None]]


async def remove_and_save(api: GaterApi, store: str) -> None:
    await api.remove_subscription(store, name=NAME)
    await save(api, store, ordering="none")


async def rewind(api: GaterApi, store: str) -> None:
    await api.rewind_subscription(store, NAME, 1)


async def save_with_another_start(api: GaterApi, store: str) -> None:
    await save(api, store, start_from=1, ordering="none")


renewals = pytest.mark.parametrize("renew", [remove_and_save, rewind, save_with_another_start])


async def refusal(settling: Awaitable[Any]) -> str:
    """Why a settlement was refused."""
    with pytest.raises(NotFoundError) as caught:
        await settling
    assert caught.value.details["kind"] == "delivery"
    return str(caught.value.details["why"])


@renewals
async def test_settlements_of_an_ended_run_are_stale_and_skip_nothing(
    api: GaterApi, store: str, renew: Renewal
) -> None:
    await api.append_events(store, "s", numbered(4))
    await save(api, store, ordering="none")
    old = await api.pull_events(store, NAME, 4)
    assert len(old) == 4
    await renew(api, store)
    assert await refusal(api.ack_event(store, NAME, old[0])) == "stale"
    assert await refusal(api.nack_event(store, NAME, old[1], "park", reason="bad")) == "stale"
    assert await refusal(api.nack_event(store, NAME, old[2], "skip")) == "stale"
    async with Worker(api, store) as worker:
        await settled_up_to(api, store, 4)
    assert worker.attempts == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert await api.list_parked(store, NAME) == []


@renewals
async def test_settlements_of_an_ended_run_are_stale_while_the_next_delivers_the_same_events(
    api: GaterApi, store: str, renew: Renewal
) -> None:
    await api.append_events(store, "s", numbered(3))
    await save(api, store, ordering="none")
    old = await api.pull_events(store, NAME, 3)
    await renew(api, store)
    new = await api.pull_events(store, NAME, 3)
    assert len(new) == 3
    for delivery in old:
        assert await refusal(api.ack_event(store, NAME, delivery)) == "stale"
    assert (await info_of(api, store)).in_flight == 3
    for delivery in new:
        await api.ack_event(store, NAME, delivery)
    await settled_up_to(api, store, 3)


@renewals
async def test_a_run_that_ended_before_a_restart_stays_ended(tmp_path: Path, renew: Renewal) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "s", numbered(3))
        await save(api, "s", ordering="none")
        old = await api.pull_events("s", NAME, 3)
        await renew(api, "s")
    async with gater.open(tmp_path) as api:
        for delivery in old:
            assert await refusal(api.ack_event("s", NAME, delivery)) == "stale"
            assert await refusal(api.nack_event("s", NAME, delivery, "park")) == "stale"
        async with Worker(api, "s") as worker:
            await settled_up_to(api, "s", 3)
        assert worker.seen == [1, 2, 3]


async def test_a_delivery_of_before_a_restart_is_settled_after_it_in_the_same_run(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "s", numbered(2))
        await save(api, "s", ordering="none")
        first, second = await api.pull_events("s", NAME, 2)
    async with gater.open(tmp_path) as api:
        (again,) = await api.pull_events("s", NAME, 1)
        assert again.receipt > second.receipt
        assert await refusal(api.ack_event("s", NAME, first)) == "stale"
        await api.ack_event("s", NAME, second)
        await api.ack_event("s", NAME, again)
        await settled_up_to(api, "s", 2)


async def test_a_receipt_of_a_store_that_was_removed_settles_nothing_in_the_next_of_its_name(
    api: GaterApi, store: str
) -> None:
    await api.append_events(store, "s", numbered(2))
    await save(api, store, ordering="none")
    old = await api.pull_events(store, NAME, 2)
    await api.remove_store(store)
    await api.create_store(store)
    await api.append_events(store, "s", numbered(2))
    await save(api, store, ordering="none")
    for delivery in old:
        assert await refusal(api.ack_event(store, NAME, delivery)) in ("stale", "unknown")
    assert len(await api.pull_events(store, NAME, 2)) == 2
    for delivery in old:
        assert await refusal(api.ack_event(store, NAME, delivery)) in ("stale", "unknown")


async def test_a_late_receipt_does_not_settle_the_replay_of_an_event(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    await save(api, store, ack_timeout=0.05, max_retries=0)
    (old,) = await api.pull_events(store, NAME, 1)
    await until(lambda: _is_parked(api, store))
    await api.replay_parked(store, NAME)
    with suppress(NotFoundError):  # it is stale, or not in flight yet
        await api.ack_event(store, NAME, old)
    (again,) = await api.pull_events(store, NAME, 1, wait=5.0)
    await api.ack_event(store, NAME, again)
    await until(lambda: _is_parked(api, store, 0))


async def _is_parked(api: GaterApi, store: str, count: int = 1) -> bool:
    parked = await api.list_parked(store, NAME)
    return len(parked) == count


@pytest.mark.parametrize("renew", [remove_and_save, rewind])
async def test_every_event_is_delivered_in_the_last_run_when_two_clients_race(
    api: GaterApi, store: str, renew: Renewal
) -> None:
    """One consumes and writes checkpoints all the time, the other begins a new run in the midst of it."""
    await api.append_events(store, "s", numbered(EVENTS))
    await save(api, store, checkpoint_every=1, ordering="none")
    for number in range(ROUNDS):
        pulled: list[Any] = []
        async with asyncio.TaskGroup() as both:
            both.create_task(_consume(api, store, pulled))
            for _ in range(5 * (number % 9)):
                await asyncio.sleep(0)
            both.create_task(renew(api, store))
        async with Worker(api, store) as worker:
            await settled_up_to(api, store, EVENTS)
        given = [*pulled, *worker.given]
        last = max(delivery.receipt for delivery in given)
        # Receipts of one run follow each other; those of the next begin far behind them.
        of_last_run = {delivery.event.position for delivery in given if delivery.receipt > last - 10 * EVENTS}
        assert of_last_run == set(range(1, EVENTS + 1)), number
        await rewind(api, store)


async def _consume(api: GaterApi, store: str, pulled: list[Any]) -> None:
    """Pull and acknowledge until there is nothing more, or the run has ended."""
    try:
        while some := await api.pull_events(store, NAME, 7):
            pulled += some
            for delivery in some:
                await delivery.ack()
    except NotFoundError:
        return
