"""Clients and servers that break the protocol, or strain it: each gets a defined answer, and nobody else suffers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server

from gater.client.connecting import connect
from gater.model.errors import InternalError
from gater.model.limits import Limits
from gater.server.rpc_connection import TURN_REQUESTS
from gater.wire.terms import largest_client_message
from tests.integration.rpc_server import ScriptedGateway, serving


class PlainClient(WSListener):
    """Sends what it is told, keeps what it gets."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.reason = ""
        """What the server says when it closes."""
        self.transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self.closed.set_result(frame.get_close_code().value)
            self.reason = (frame.get_close_message() or b"").decode()
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type is WSMsgType.BINARY:
            for decoded in msgspec.msgpack.decode(frame.get_payload_as_bytes()):
                self.frames.put_nowait(decoded)

    def send(self, *frames: Any) -> None:
        self.send_bytes(msgspec.msgpack.encode(frames))

    def send_bytes(self, message: bytes, kind: WSMsgType = WSMsgType.BINARY, fin: bool = True) -> None:
        self.transport.send(kind, message, fin=fin)

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass


@asynccontextmanager
async def plain_client(port: int) -> AsyncIterator[PlainClient]:
    """A client that follows no rules of its own."""
    transport, client = await ws_connect(PlainClient, f"ws://127.0.0.1:{port}/rpc", max_frame_size=1 << 30)
    assert isinstance(client, PlainClient)
    try:
        yield client
    finally:
        transport.disconnect(graceful=False)
        await transport.wait_disconnected()


def _version_request(request_id: int) -> list[Any]:
    return [0, request_id, "get_version", ["orders", str(request_id)]]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x91\x92\x63\x01",
        msgspec.msgpack.encode([[5, 1, None]]),
        msgspec.msgpack.encode([[0, 0, "x", []]]),
    ],
    ids=["empty", "not msgpack", "unknown frame", "frame of a server", "id 0"],
)
async def test_malformed_message_is_answered_and_ends_the_connection(message: bytes) -> None:
    async with serving(ScriptedGateway()) as server, plain_client(server.port) as client:
        client.send_bytes(message)
        tag, request_id, code, _, details = await client.frames.get()
        assert (tag, request_id, code, details["field"]) == (4, 0, "validation_error", "message")
        assert await client.closed == 1002
        assert client.reason
        assert details["reason"].startswith(client.reason)


async def test_text_message_ends_the_connection() -> None:
    async with serving(ScriptedGateway()) as server, plain_client(server.port) as client:
        client.send_bytes(b"hello", WSMsgType.TEXT)
        assert (await client.frames.get())[:3] == [4, 0, "validation_error"]
        assert (await client.closed, client.reason) == (1003, "messages are binary")


async def test_id_that_is_under_way_ends_the_connection() -> None:
    async with serving(ScriptedGateway()) as server, plain_client(server.port) as client:
        client.send(_version_request(1))
        client.send(_version_request(1))
        assert (await client.frames.get())[:2] == [4, 0]
        assert await client.closed == 1002


async def test_message_in_several_frames_is_understood() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        message = msgspec.msgpack.encode([_version_request(1)])
        client.send_bytes(message[:5], fin=False)
        client.transport.send_ping(b"between")
        client.send_bytes(message[5:9], WSMsgType.CONTINUATION, fin=False)
        client.send_bytes(message[9:], WSMsgType.CONTINUATION)
        _, done = await gateway.calls.get()
        done(7, None)
        assert await client.frames.get() == [3, 1, 7]


async def test_frames_out_of_order_end_the_connection() -> None:
    async with serving(ScriptedGateway()) as server, plain_client(server.port) as client:
        client.send_bytes(b"\x90", WSMsgType.CONTINUATION)
        assert (await client.closed, client.reason) == (1002, "a part of no message")


@pytest.mark.parametrize("parts", [1, 2])
async def test_message_above_the_limit_ends_the_connection(parts: int) -> None:
    limits = Limits(max_request_bytes=1_000)
    part = b"\x00" * (largest_client_message(limits) // parts + 1)
    async with serving(ScriptedGateway(), limits=limits) as server, plain_client(server.port) as client:
        client.send_bytes(part, fin=parts == 1)
        if parts == 2:
            client.send_bytes(part, WSMsgType.CONTINUATION)
        assert await client.closed == 1009
        assert client.reason


async def test_unknown_operation_fails_alone() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.send([0, 1, "no_such_thing", []], _version_request(2))
        _, request_id, code, _, details = await client.frames.get()
        assert (request_id, code, details["argument"]) == (1, "invalid_argument", "operation")
        _, done = await gateway.calls.get()
        done(1, None)
        assert await client.frames.get() == [3, 2, 1]


@pytest.mark.parametrize(
    "arguments", [[], ["orders"], [1, 2], {"store": "orders"}, None, "orders", ["orders", b"\xff"]]
)
async def test_arguments_that_do_not_fit_fail_alone(arguments: Any) -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.send([0, 1, "get_version", arguments])
        assert (await client.frames.get())[:3] == [4, 1, "validation_error"]
        assert gateway.calls.empty()


async def test_cancelled_stream_that_was_not_begun_is_not_begun() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.send([0, 1, "scan_all", ["orders"], 5], [1, 1], _version_request(2))
        _, done = await gateway.calls.get()
        done(1, None)
        assert await client.frames.get() == [3, 2, 1]
        assert gateway.streams.empty()


async def test_id_of_a_cancelled_stream_may_be_used_for_another() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.send([0, 1, "scan_all", ["orders"], 5])
        first = await gateway.streams.get()
        client.send([1, 1], [0, 1, "backup", ["orders"], 5])
        second = await gateway.streams.get()
        await first.closed.wait()
        second.source.put_nowait(b"chunk")
        second.source.put_nowait(None)
        assert [await client.frames.get() for _ in range(2)] == [[5, 1, b"chunk"], [6, 1]]


async def test_junk_harms_nobody_else() -> None:
    chance = random.Random(7)
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as good:
        for number in range(1, 101):
            async with plain_client(server.port) as bad:
                bad.send_bytes(chance.randbytes(chance.randrange(200)))
                assert await bad.closed == 1002
            good.send(_version_request(number))
            _, done = await gateway.calls.get()
            done(number, None)
            assert await good.frames.get() == [3, number, number]


async def test_nothing_more_is_begun_for_a_client_that_does_not_read() -> None:
    class Generous:
        """Answers each call at once, with much."""

        begun = 0

        def dispatch(self, operation: Any, origin: Any, done: Any) -> None:
            self.begun += 1
            done("x" * (1 << 20), None)

        stream = None

    gateway = Generous()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.transport.underlying_transport.pause_reading()
        client.send(*[_version_request(number) for number in range(1, 1_001)])
        [connection] = server.connections
        await _settled(lambda: gateway.begun)
        assert gateway.begun < 32
        assert connection.listener._unsent_bytes() < 32 << 20
        client.transport.underlying_transport.resume_reading()
        answered = [(await client.frames.get())[1] for _ in range(1_000)]
        assert answered == list(range(1, 1_001))


async def test_stream_waits_for_a_client_that_does_not_read() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.send([0, 1, "backup", ["orders"], 1_000_000])
        stream = await gateway.streams.get()
        client.transport.underlying_transport.pause_reading()
        for _ in range(100):
            stream.source.put_nowait(b"x" * (1 << 20))
        stream.source.put_nowait(None)
        await _settled(lambda: stream.asked)
        assert stream.asked < 32
        client.transport.underlying_transport.resume_reading()
        assert [(await client.frames.get())[0] for _ in range(101)] == [5] * 100 + [6]


async def test_client_that_leaves_too_much_unread_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gater.server.rpc_connection.MOST_UNSENT_BYTES", 2 << 20)
    gateway = ScriptedGateway()
    async with serving(gateway) as server, plain_client(server.port) as client:
        client.transport.underlying_transport.pause_reading()
        client.send(*[_version_request(number) for number in range(1, 41)])
        for _ in range(40):
            _, done = await gateway.calls.get()
            done("x" * (1 << 20), None)
        await _settled(lambda: len(server.connections))
        assert not server.connections
    assert "does not read" in caplog.text


async def test_client_with_much_to_do_gives_others_their_turn() -> None:
    order: list[str] = []

    class Noting:
        def dispatch(self, operation: Any, origin: Any, done: Any) -> None:
            order.append(operation.store)
            done(0, None)

        stream = None

    async with serving(Noting()) as server, plain_client(server.port) as busy, plain_client(server.port) as other:
        busy.send(*[[0, number, "get_version", ["busy", "s"]] for number in range(1, 8 * TURN_REQUESTS + 1)])
        other.send([0, 1, "get_version", ["other", "s"]])
        assert await other.frames.get() == [3, 1, 0]
        for _ in range(8 * TURN_REQUESTS):
            await busy.frames.get()
    assert order.index("other") <= 4 * TURN_REQUESTS


@pytest.mark.parametrize(
    "message",
    [b"\xc1", msgspec.msgpack.encode([[0, 1, "get", []]]), msgspec.msgpack.encode([[3, 99, None]]), b"text"],
    ids=["not msgpack", "frame of a client", "nobody asked", "text"],
)
async def test_server_that_breaks_the_protocol_is_an_internal_error(message: bytes) -> None:
    class BadServer(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type is WSMsgType.BINARY:
                transport.send(WSMsgType.TEXT if message == b"text" else WSMsgType.BINARY, message)

    bad = await ws_create_server(lambda request: BadServer(), "127.0.0.1", 0)
    async with bad, connect(f"127.0.0.1:{bad.sockets[0].getsockname()[1]}", timeout=0.5) as api:
        with pytest.raises(InternalError, match="what was asked may have been done"):
            await api.create_store("orders")


async def _settled(measure: Any) -> None:
    """Return when a number has not changed for a while."""
    last = None
    while (now := measure()) != last:
        last = now
        await asyncio.sleep(0.2)
