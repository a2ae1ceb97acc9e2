"""Connecting, being refused, losing the connection, and coming back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from picows import WSCloseCode, WSListener, ws_connect, ws_create_server

import gater
from gater.api.operations import ScanAll
from gater.api.origin import Origin
from gater.client.connecting import connect
from gater.model.errors import (
    InternalError,
    OverloadedError,
    PermissionDeniedError,
    RequestTimeoutError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from gater.server.auth import ANONYMOUS
from tests.integration.rpc_server import RpcServer, ScriptedGateway, serving


async def _call(gateway: ScriptedGateway, api: gater.GaterApi, answer: int = 0) -> int:
    call = asyncio.ensure_future(api.get_version("orders", "s"))
    asked = asyncio.ensure_future(gateway.calls.get())
    await asyncio.wait({call, asked}, return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        asked.result()[1](answer, None)
    else:
        asked.cancel()
    return await call


def _token_is(expected: str) -> Any:
    def authenticate(headers: Mapping[str, str], address: str | None) -> Origin:
        if headers.get("authorization") != f"Bearer {expected}":
            raise UnauthenticatedError(message="The token is not known here")
        return ANONYMOUS

    return authenticate


async def _handshake(port: int, path: str = "/rpc", **headers: str) -> tuple[int, dict[str, str], Any]:
    """The status, headers and body that a handshake made by hand gets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *[f"{name}: {value}" for name, value in headers.items()],
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    status = int(head[0].split()[1])
    found = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(found.get("content-length", 0)))
    writer.close()
    await writer.wait_closed()
    return status, found, json.loads(body) if body else None


async def test_connection_is_made_when_it_is_needed() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        assert not server.connections
        assert await _call(gateway, api, 4) == 4
        assert len(server.connections) == 1


async def test_calls_at_the_same_time_share_one_connection() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        assert await asyncio.gather(*[_call(gateway, api, 1) for _ in range(20)]) == [1] * 20
        assert len(server.connections) == 1


async def test_client_may_wait_for_a_server_that_starts_late() -> None:
    gateway = ScriptedGateway()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with connect(f"127.0.0.1:{port}", timeout=20.0) as api:
        call = asyncio.ensure_future(_call(gateway, api, 5))
        await asyncio.wait({call}, timeout=0.1)
        server = await RpcServer(gateway, port=port).start()
        assert await call == 5
        await server.break_down()


async def test_right_token_is_let_in_and_wrong_one_refused() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway, authenticate=_token_is("secret")) as server:
        async with connect(server.url, token="secret") as api:
            assert await _call(gateway, api, 1) == 1
        async with connect(server.url, token="wrong") as api:
            with pytest.raises(UnauthenticatedError, match="not known here"):
                await api.get_version("orders", "s")
        async with connect(server.url) as api:
            with pytest.raises(UnauthenticatedError):
                async for _ in api.subscribe("orders"):
                    pass
        assert not server.connections


async def test_refusals_are_http_answers_with_the_error_as_body() -> None:
    async with serving(ScriptedGateway(), authenticate=_token_is("secret")) as server:
        status, headers, body = await _handshake(server.port)
        assert (status, headers["www-authenticate"]) == (401, "bearer")
        assert body["error"]["code"] == "unauthenticated"
        status, _, body = await _handshake(server.port, "/elsewhere")
        assert (status, body["error"]["code"], body["error"]["details"]["name"]) == (404, "not_found", "/elsewhere")
        status, headers, _ = await _handshake(server.port, "/rpc?x=1", Authorization="Bearer secret")
        assert status == 101
        assert headers["gater-max-request-bytes"] == str(16 << 20)


async def test_defect_in_authentication_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    def authenticate(headers: Mapping[str, str], address: str | None) -> Origin:
        raise ZeroDivisionError("oops")

    async with serving(ScriptedGateway(), authenticate=authenticate) as server, connect(server.url) as api:
        with pytest.raises(InternalError):
            await api.get_version("orders", "s")
    assert "oops" in caplog.text


async def test_one_connection_too_many_is_refused_and_not_tried_again() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway, max_connections=1) as server, connect(server.url) as first:
        assert await _call(gateway, first, 1) == 1
        status, headers, body = await _handshake(server.port)
        assert (status, headers["retry-after"], body["error"]["code"]) == (503, "1", "overloaded")
        async with connect(server.url, timeout=20.0) as second:
            with pytest.raises(OverloadedError) as refused:
                await second.get_version("orders", "s")
            assert (refused.value.what, refused.value.limit) == ("connections", 1)


async def test_forbidden_connection_is_permission_denied() -> None:
    def authenticate(headers: Mapping[str, str], address: str | None) -> Origin:
        raise PermissionDeniedError("connect", message="Not from there")

    async with serving(ScriptedGateway(), authenticate=authenticate) as server, connect(server.url) as api:
        with pytest.raises(PermissionDeniedError, match="Not from there"):
            await api.get_version("orders", "s")


async def test_server_that_speaks_no_rpc_is_unavailable_and_says_what_it_answered() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"127.0.0.1:{port}", timeout=0.3) as api:
            with pytest.raises(StoreUnavailableError, match="200 OK"):
                await api.get_version("orders", "s")


async def test_server_that_never_answers_the_handshake_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with connect(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.2) as api:
            with pytest.raises(StoreUnavailableError, match="cannot be reached"):
                await api.get_version("orders", "s")


async def test_host_that_has_no_address_is_unavailable() -> None:
    for host in ("nowhere.invalid", "a" * 300):
        async with connect(host, timeout=0.3) as api:
            with pytest.raises(StoreUnavailableError, match="cannot be reached"):
                await api.get_version("orders", "s")


async def test_repeatable_call_is_sent_again_after_the_connection_broke() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        call = asyncio.ensure_future(api.get_version("orders", "s"))
        first, _ = await gateway.calls.get()
        _cut(server)
        second, done = await gateway.calls.get()
        assert first == second
        done(6, None)
        assert await call == 6


async def test_append_is_sent_again_with_the_same_event_ids() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        call = asyncio.ensure_future(api.append_events("orders", "s", [gater.NewEvent("T")]))
        first, _ = await gateway.calls.get()
        _cut(server)
        second, done = await gateway.calls.get()
        assert first.writes == second.writes  # type: ignore[attr-defined]
        done([gater.WriteResult(0, 1, "fsync")], None)
        assert await call == gater.WriteResult(0, 1, "fsync")


async def test_call_that_must_not_be_repeated_is_not_sent_again() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        creating = asyncio.ensure_future(api.create_store("new"))
        await gateway.calls.get()
        _cut(server)
        with pytest.raises(StoreUnavailableError, match="may have been done") as lost:
            await creating
        assert lost.value.store == "new"
        assert await _call(gateway, api, 1) == 1
        assert gateway.calls.empty()


async def test_call_is_repeated_until_its_time_is_up() -> None:
    gateway = ScriptedGateway()
    server = await RpcServer(gateway).start()
    async with connect(server.url, timeout=0.4) as api:
        call = asyncio.ensure_future(api.get_version("orders", "s"))
        await gateway.calls.get()
        await server.break_down()
        with pytest.raises((StoreUnavailableError, RequestTimeoutError), match=r"cannot be reached|in time"):
            await call


async def test_server_that_cuts_every_connection_is_not_hammered() -> None:
    connections = 0

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"127.0.0.1:{port}", timeout=0.5) as api:
            with pytest.raises(StoreUnavailableError):
                await api.get_version("orders", "s")
    assert connections < 12


async def test_closing_the_client_closes_the_connection_properly() -> None:
    gateway = ScriptedGateway()
    server = await RpcServer(gateway).start()
    async with connect(server.url) as api:
        assert await _call(gateway, api) == 0
        [connection] = server.connections
    await connection.transport.wait_disconnected()
    assert connection.transport.close_handshake.recv.code == WSCloseCode.OK
    await server.break_down()


async def test_draining_server_answers_what_is_under_way_and_then_closes() -> None:
    gateway = ScriptedGateway()
    server = await RpcServer(gateway).start()
    async with connect(server.url) as api:
        call = asyncio.ensure_future(api.get_version("orders", "s"))
        _, done = await gateway.calls.get()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.wait({stopping}, timeout=0.05)
        done(8, None)
        assert await call == 8
        await stopping
        assert not server.connections


async def test_call_during_draining_goes_to_the_server_that_comes_after_even_if_not_repeatable() -> None:
    gateway, successor = ScriptedGateway(), ScriptedGateway()
    server = await RpcServer(gateway).start()
    async with connect(server.url, timeout=20.0) as api:
        call = asyncio.ensure_future(api.get_version("orders", "s"))
        _, done = await gateway.calls.get()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.wait({stopping}, timeout=0.05)
        creating = asyncio.ensure_future(api.create_store("new"))
        await asyncio.wait({creating}, timeout=0.05)
        done(8, None)
        assert await call == 8
        await stopping
        assert gateway.calls.empty()
        after = await RpcServer(successor, port=server.port).start()
        operation, done = await successor.calls.get()
        assert operation.name == "create_store"
        done(gater.StoreConfig("new", ""), None)
        assert (await creating).store_id == "new"
        await after.break_down()


async def test_draining_server_ends_streams() -> None:
    gateway = ScriptedGateway()
    server = await RpcServer(gateway).start()
    async with connect(server.url) as api:
        pages = api._caller.stream(ScanAll("orders"))
        waiting = asyncio.ensure_future(anext(pages))
        stream = await gateway.streams.get()
        await server.stop()
        with pytest.raises(StoreUnavailableError, match="shutting down"):
            await waiting
        await stream.closed.wait()
        assert not server.tasks


async def test_client_that_answers_no_closing_handshake_does_not_hold_up_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gater.server.rpc_connection.CLOSE_SECONDS", 0.1)
    server = await RpcServer(ScriptedGateway()).start()
    transport, _ = await ws_connect(WSListener, f"ws://127.0.0.1:{server.port}/rpc", enable_auto_pong=False)
    await asyncio.wait_for(server.stop(), 10)
    await transport.wait_disconnected()


async def test_client_notices_a_server_that_has_fallen_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.client.handshake.IDLE_SECONDS", 0.05)
    monkeypatch.setattr("gater.client.handshake.REPLY_SECONDS", 0.05)
    silent = await ws_create_server(lambda request: WSListener(), "127.0.0.1", 0, enable_auto_pong=False)
    async with silent, connect(f"127.0.0.1:{silent.sockets[0].getsockname()[1]}", timeout=20.0) as api:
        with pytest.raises(StoreUnavailableError, match="connection was lost"):
            await api.create_store("orders")


async def test_server_lets_go_of_a_client_that_has_fallen_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.server.rpc.IDLE_SECONDS", 0.05)
    monkeypatch.setattr("gater.server.rpc.REPLY_SECONDS", 0.05)
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        url = f"ws://127.0.0.1:{server.port}/rpc"
        transport, _ = await ws_connect(WSListener, url, enable_auto_pong=False)
        assert await _call(gateway, api) == 0
        assert len(server.connections) == 2
        await transport.wait_disconnected()
        assert await _call(gateway, api) == 0
        assert len(server.connections) == 1


def _cut(server: RpcServer) -> None:
    for connection in list(server.connections):
        connection.transport.disconnect(graceful=False)
