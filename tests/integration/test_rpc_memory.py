"""What RPC connections hold of messages that are not whole: bounded together, and let go with the connection."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import struct
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from gater.model.memory_budget import Share
from tests.integration.rpc_server import RpcServer, ScriptedGateway, serving

MESSAGE_BYTES: Final = 16 << 20
SENT_BYTES: Final = 4 << 20


@asynccontextmanager
async def _begun_message(server: RpcServer, sent: int, opcode: int = 0x82) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that has sent the first bytes of a message, and keeps the rest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /rpc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        )
        writer.write(head.encode() + b"Sec-WebSocket-Version: 13\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        size = MESSAGE_BYTES if opcode == 0x82 else sent
        writer.write(bytes([opcode, 0x80 | 127]) + struct.pack("!Q", size) + bytes(4) + bytes(sent))
        await writer.drain()
        yield reader
    finally:
        writer.close()


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("opcode", [0x82, 0x02], ids=["one frame", "several frames"])
async def test_an_unfinished_message_goes_with_its_connection_without_the_garbage_collector(opcode: int) -> None:
    share = Share("requests", 64 << 20)
    async with serving(ScriptedGateway(), share=share) as server:
        gc.collect()
        gc.disable()
        try:
            async with _begun_message(server, SENT_BYTES, opcode):
                await _until(lambda: share.used >= SENT_BYTES - (1 << 20))
                (protocol,) = server.connections
                gone = weakref.ref(protocol)
                listener = weakref.ref(protocol.listener)
                del protocol
            await _until(lambda: not server.connections and gone() is None and listener() is None)
            assert share.used == 0
        finally:
            gc.enable()


async def test_messages_of_many_connections_are_bounded_together() -> None:
    share = Share("requests", 10 << 20)
    async with serving(ScriptedGateway(), share=share) as server:
        async with (
            _begun_message(server, SENT_BYTES),
            _begun_message(server, SENT_BYTES),
            _begun_message(server, SENT_BYTES) as third,
        ):
            await third.readuntil(b"overloaded")
            assert share.refused >= 1
            assert share.used <= share.limit
        await _until(lambda: share.used == 0)
