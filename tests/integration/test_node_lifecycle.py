"""Starting and stopping a node."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import gater
from gater.model.errors import MisconfiguredError, StoreUnavailableError
from tests.integration.served import ORDERS, append, client_of, node


async def test_node_tells_where_it_is_reached(tmp_path: Path) -> None:
    running = node(tmp_path)
    assert running.url == ""
    async with running, client_of(running) as client:
        assert running.url.startswith("http://127.0.0.1:")
        assert not running.url.endswith(":0")
        assert (await client.get("/health/ready")).status_code == 200


async def test_stores_are_made_once_and_found_again(tmp_path: Path) -> None:
    for expected in (0, 1):
        async with node(tmp_path, stores=("orders", "billing")) as running, client_of(running) as client:
            assert (await append(client, "s", "T"))["version"] == expected


async def test_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MisconfiguredError) as caught:
            async with node(tmp_path, port=port):
                pass
    assert caught.value.setting == "port"
    assert caught.value.reason == f"cannot listen on 127.0.0.1 port {port}: {os.strerror(errno.EADDRINUSE)}"
    async with gater.open(tmp_path / "data") as api:
        assert await api.get_streams("orders") == []


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_address_of_another_machine_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        async with node(tmp_path, host=host, allow_anonymous=True, allow_unsigned=True):
            pass
    assert caught.value.setting == "host"


async def test_store_that_is_open_elsewhere_is_refused(tmp_path: Path) -> None:
    async with node(tmp_path):
        with pytest.raises(StoreUnavailableError):
            async with node(tmp_path):
                pass


async def test_node_listens_on_every_address_when_told(tmp_path: Path) -> None:
    async with (
        node(tmp_path, host="0.0.0.0", allow_anonymous=True, allow_unsigned=True) as running,
        client_of(running) as client,
    ):
        assert running.url.startswith("http://127.0.0.1:")
        assert (await client.get("/health/live")).status_code == 200


async def test_node_listens_on_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")
    async with node(tmp_path, host="::1") as running, client_of(running) as client:
        assert running.url.startswith("http://[::1]:")
        assert (await client.get(f"{ORDERS}/status")).status_code == 200


async def test_interpreter_is_as_before_after_a_node(tmp_path: Path) -> None:
    before = sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()
    async with node(tmp_path):
        assert sys.getswitchinterval() < before[0]
    assert (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()) == before


async def test_answers_tell_the_time_and_not_the_server(tmp_path: Path) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        headers = (await client.get("/health/live")).headers
        assert headers["date"].endswith("GMT")
        assert "server" not in headers


async def test_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    running, go_on, asked = node(tmp_path), asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b'[{"event_type": "T"}'
        asked.set()
        await go_on.wait()
        yield b"]"

    async with running, client_of(running) as client:
        assert (await client.get("/health/live")).status_code == 200
        appending = asyncio.ensure_future(client.post(f"{ORDERS}/streams/s/events", content=slow()))
        await asked.wait()
        serving = asyncio.ensure_future(running.serve())
        running.stop()
        async with asyncio.timeout(10):
            await _until_refused(running.url)
            go_on.set()
            assert (await appending).status_code == 201
            await serving
    async with gater.open(tmp_path / "data") as api:
        assert await api.get_version("orders", "s") == 0


async def test_stop_cuts_off_what_takes_longer_than_the_drain_timeout(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = node(tmp_path, drain_timeout=0.1)
    async with running:
        reader, writer = await _half_a_request(running.url)
        running.stop()
        async with asyncio.timeout(10):
            await running.serve()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
    assert "work was cut off" in caplog.text


async def test_second_stop_waits_for_nothing(tmp_path: Path) -> None:
    running = node(tmp_path, drain_timeout=600)
    async with running:
        _, writer = await _half_a_request(running.url)
        serving = asyncio.ensure_future(running.serve())
        running.stop()
        async with asyncio.timeout(10):
            await _until_refused(running.url)
            assert not serving.done()
            running.stop()
            await serving
        writer.close()


async def _accepts(url: str) -> bool:
    host, _, port = url.rpartition("//")[2].partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _until_refused(url: str) -> None:
    """Return when the node accepts nothing more."""
    async with asyncio.timeout(10):
        while await _accepts(url):
            await asyncio.sleep(0.01)


async def _half_a_request(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose request the server has begun to answer, and waits for the end of."""
    host, _, port = url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /v1/stores/orders/streams/s/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
    writer.write(head + b"Expect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


async def test_read_that_waits_for_a_position_does_not_hold_up_the_end(tmp_path: Path) -> None:
    running = node(tmp_path, drain_timeout=0.1)
    async with running, client_of(running) as client:
        path = f"{ORDERS}/streams/s/version?after_position=1000000"
        waiting = asyncio.ensure_future(client.get(path))
        assert (await client.get(f"{ORDERS}/status")).status_code == 200
        async with asyncio.timeout(10):
            running.stop()
            await running.serve()
            with pytest.raises(httpx.TransportError):
                await waiting


async def test_a_child_of_its_process_does_not_end_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with node(tmp_path) as running:
        with monkeypatch.context() as forked:
            forked.setattr(os, "getpid", lambda: 1)
            await running.__aexit__(None, None, None)
        async with gater.connect(running.url) as api:
            assert await api.list_stores()
