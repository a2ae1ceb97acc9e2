"""Clients that never reach a server, or lose it: what they raise, when, and what they log."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import GaterApi, InvalidArgumentError, StoreUnavailableError
from gater.testing.server import GaterServer
from tests.contract.samples import until

TIMEOUT = 0.5


async def _first_message(api: GaterApi) -> Any:
    async with api.pubsub("events").subscribe() as messages:
        return await anext(messages)


STREAMS: dict[str, Callable[[GaterApi], Any]] = {
    "subscribe": lambda api: anext(api.subscribe("orders")),
    "consume": lambda api: anext(api.consume("orders", "billing")),
    "read": lambda api: anext(api.stream_all("orders")),
    "listen": _first_message,
}


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("kind", ["subscribe", "consume", "read", "listen"])
@pytest.mark.parametrize("place", ["nobody", "silent"])
async def test_stream_fails_when_no_connection_comes_in_time(
    place: str, kind: str, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(place)
    async with gater.connect(address, timeout=TIMEOUT) as api:
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError) as failed:
            await STREAMS[kind](api)
    assert time.monotonic() - started < 10 * TIMEOUT
    assert address in failed.value.message or address in str(failed.value.details)


async def test_each_call_may_have_a_time_of_its_own(silent: str) -> None:
    async with gater.connect(silent, timeout=60.0) as api:
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await api.with_timeout(TIMEOUT).get_version("orders", "a")
        assert time.monotonic() - started < 10 * TIMEOUT
        for seconds in (0, -1, "5", True):
            with pytest.raises(InvalidArgumentError):
                api.with_timeout(seconds)  # type: ignore[arg-type]


def test_calls_of_the_blocking_api_may_have_a_time_of_their_own(silent: str) -> None:
    with gater.connect_sync(silent, timeout=60.0) as api:
        timed = api.with_timeout(TIMEOUT)
        with pytest.raises(StoreUnavailableError):
            timed.get_version("orders", "a")
        timed.close()
        api.close()


async def test_first_failure_of_a_row_is_logged_once(nobody: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gater.client.link"):
        async with gater.connect(nobody, timeout=TIMEOUT) as api:
            with pytest.raises(StoreUnavailableError):
                await api.list_stores()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["no connection"]
    assert nobody in vars(warnings[0])["address"]
    assert nobody.partition(":")[2] in vars(warnings[0])["reason"]


async def test_subscription_waits_for_a_server_that_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gater.client.link"), GaterServer(["orders"], data_dir=tmp_path / "d") as server:
        async with gater.connect(server.url, timeout=20.0) as api:
            events: AsyncGenerator[gater.Event, None] = api.subscribe("orders")
            await api.append_events("orders", "a", [gater.NewEvent("First", {})])
            assert (await anext(events)).event_type == "First"
            await asyncio.to_thread(server.kill)
            following = asyncio.ensure_future(anext(events))
            await until(lambda: caplog.records)
            assert not following.done()
            await asyncio.to_thread(server.start)
            await api.append_events("orders", "a", [gater.NewEvent("Second", {})])
            assert (await following).event_type == "Second"
            await events.aclose()
    said = [record.getMessage() for record in caplog.records]
    assert said.count("no connection") == 1
    assert said.count("connected") == 1


async def test_first_connection_waits_for_a_server_that_starts_late(tmp_path: Path) -> None:
    server = GaterServer(["orders"], data_dir=tmp_path / "d")
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.kill)
    async with gater.connect(server.url, timeout=20.0) as api:
        reading = asyncio.ensure_future(anext(api.stream_all("orders"), None))
        await asyncio.to_thread(server.start)
        assert await reading is None
    await asyncio.to_thread(server.stop)
