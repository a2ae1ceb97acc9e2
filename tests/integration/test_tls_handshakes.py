"""TLS handshakes that do not end: bounded in time and in number, whoever connects beside them."""

from __future__ import annotations

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Any

import pytest

from gater.api.event_loop import new_event_loop
from gater.node import Node
from gater.server import tls_handshakes
from gater.server.slots import Slots
from tests.integration.served import client_of, node
from tests.integration.test_node_tls import SERVER, trusting

ENDED_SECONDS = 10.0


async def silent(running: Node) -> tuple[StreamReader, StreamWriter]:
    """A connection on which the handshake is awaited."""
    return await asyncio.open_connection("127.0.0.1", int(running.url.rpartition(":")[2]))


async def ended(connection: tuple[StreamReader, StreamWriter]) -> bool:
    """Wait until the node has ended a connection."""
    reader, writer = connection
    try:
        async with asyncio.timeout(ENDED_SECONDS):
            while await reader.read(1_000):
                pass
    except ConnectionError:
        pass
    writer.close()
    return True


async def test_a_handshake_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_handshakes, "HANDSHAKE_SECONDS", 0.1)
    async with node(tmp_path, **SERVER) as running:
        began = time.monotonic()
        assert await ended(await silent(running))
        assert time.monotonic() - began < ENDED_SECONDS / 2
        async with client_of(running, verify=trusting()) as client:
            assert (await client.get("/v1/stores")).status_code == 200


async def test_the_oldest_of_too_many_handshakes_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_handshakes, "HANDSHAKE_SECONDS", 60.0)
    async with node(tmp_path, **SERVER, max_connections=8) as running:
        listener: Any = running._listener
        most = listener._handshakes._most
        assert 1 <= most <= 8
        waiting = [await silent(running) for _ in range(most)]
        async with client_of(running, verify=trusting()) as client:
            assert (await client.get("/v1/stores")).status_code == 200
        assert await ended(waiting[0])
        assert len(listener._handshakes._under_way) < most
        for _, writer in waiting[1:]:
            writer.close()


async def test_what_is_no_handshake_ends_its_connection_alone(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER) as running:
        connection = await silent(running)
        connection[1].write(b"GET /v1/stores HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await ended(connection)
        gone = await silent(running)
        gone[1].close()
        async with client_of(running, verify=trusting()) as client:
            assert (await client.get("/v1/stores")).status_code == 200
        listener: Any = running._listener
        assert not listener._handshakes._under_way


async def test_a_node_does_not_wait_for_handshakes_when_it_stops(tmp_path: Path) -> None:
    async with node(tmp_path, **SERVER, drain_timeout=8.0) as running:
        connection = await silent(running)
        async with client_of(running, verify=trusting()) as client:
            assert (await client.get("/v1/stores")).status_code == 200
        began = time.monotonic()
    assert time.monotonic() - began < 4.0
    assert await ended(connection)


def test_a_program_does_not_wait_for_handshakes_when_it_stops(tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(test_a_node_does_not_wait_for_handshakes_when_it_stops(tmp_path))


def test_descriptors_are_left_for_handshakes() -> None:
    for descriptors in (2, 8, 64, 1_000, None):
        slots = Slots(100, print, descriptors, shakes_hands=True)
        assert slots.served >= 1
        if descriptors is not None and descriptors > 2:
            assert slots.served + 2 * slots.excess <= descriptors
