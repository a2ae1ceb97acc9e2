"""Waiting for the next item of an async iterator may be given up and begun again: nothing is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gater import Event, GaterApi
from tests.contract.consumers import NAME, append_to_each, info_of, save
from tests.contract.samples import numbered, positions, until

STREAM = "s"
READS: list[Callable[..., AsyncIterator[Event]]] = [
    lambda api, store, **more: api.stream_forward(store, STREAM, **more),
    lambda api, store, **more: api.stream_backward(store, STREAM, **more),
    lambda api, store, **more: api.stream_all(store, **more),
]


@pytest.fixture(autouse=True)
def _only_async(way: Any) -> None:
    if way.name in ("http", "blocking-rpc"):
        pytest.skip("a wait of the async API")


async def give_up(items: AsyncIterator[Any], times: int = 2) -> None:
    """Wait in vain for an item, some times."""
    for _ in range(times):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(items), 0.01)


async def impatient(items: AsyncIterator[Any]) -> list[Any]:
    """All items, each wait for which is given up at once and begun again."""
    taken: list[Any] = []
    while True:
        try:
            async with asyncio.timeout(0):
                taken.append(await anext(items))
        except TimeoutError:
            await asyncio.sleep(0)
        except StopAsyncIteration:
            return taken


async def nobody_listens(api: GaterApi, topic: str) -> None:
    """Return when the topic has no listeners."""

    async def is_unheard() -> bool:
        return await api.pubsub("events").broadcast(topic, 1) == 0

    await until(is_unheard)


async def test_for_a_delivery(api: GaterApi, store: str) -> None:
    await save(api, store)
    async with api.consumer(store, NAME) as consumer:
        for position in (1, 2, 3):
            await give_up(consumer)
            await append_to_each(api, store, 1)
            delivery = await anext(consumer)
            assert delivery.event.position == position
            await delivery.ack()
    assert (await info_of(api, store)).redelivered == 0


async def test_for_an_event_of_a_subscription(api: GaterApi, store: str) -> None:
    async with api.subscribe(store) as subscription:
        for position in (1, 2, 3):
            await give_up(subscription)
            await append_to_each(api, store, 1)
            assert (await anext(subscription)).position == position


async def test_for_a_message(api: GaterApi, store: str) -> None:
    channel = api.pubsub("events")
    async with channel.subscribe(store) as messages:
        for number in range(3):
            await give_up(messages)
            await channel.broadcast(store, number)
            assert (await anext(messages)).body == number
            await channel.broadcast(store, "is heard although nothing waits")
            assert (await anext(messages)).body == "is heard although nothing waits"


@pytest.mark.parametrize("read", READS, ids=["forward", "backward", "all"])
async def test_for_the_first_event_of_a_read(
    api: GaterApi, store: str, read: Callable[..., AsyncIterator[Event]]
) -> None:
    events = read(api, store, after_position=1)
    await give_up(events)
    await api.append_events(store, STREAM, numbered(1))
    assert positions([event async for event in events]) == [1]


@pytest.mark.parametrize("read", READS, ids=["forward", "backward", "all"])
async def test_for_each_event_of_a_read_of_several_pages(
    api: GaterApi, store: str, read: Callable[..., AsyncIterator[Event]]
) -> None:
    await api.append_events(store, STREAM, numbered(2_100))
    assert sorted(positions(await impatient(read(api, store)))) == list(range(1, 2_101))


async def test_until_the_iterator_is_closed(api: GaterApi, store: str) -> None:
    messages = api.pubsub("events").subscribe(store)
    await give_up(messages)
    waiting = asyncio.ensure_future(anext(messages, None))
    await asyncio.sleep(0)
    for _ in range(2):
        await messages.aclose()
        assert await waiting is await anext(messages, None) is None
    await nobody_listens(api, store)


async def test_of_a_listener_that_is_forgotten(api: GaterApi, store: str) -> None:
    """It listens no longer, although what fetches its messages was not told."""
    channel = api.pubsub("events")
    messages = channel.subscribe(store)
    await give_up(messages)
    assert await channel.broadcast(store, 1) == 1
    await anext(messages)
    await give_up(messages)
    del messages
    await nobody_listens(api, store)
