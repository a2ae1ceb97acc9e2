"""An API in another event loop than its own: refused at once, in process and over the network, never a hang."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import ApiClosedError, GaterApi, NewEvent, StoreUnavailableError, WrongContextError
from tests.integration.served import node

WAIT = 10.0

Open = Callable[[], GaterApi]
Use = Callable[[GaterApi], Awaitable[Any]]


@pytest.fixture(params=["in-process", "in-memory", "rpc"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Open, None]:
    """What opens an API on the store `orders`."""

    async def opened() -> AsyncGenerator[Open, None]:
        if request.param != "rpc":
            folder = tmp_path if request.param == "in-process" else Path(":memory:")
            yield lambda: gater.open(folder, stores=["orders"])
            return
        async with node(tmp_path) as running:
            yield lambda: gater.connect(running.url, timeout=WAIT)

    return opened()


@pytest.fixture
def api(opener: AsyncGenerator[Open, None]) -> AsyncGenerator[GaterApi, None]:
    """An open API on the store `orders`, which has been used."""

    async def opened() -> AsyncGenerator[GaterApi, None]:
        async for opening in opener:
            async with opening() as api:
                await append(api)
                yield api

    return opened()


async def append(api: GaterApi) -> int:
    return (await api.append_events("orders", "order-1", [NewEvent("OrderPlaced", {"total": 12})])).position


async def elsewhere(work: Callable[[], Awaitable[Any]]) -> Any:
    """What a coroutine gives on an event loop of its own in another thread; it may not take long."""

    async def run() -> Any:
        return await asyncio.wait_for(work(), WAIT)

    return await asyncio.wait_for(asyncio.to_thread(asyncio.run, run()), WAIT)


async def first(api: GaterApi) -> Any:
    return await anext(api.subscribe("orders"))


async def heard(api: GaterApi) -> None:
    async with api.pubsub("events").subscribe("*"):
        pass


USES: dict[str, Use] = {
    "append": append,
    "read": lambda api: api.get_events("orders", "order-1"),
    "read after a position": lambda api: api.get_version("orders", "order-1", after_position=1),
    "stream": lambda api: anext(api.stream_forward("orders", "order-1")),
    "subscribe": first,
    "listen": heard,
    "broadcast": lambda api: api.pubsub("events").broadcast("t", 1),
    "with a timeout": lambda api: append(api.with_timeout(5.0)),
    "close": lambda api: api.close(),
}


async def test_every_use_in_another_event_loop_is_refused_at_once(api: GaterApi) -> None:
    for name, use in USES.items():
        with pytest.raises(WrongContextError, match=r"another event loop: .*gater\.(open|connect)_sync"):
            await elsewhere(lambda use=use: use(api))
        assert await append(api), name


async def test_what_is_read_in_one_event_loop_is_neither_read_nor_settled_in_another(api: GaterApi) -> None:
    await append(api)
    await api.save_subscription("orders", name="mail")
    async with api.subscribe("orders") as events, api.consumer("orders", "mail") as consumer:
        stored = api.stream_all("orders")
        assert [(await anext(one)).position for one in (events, stored)] == [1, 1]
        delivery = await anext(consumer)
        for use in (
            lambda: anext(events),
            events.aclose,
            lambda: anext(consumer),
            consumer.aclose,
            lambda: consumer.run(api.ack_event),  # type: ignore[arg-type]
            delivery.ack,
            lambda: delivery.nack("park"),
        ):
            with pytest.raises(WrongContextError, match=r"another event loop|elsewhere"):
                await elsewhere(use)
        await delivery.ack()
        assert (await anext(consumer)).event.position == (await anext(events)).position == 2
    await stored.aclose()


async def test_a_consumer_is_stopped_by_another_thread(api: GaterApi) -> None:
    await api.save_subscription("orders", name="mail")
    async with api.consumer("orders", "mail") as consumer, api.subscribe("orders") as events:
        await (await anext(consumer)).ack()
        await anext(events)
        ends = [asyncio.ensure_future(anext(one, None)) for one in (consumer, events)]
        await asyncio.sleep(0)
        await asyncio.to_thread(lambda: [one.stop() for one in (consumer, events)] and None)
        assert await asyncio.wait_for(asyncio.gather(*ends), WAIT) == [None, None]


async def test_an_event_loop_after_the_first_is_another_one(opener: Open) -> None:
    kept: list[GaterApi] = []

    async def use() -> None:
        kept.append(opener())
        await append(kept[0])
        await kept[0].close()

    await elsewhere(use)
    with pytest.raises(WrongContextError, match="which has ended"):
        await elsewhere(lambda: append(kept[0]))


async def test_nothing_is_begun_without_an_event_loop(api: GaterApi) -> None:
    with pytest.raises(WrongContextError, match=r"no event loop|another event loop"):
        await asyncio.to_thread(api.get_version("orders", "order-1").send, None)


async def test_an_api_can_be_awaited_entered_used_at_once_or_only_closed(opener: Open) -> None:
    awaited = await opener()
    assert await append(awaited) == 1
    await awaited.close()
    async with opener() as entered:
        assert await entered.get_version("orders", "order-1") in (0, -1)
    used_at_once = opener()
    assert await append(used_at_once) > 0
    await used_at_once.close()
    for use in (append, first):
        with pytest.raises(ApiClosedError):
            await use(used_at_once)
    never_used = opener()
    await never_used.close()
    with pytest.raises(ApiClosedError):
        await append(never_used)


async def test_calls_that_come_together_open_the_stores_once(tmp_path: Path) -> None:
    api = gater.open(tmp_path, stores=["orders"])
    assert sorted(await asyncio.gather(*[append(api) for _ in range(5)])) == [1, 2, 3, 4, 5]
    await api.close()
    assert [name for name in os.listdir(tmp_path) if name.endswith("-wal")] == []


async def test_what_could_not_be_opened_is_tried_again_by_the_next_call(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["orders"]) as first_api:
        second = gater.open(tmp_path)
        with pytest.raises(StoreUnavailableError, match="this process has it open"):
            await second
        await append(first_api)
    assert await append(second) == 2
    await second.close()
