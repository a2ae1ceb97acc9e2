"""Handshakes and frames as no client of ours makes them: each is refused as HTTP and RFC 6455 say, and logged as
nothing that is wrong with the node.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gater.config.tokens import Token
from tests.integration.raw_http import RawConnection, code, connected
from tests.integration.rpc_server import ScriptedGateway, serving
from tests.integration.served import ORDERS, node

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = "Upgrade: websocket"
CONNECTION = "Connection: Upgrade"
VERSION = "Sec-WebSocket-Version: 13"
PROTOCOL_ERROR, TOO_BIG = 1002, 1009
BINARY, PING, CONTINUATION = 0x2, 0x9, 0x0
FIN = 0x80


def frame(first_byte: int, payload: bytes = b"", *, masked: bool = True) -> bytes:
    """A frame of up to 65,535 bytes, masked with zeros."""
    size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload))
    head = bytes([first_byte, size[0] | (0x80 if masked else 0)]) + size[1:]
    return head + (bytes(4) if masked else b"") + payload


@asynccontextmanager
async def upgraded(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection after its handshake."""
    host, _, port = url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        head = "\r\n".join(["GET /rpc HTTP/1.1", "Host: localhost", UPGRADE, CONNECTION, VERSION, KEY, "", ""])
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield reader, writer
    finally:
        writer.transport.abort()


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code with which the server closes; other frames before that are passed over."""
    async with asyncio.timeout(10):
        while True:
            first, size = await reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await reader.readexactly(2))
            payload = await reader.readexactly(size)
            if first & 0xF == 0x8:
                return int.from_bytes(payload[:2], "big")


@pytest.mark.parametrize(
    "sent",
    [
        *[
            pytest.param(frame(FIN | bit | BINARY, b"\x90"), id=f"reserved {bit:x} of a message")
            for bit in (64, 32, 16)
        ],
        *[pytest.param(frame(FIN | bit | PING), id=f"reserved {bit:x} of a ping") for bit in (64, 32, 16)],
        pytest.param(frame(FIN | BINARY, b"\x90", masked=False), id="not masked"),
        pytest.param(frame(FIN | 0x3), id="unknown kind"),
        pytest.param(frame(FIN | 0xB), id="unknown control frame"),
        pytest.param(frame(FIN | PING, bytes(126)), id="ping too long"),
        pytest.param(frame(PING), id="ping in parts"),
        pytest.param(frame(FIN | CONTINUATION, b"x"), id="part of nothing"),
        pytest.param(frame(BINARY, b"x") + frame(FIN | BINARY, b"y"), id="message within a message"),
        pytest.param(bytes([FIN | BINARY, 0xFE, 0, 5]) + bytes(9), id="length longer than needed"),
        pytest.param(bytes([FIN | BINARY, 0xFF, 0x80]) + bytes(11), id="negative length"),
    ],
)
async def test_a_frame_that_breaks_the_protocol_closes_with_its_code(sent: bytes) -> None:
    async with serving(ScriptedGateway()) as server, upgraded(server.url) as (reader, writer):
        writer.write(sent)
        assert await close_code(reader) == PROTOCOL_ERROR


async def test_a_frame_that_is_too_large_closes_with_its_code() -> None:
    async with serving(ScriptedGateway()) as server, upgraded(server.url) as (reader, writer):
        writer.write(bytes([FIN | BINARY, 0xFF]) + (1 << 40).to_bytes(8, "big") + bytes(4))
        assert await close_code(reader) == TOO_BIG


async def test_a_ping_is_answered_with_its_payload() -> None:
    async with serving(ScriptedGateway()) as server, upgraded(server.url) as (reader, writer):
        writer.write(frame(FIN | PING, b"hello"))
        async with asyncio.timeout(10):
            assert await reader.readexactly(7) == b"\x8a\x05hello"


async def handshake(connection: RawConnection, *headers: str, target: str = "/rpc") -> tuple[int, object]:
    return await connection.request("GET", target, *headers)


@pytest.mark.parametrize("version", ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 99", "X: y"])
async def test_another_version_is_told_which_one_is_spoken(version: str) -> None:
    async with serving(ScriptedGateway()) as server, connected(server.url) as connection:
        await connection.send(
            "\r\n".join(["GET /rpc HTTP/1.1", "Host: localhost", UPGRADE, CONNECTION, KEY, version, "", ""]).encode()
        )
        head = (await connection._reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 426 ")
        assert b"sec-websocket-version: 13\r\n" in head
        await connection.closed()


@pytest.mark.parametrize(
    "key", ["X: y", "Sec-WebSocket-Key: short", "Sec-WebSocket-Key: ÄÖ", "Sec-WebSocket-Key: AAAA"]
)
async def test_a_handshake_without_a_sound_key_is_refused(key: str) -> None:
    async with serving(ScriptedGateway()) as server, connected(server.url) as connection:
        assert code(await handshake(connection, UPGRADE, CONNECTION, VERSION, key)) == (400, "invalid_argument")


async def test_a_browser_that_also_keeps_the_connection_alive_is_served() -> None:
    async with serving(ScriptedGateway()) as server, connected(server.url) as connection:
        answer = await handshake(connection, UPGRADE, "Connection: keep-alive, Upgrade", VERSION, KEY)
        assert answer[0] == 101


STRANGE = ("\xff\xfe", "ÄÖÜ", "\udcff", "a" * 5_000, "\x01", '"', "%ff", "[::1", "http://[", "\u2028")


HEADERS = (
    *("Authorization: Bearer {}", "Authorization: {}", "Host: {}", "Origin: http://{}", "Referer: http://{}"),
    *("Sec-Fetch-Site: {}", "Gater-Expected-Version: {}", "Last-Event-ID: {}", "Accept: {}", "Content-Type: {}"),
    *("Content-Length: {}", "Sec-WebSocket-Protocol: {}", "Sec-WebSocket-Extensions: {}", "X-{}: x"),
)
QUERIES = ("%ff", "\xff", "a=%ff", "after=\udcff", "after=%00", "count=" + "9" * 5_000, "&&=&", "a=b")
TARGETS = ("/rpc", f"{ORDERS}/events", f"{ORDERS}/streams/s/events", f"{ORDERS}/subscribe", "/health/ready", "/metrics")


async def test_strange_headers_and_queries_are_no_defect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = (Token(token="open-sesame", scopes=("read",)),)
    requests = [(target, header.format(strange)) for target in TARGETS for header in HEADERS for strange in STRANGE]
    requests += [(f"{target}?{query}", "X: y") for target in TARGETS for query in QUERIES]
    async with node(tmp_path, tokens=tokens, allow_anonymous=True) as running:
        for target, header in requests:
            more = [UPGRADE, CONNECTION, VERSION, KEY] if target.startswith("/rpc") else []
            more += [] if header.startswith("Host") else ["Host: localhost"]
            text = "\r\n".join([f"GET {target} HTTP/1.1", *more, header, "", ""])
            async with connected(running.url) as connection:
                await connection.send(text.encode("utf-8", "surrogateescape"))
                status = await answered(connection)
            assert status < 500, (target, header)
            if header.startswith("Authorization") and target == "/rpc" and "\x01" not in header:
                assert status == 401, header
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def answered(connection: RawConnection) -> int:
    """The status of the answer."""
    async with asyncio.timeout(10):
        head = await connection._reader.readuntil(b"\r\n\r\n")
    return int(head.split(b" ")[1])
