"""What a client says of deliveries takes effect before what it asks next, also when the consumer has ended."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from gater import GaterApi, NotFoundError
from tests.contract.consumers import NAME, append_to_each, info_of, is_doing, save
from tests.contract.samples import refused


async def first_delivery(api: GaterApi, store: str) -> Any:
    """The first delivery of a consumer that has been closed."""
    async with aclosing(api.consume(store, NAME)) as deliveries:
        delivery = await anext(deliveries)
    await is_doing(api, store, consumers=0)
    return delivery


async def test_what_is_parked_in_a_loop_that_is_left_is_listed_next(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 3)
    await save(api, store)
    async for delivery in api.consume(store, NAME):
        await delivery.nack("park", reason="bad")
        break
    assert [parked.position for parked in await api.list_parked(store, NAME)] == [1]
    assert (await info_of(api, store)).parked == 1


async def test_the_next_call_comes_after_what_was_settled_in_the_loop(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 4)
    await save(api, store)
    acked, parked = [], []
    async with aclosing(api.consume(store, NAME)) as deliveries:
        async for delivery in deliveries:
            await (delivery.nack("park") if len(acked) % 2 else delivery.ack())
            info = await info_of(api, store)
            acked.append(info.acked)
            parked.append(info.parked)
            if len(acked) == 4:
                break
    assert (acked, parked) == ([1, 1, 2, 2], [0, 1, 1, 2])


async def test_what_was_parked_is_replayed_and_discarded_by_the_next_call(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 2)
    await save(api, store)
    async for delivery in api.consume(store, NAME):
        await delivery.nack("park")
        break
    assert await api.replay_parked(store, NAME, 1) == 1
    async for delivery in api.consume(store, NAME):
        await delivery.nack("park")
        break
    assert await api.discard_parked(store, NAME, [delivery.event.position]) == 1


async def test_a_delivery_is_settled_after_its_consumer_has_ended(api: GaterApi, store: str) -> None:
    await append_to_each(api, store, 1)
    await save(api, store)
    delivery = await first_delivery(api, store)
    await delivery.ack()
    assert (await info_of(api, store)).acked == 1
    await delivery.ack()


@pytest.mark.parametrize("say", ["ack", "nack"])
async def test_a_delivery_that_was_given_to_another_is_refused(api: GaterApi, store: str, way: Any, say: str) -> None:
    if way.name == "http":
        pytest.skip("over HTTP the answer lists what could not be settled")
    await append_to_each(api, store, 1)
    await save(api, store)
    delivery = await first_delivery(api, store)
    (again,) = await api.pull_events(store, NAME, wait=10.0)
    with refused(NotFoundError, kind="delivery", name=1, why="stale"):
        await getattr(delivery, say)()
    await again.ack()
