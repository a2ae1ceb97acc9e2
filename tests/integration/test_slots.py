"""Connections that others hold: the health of the node can be asked for all the same."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from gater.config.tokens import Token
from gater.node import Node
from gater.server import slots
from tests.integration.raw_http import RawConnection, code, connected
from tests.integration.served import ORDERS, node

MOST: Final = 4
DESCRIPTORS: Final = 192
WITH_TOKEN: Final = "Authorization: Bearer open-sesame"
HEALTH: Final = ("/health/live", "/health/ready")


def locked(folder: Path) -> Node:
    """A node that asks for a token."""
    return node(folder, tokens=(Token(token="open-sesame", scopes=("read",)),), max_connections=MOST)


async def opened(stack: contextlib.AsyncExitStack, url: str, count: int = MOST) -> list[RawConnection]:
    return [await stack.enter_async_context(connected(url)) for _ in range(count)]


async def drip(connection: RawConnection) -> None:
    """Make a request without a token whose body never ends."""
    head = f"POST {ORDERS}/streams/s/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    await connection.send(head.encode())
    assert code(await connection.answer()) == (401, "unauthenticated")
    await connection.send(b" ")


async def ask_for_health(connection: RawConnection) -> None:
    """Be polite, but hold the connection."""
    assert (await connection.request("GET", "/health/live"))[0] == 200


async def be_silent(connection: RawConnection) -> None:
    """Hold the connection with half a request."""
    await connection.send(b"GET /v1/st")


@pytest.mark.parametrize("hold", [drip, ask_for_health, be_silent])
async def test_connections_without_a_token_give_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: Callable[[RawConnection], Awaitable[None]]
) -> None:
    monkeypatch.setattr(slots, "GRACE_SECONDS", 0.0)
    async with locked(tmp_path) as running, contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            for connection in await opened(stack, running.url):
                await hold(connection)
            async with connected(running.url) as client:
                assert (await client.request("GET", "/v1/stores", WITH_TOKEN))[0] == 200


async def test_health_is_told_when_all_slots_are_held_with_a_token(tmp_path: Path) -> None:
    async with locked(tmp_path) as running, contextlib.AsyncExitStack() as stack:
        for connection in await opened(stack, running.url):
            assert (await connection.request("GET", "/v1/stores", WITH_TOKEN))[0] == 200
        await opened(stack, running.url, 3 * MOST)  # in excess, and silent
        for path in HEALTH:
            async with connected(running.url) as client:
                assert (await client.request("GET", path))[0] == 200
                await client.closed()
        async with connected(running.url) as client:
            assert code(await client.request("GET", "/v1/stores", WITH_TOKEN)) == (503, "overloaded")


async def test_a_connection_that_came_a_moment_ago_keeps_its_slot(tmp_path: Path) -> None:
    async with locked(tmp_path) as running, contextlib.AsyncExitStack() as stack:
        first, *_ = await opened(stack, running.url)
        async with connected(running.url) as client:
            assert code(await client.request("GET", "/v1/stores", WITH_TOKEN)) == (503, "overloaded")
        assert (await first.request("GET", "/v1/stores", WITH_TOKEN))[0] == 200


@asynccontextmanager
async def with_few_descriptors(folder: Path) -> AsyncGenerator[str, None]:
    """A node of the default settings that may open few files; its address."""
    command = [sys.executable, "-m", "gater", "serve", "--port", "0", "--data-dir", str(folder), "--store", "orders"]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "GATER_LOG_FORMAT": "text"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"http://" not in (line := await process.stdout.readline()):
                assert line
        yield "http://" + line.decode().partition("http://")[2].split()[0]
    finally:
        process.terminate()
        await process.wait()


async def test_descriptors_are_left_for_health_and_for_files(tmp_path: Path) -> None:
    async with with_few_descriptors(tmp_path) as url, contextlib.AsyncExitStack() as stack:
        for connection in await opened(stack, url, DESCRIPTORS):
            await be_silent(connection)
        for path in HEALTH:
            async with connected(url) as client:
                assert (await client.request("GET", path))[0] == 200
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            while (made := await client.post("/v1/stores", json={"store": "another"})).status_code == 503:
                await asyncio.sleep(0.1)
            assert made.status_code == 201
