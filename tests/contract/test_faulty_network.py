"""What may be repeated takes effect once and is answered alike, whatever the network does to question and answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest

import gater
from gater import RequestTimeoutError, StoreUnavailableError
from gater.testing.server import GaterServer
from tests.contract.consumers import NAME, Worker, append_to_each, is_doing, keep, save
from tests.contract.faulty_proxy import Fault, FaultyProxy
from tests.contract.http_api import HttpApi
from tests.contract.repeatable import REPEATABLE, REPEATED_BY_CLIENTS, facts, shown
from tests.contract.samples import until
from tests.contract.ways import AwaitableApi

WAYS = ("rpc", "blocking-rpc", "http")
DROPPED_SECONDS = 0.5
"""How long a client waits for what was dropped."""

_numbers = count(1)


@asynccontextmanager
async def through(way: str, url: str) -> AsyncGenerator[Any, None]:
    """The API by this way, at this address."""
    if way == "rpc":
        async with gater.connect(url) as api:
            yield api
    elif way == "blocking-rpc":
        blocking = gater.connect_sync(url)
        yield AwaitableApi(blocking)
        await asyncio.to_thread(blocking.close)
    else:
        async with httpx.AsyncClient(base_url=url, timeout=20.0, trust_env=False) as client:
            yield HttpApi(client)


async def repeated(act: Callable[[], Awaitable[Any]], proxy: FaultyProxy, waits: bool) -> Any:
    """The answer of what is done again until there is one, as those do who cannot know whether it took effect."""
    for _ in range(3):
        try:
            if not waits:
                return await act()
            async with asyncio.timeout(DROPPED_SECONDS):
                return await act()
        except (httpx.TransportError, StoreUnavailableError, RequestTimeoutError, TimeoutError):
            waits = False
            proxy.cut()
    raise AssertionError("no answer")


def faults(up: int, down: int) -> Iterator[Fault]:
    """Faults at the begin, in the middle and at the end of question and answer of so many bytes."""
    for at in (1, up // 2, up - 1):
        yield Fault("up", at, "cut")
    for at in (0, down // 2, down - 1):
        yield Fault("down", at, "cut")
    yield Fault("up", up // 2, "delay")
    yield Fault("down", down // 2, "delay")
    yield Fault("up", up // 2, "drop")
    yield Fault("down", 0, "drop")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REPEATABLE)
async def test_repeatable_operation_takes_effect_once(server: GaterServer, name: str, way: str) -> None:
    operation = REPEATABLE[name]
    async with FaultyProxy(server.url) as proxy, gater.connect(server.url) as direct, through(way, proxy.url) as api:

        async def done(fault: Fault | None) -> tuple[Any, Any]:
            store = f"faulty-{next(_numbers)}"
            await direct.create_store(store, in_memory=True)
            proxy.set(None)
            # Connected anew where that is needed, so that bytes are counted from the question on.
            await repeated(lambda: api.get_version(store, "s"), proxy, waits=False)
            found = await operation.prepare(api, store)
            proxy.set(fault)
            answer = await repeated(
                lambda: operation.act(api, store, found), proxy, fault is not None and fault.harm == "drop"
            )
            after = await facts(direct, store)
            await direct.remove_store(store)
            return shown(answer), after

        expected, after = await done(None)
        up, down = proxy.passed["up"], proxy.passed["down"]
        for fault in faults(up, down):
            happened = proxy.happened
            answer, there = await done(fault)
            assert there == after, fault
            assert answer == expected or (operation.counts and not answer), fault
            assert proxy.happened > happened or fault.at >= min(up, down) - 8, fault


@pytest.mark.parametrize("way", ["rpc", "blocking-rpc"])
@pytest.mark.parametrize("name", REPEATED_BY_CLIENTS)
async def test_what_a_client_repeats_by_itself_does_not_fail_on_its_own_success(
    server: GaterServer, name: str, way: str
) -> None:
    operation = REPEATED_BY_CLIENTS[name]
    async with FaultyProxy(server.url) as proxy, gater.connect(server.url) as direct, through(way, proxy.url) as api:
        answers, held = [], []
        for fault in (None, Fault("down", 0, "cut"), Fault("down", 2, "cut")):
            store = f"faulty-{next(_numbers)}"
            await direct.create_store(store, in_memory=True)
            found = await operation.prepare(api, store)
            happened = proxy.happened
            proxy.set(fault)
            answers.append(shown(await operation.act(api, store, found)))
            assert proxy.happened == happened + (fault is not None)
            held.append(await facts(direct, store))
            await direct.remove_store(store)
    assert held == held[:1] * 3
    assert answers[1:] == ([0, 0] if operation.counts else answers[:1] * 2)


@pytest.mark.parametrize("way", ["rpc", "blocking-rpc"])
@pytest.mark.parametrize("fault", [Fault("down", 0, "cut"), Fault("down", 2, "cut")])
async def test_a_stop_whose_answer_is_lost_ends_its_consumer_and_no_other(
    server: GaterServer, fault: Fault, way: str
) -> None:
    store = f"faulty-{next(_numbers)}"
    async with FaultyProxy(server.url) as proxy, gater.connect(server.url) as direct, through(way, proxy.url) as api:
        await direct.create_store(store, in_memory=True)
        await append_to_each(direct, store, 4)
        await save(direct, store)
        async with Worker(direct, store, keep, prefetch=1) as other:
            await until(lambda: other.seen == [1])
            seen = []
            async with aclosing(api.consume(store, NAME)) as deliveries:
                async for delivery in deliveries:
                    seen.append(delivery.event.position)
                    proxy.set(fault)
                    await delivery.nack("stop")
            info = await is_doing(direct, store, consumers=1, in_flight=1)
            assert (seen, info.parked, info.retrying) == ([2], 0, 0)
            for delivery in other.given:
                await delivery.ack()
            await until(lambda: other.seen == [1, 2])
        # Where the answer was lost that it had begun, the connection broke while it worked: that counts as a failure.
        assert other.given[1].attempt <= (1 if way == "rpc" else 2)
        await direct.remove_store(store)
