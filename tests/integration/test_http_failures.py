"""What every wrong request is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gater.model.errors import StoreUnavailableError
from gater.server import connections
from gater.server.service import HeldBytes
from tests.integration.served import ORDERS, append, client_of, failure, messages, node, served


async def raw_answer(url: str, request: bytes) -> tuple[bytes, Any]:
    """Status line and JSON body of what a socket is answered, until the server closes it."""
    host, _, port = url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    try:
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], json.loads(body)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/stores/orders/nothing", "/v1/stores/orders/streams/s", "/rpc"]
)
async def test_unknown_route_is_not_found(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as client:
        answer = await client.get(path)
        if answer.status_code != 405:
            assert failure(answer, 404, "not_found") == {"kind": "path", "name": path}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/stores", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", f"{ORDERS}/status", {"GET", "HEAD", "OPTIONS"}),
        ("GET", f"{ORDERS}/append", {"POST", "OPTIONS"}),
        ("BREW", "/health/live", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_unknown_method_is_refused_with_those_allowed(
    tmp_path: Path, method: str, path: str, allowed: set[str]
) -> None:
    async with served(tmp_path) as client:
        answer = await client.request(method, path)
        if method == "BREW":
            assert answer.status_code in (400, 405)
        else:
            assert failure(answer, 405, "invalid_argument")["argument"] == "method"
            assert set(answer.headers["allow"].split(", ")) == allowed


async def test_defect_is_an_internal_error_and_the_server_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gater.server.http.streams.written", broken)
    async with served(tmp_path) as client:
        answer = await client.post(f"{ORDERS}/streams/s/events", json=[])
        assert failure(answer, 500, "internal_error") == {}
        assert "ZeroDivisionError" in caplog.text
        assert (await client.get(f"{ORDERS}/streams/s/version")).status_code == 200


async def test_what_may_pass_says_when_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> None:
        raise StoreUnavailableError("orders", "its disk is full")

    monkeypatch.setattr("gater.server.http.streams.written", busy)
    async with served(tmp_path) as client:
        answer = await client.post(f"{ORDERS}/streams/s/events", json=[])
        assert failure(answer, 503, "store_unavailable") == {"store": "orders", "reason": "its disk is full"}
        assert answer.headers["retry-after"] == "1"


async def test_oversized_event_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, max_event_bytes=1_000) as client:
        answer = await client.post(f"{ORDERS}/streams/s/events", json=[{"event_type": "T", "data": "x" * 2_000}])
        assert failure(answer, 413, "event_too_large") == {"size": 2_002, "limit": 1_000}


async def test_body_with_a_too_large_declared_size_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with node(tmp_path, max_event_bytes=1_000, max_request_bytes=10_000) as running:
        request = (
            b"POST /v1/stores/orders/streams/s/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Length: 1000000000\r\n\r\n["
        )
        status, body = await raw_answer(running.url, request)
        assert status.startswith(b"HTTP/1.1 413 ")
        assert body["error"]["code"] == "request_too_large"
        assert body["error"]["details"] == {"size": 1_000_000_000, "limit": 10_000}


async def test_body_that_grows_too_large_is_refused_while_it_comes_in(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 << 20:
            sent += 1 << 16
            yield b" " * (1 << 16)

    async with served(tmp_path, max_event_bytes=1_000, max_request_bytes=1 << 20) as client:
        answer = await client.post(f"{ORDERS}/streams/s/events", content=endless())
        assert failure(answer, 413, "request_too_large")["limit"] == 1 << 20
        assert (await client.get("/health/live")).status_code == 200


async def test_bodies_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_held, go_on = asyncio.Event(), asyncio.Event()
    hold = HeldBytes.hold

    def telling(held: HeldBytes, size: int) -> None:
        hold(held, size)
        if held.count >= 150_000:
            half_held.set()

    async def slow() -> AsyncIterator[bytes]:
        yield b"[" + b" " * 150_000
        await go_on.wait()
        yield b"]"

    monkeypatch.setattr(HeldBytes, "hold", telling)
    async with served(tmp_path, max_waiting_bytes=200_000) as client:
        path = f"{ORDERS}/streams/s/events"
        slow_one = asyncio.ensure_future(client.post(path, content=slow()))
        await half_held.wait()
        answer = await client.post(path, content=b"[" + b" " * 150_000 + b"]")
        assert failure(answer, 503, "overloaded") == {"what": "request bytes", "limit": 200_000}
        go_on.set()
        assert (await slow_one).status_code == 201
        assert (await client.post(path, content=b"[" + b" " * 150_000 + b"]")).status_code == 201


async def test_client_that_leaves_within_a_body_does_no_harm(tmp_path: Path) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        host, _, port = running.url.rpartition("//")[2].partition(":")
        for head in (b"Content-Length: 100", b"Transfer-Encoding: chunked"):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"POST /v1/stores/orders/streams/s/events HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n"
            )
            await writer.drain()
            writer.transport.abort()
        assert (await client.get(f"{ORDERS}/streams/s/version")).json() == {"version": -1}


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused(tmp_path: Path, request_bytes: bytes) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        status, body = await raw_answer(running.url, request_bytes)
        assert status == b"HTTP/1.1 400 Bad Request"
        assert body["error"]["code"] == "invalid_argument"
        assert (await client.get("/health/live")).status_code == 200


async def test_endless_headers_are_refused(tmp_path: Path) -> None:
    async with node(tmp_path) as running:
        status, body = await raw_answer(running.url, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert status.startswith(b"HTTP/1.1 431 ")
        assert body["error"]["code"] == "request_too_large"


async def test_large_body_after_small_headers_is_not_taken_for_headers(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for _ in range(3):
            answer = await client.post(f"{ORDERS}/streams/s/events", json=[{"event_type": "T", "data": "x" * 900_000}])
            assert answer.status_code == 201


async def test_connections_in_excess_are_refused(tmp_path: Path) -> None:
    async with node(tmp_path, max_connections=3) as running:
        host, _, port = running.url.rpartition("//")[2].partition(":")
        kept = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        for reader, writer in kept:
            writer.write(b"GET /v1/stores HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b'"stores"')
        status, body = await raw_answer(running.url, b"GET /v1/stores HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status == b"HTTP/1.1 503 Service Unavailable"
        assert body["error"]["code"] == "overloaded"
        assert body["error"]["details"] == {"what": "connections", "limit": 3}
        kept.pop()[1].close()
        async with asyncio.timeout(5), client_of(running) as client:
            while (await client.get("/v1/stores")).status_code != 200:
                await asyncio.sleep(0.01)
        for _, writer in kept:
            writer.close()


async def test_silent_connections_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    async with node(tmp_path) as running:
        host, _, port = running.url.rpartition("//")[2].partition(":")
        for said in (b"", b"GET /health"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(said)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()


async def test_busy_connection_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    async with served(tmp_path) as client, client.stream("GET", f"{ORDERS}/subscribe") as answer:
        incoming = messages(answer)
        assert (await anext(incoming))["event"] == "caught_up"
        # The connection is looked at every second.
        await asyncio.sleep(1.2)
        await append(client, "s", "T")
        assert (await anext(incoming))["id"] == "1"


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with node(tmp_path) as running:
        host, _, port = running.url.rpartition("//")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        paths = [b"/health/live", b"/nowhere", b"/health/ready"]
        writer.write(b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in paths))
        for expected in (b'{"status":"live"}', b'"not_found"', b'{"status":"ready"}'):
            async with asyncio.timeout(5):
                await reader.readuntil(expected)
        writer.close()


async def test_head_is_answered_with_the_head_of_get(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "s", "A")
        lines = {"accept": "application/x-ndjson"}
        for path, headers in (
            ("/health/live", {}),
            (f"{ORDERS}/streams/s/events", {}),
            (f"{ORDERS}/events", lines),
            (f"{ORDERS}/subscribe", {}),
            ("/v1/stores/nowhere/events", {}),
        ):
            head = await client.head(path, headers=headers)
            async with client.stream("GET", path, headers=headers) as got:
                assert (head.status_code, head.content) == (got.status_code, b"")
                assert head.headers["content-type"] == got.headers["content-type"]
                assert head.headers.get("content-length") == got.headers.get("content-length")
        answer = await client.head(f"{ORDERS}/append")
        assert answer.status_code == 405
