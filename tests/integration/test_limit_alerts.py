"""Whoever meets a limit of a node is refused, and those who listen to its alerts hear of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import by_event_type
from gater.messages.envelope import open_envelope
from gater.messages.payloads.alerts import SystemAlert
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring
from gater.model.errors import OverloadedError
from gater.node import Node
from gater.pubsub.system import held
from gater.server.rpc_transients import MOST_TRANSIENT
from tests.integration.served import ORDERS, client_of, node

KEY = "the secret"
MOST_CONNECTIONS = 3
MOST_CALLS = 2
MOST_STREAMS = 2
MOST_BYTES = 100_000

Excess = Callable[[Node], Awaitable[Any]]


@contextlib.asynccontextmanager
async def full_of_connections(running: Node) -> AsyncIterator[None]:
    """As many connections as the node takes."""
    host, _, port = running.url.rpartition("//")[2].partition(":")
    kept = [await asyncio.open_connection(host, int(port)) for _ in range(MOST_CONNECTIONS)]
    for reader, writer in kept:
        writer.write(b"GET /v1/stores HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'"stores"')
    yield
    for _, writer in kept:
        writer.close()


async def too_many_connections(running: Node) -> None:
    async with full_of_connections(running), client_of(running) as client:
        assert (await client.get("/v1/stores")).status_code == 503


async def too_many_calls(running: Node) -> None:
    async with gater.connect(running.url) as api:
        asked = [api.get_version("orders", f"s-{number}") for number in range(10 * MOST_CALLS)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert any(isinstance(answer, OverloadedError) for answer in answers)


async def too_many_streams(running: Node) -> None:
    async with gater.connect(running.url) as api, contextlib.AsyncExitStack() as opened:
        for _ in range(MOST_STREAMS):
            await opened.enter_async_context(api.pubsub("health").subscribe("*"))
        with pytest.raises(OverloadedError):
            await opened.enter_async_context(api.pubsub("health").subscribe("*"))


async def too_many_bytes(running: Node) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b" " * MOST_BYTES

    async with client_of(running) as client:
        assert (await client.post(f"{ORDERS}/streams/s/events", content=parts())).status_code == 503


async def too_many_transients(running: Node) -> None:
    async with gater.connect(running.url) as api:
        for number in range(MOST_TRANSIENT):
            await api.add_transient_subscription("orders", by_event_type(f"T{number}"))
        with pytest.raises(OverloadedError):
            await api.add_transient_subscription("orders", by_event_type("one more"))


@pytest.mark.parametrize(
    ("exceed", "what", "limit"),
    [
        pytest.param(too_many_connections, "connections", MOST_CONNECTIONS, id="connections"),
        pytest.param(too_many_calls, "requests of a connection", MOST_CALLS, id="calls"),
        pytest.param(too_many_streams, "streams of a connection", MOST_STREAMS, id="streams"),
        pytest.param(too_many_bytes, "request bytes", MOST_BYTES, id="bytes"),
        pytest.param(too_many_transients, "transient subscriptions of a connection", MOST_TRANSIENT, id="transients"),
    ],
)
async def test_a_limit_that_is_reached_is_an_alert(tmp_path: Path, exceed: Excess, what: str, limit: int) -> None:
    running = node(
        tmp_path,
        secret_key_base=KEY,
        max_connections=MOST_CONNECTIONS,
        max_in_flight=MOST_CALLS,
        max_streams=MOST_STREAMS,
        max_waiting_bytes=MOST_BYTES,
    )
    with held() as pubsub:
        heard = pubsub.subscribe("alerts", "system_alerts:warning")
        async with running:
            await exceed(running)
    (alert, *others) = [opened(message.body) for message in heard.take()]
    assert (alert.title, alert.source, alert.category, others) == ("limit reached", what, "system", [])
    assert alert.description == f"there are {limit:,} {what}, and no more are taken"


def opened(body: Any) -> SystemAlert:
    record = open_envelope(body, asyncio.get_running_loop().time(), Keyring(KEY), ReplayGuard(window=1e12))
    assert isinstance(record, SystemAlert)
    return record
