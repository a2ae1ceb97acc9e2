"""Clients that ask for much and read nothing of the answers."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from gater.api.operation import Operation
from gater.wire.codec import HEADROOM, Bundle
from gater.wire.frames import Request

RECEIVE_BYTES: Final = 16 << 10
"""What a client's side of a connection takes in without being read."""
ANSWER_SECONDS: Final = 20.0


class StalledClient:
    """One connection that sends, and reads no more than it is told to."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, url: str) -> Self:
        """A connection to the server at this address."""
        address = urlsplit(url)
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        await asyncio.get_running_loop().sock_connect(connection, (address.hostname, address.port))
        return cls(connection)

    async def send(self, data: bytes) -> None:
        """Send these bytes, or what of them the server takes before it closes the connection."""
        try:
            await self._loop.sock_sendall(self._socket, data)
        except ConnectionError:
            return

    async def begun(self) -> bytes:
        """The beginning of what the server says; empty when it has closed the connection."""
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                return await self._loop.sock_recv(self._socket, 256)
            except ConnectionError:
                return b""

    async def read(self, size: int) -> None:
        """Read so many bytes of what the server says."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while size > 0:
                received = len(await self._loop.sock_recv(self._socket, min(size, 1 << 20)))
                assert received, "the server has closed the connection"
                size -= received

    async def ask(self, target: str, *headers: str) -> bytes:
        """Ask for an HTTP answer; its beginning."""
        await self.get(target, *headers)
        return await self.begun()

    async def get(self, target: str, *headers: str) -> None:
        """Ask for an HTTP answer."""
        await self.send("\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())

    async def upgrade(self) -> None:
        """Go on as an RPC connection."""
        key = base64.b64encode(os.urandom(16)).decode()
        fields = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
        assert (await self.ask("/rpc", *fields)).startswith(b"HTTP/1.1 101")

    async def call(self, operations: list[Operation[Any]], credit: int = 0) -> None:
        """Ask for these in one message; streams may send `credit` items at first."""
        bundle = Bundle()
        for number, operation in enumerate(operations, 1):
            bundle.add(Request(number, operation.name, operation, credit))  # type: ignore[arg-type]
        await self.send_message(bytes(bundle.take()[HEADROOM:]))

    async def send_message(self, message: bytes, size: int | None = None) -> None:
        """Send a message, or as much of it as there is of one of `size` bytes."""
        size = len(message) if size is None else size
        if size < 126:
            head = struct.pack("!BB", 0x82, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x82, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x82, 0x80 | 127, size)
        await self.send(head + bytes(4) + message)

    def close(self) -> None:
        """End the connection, at once."""
        self._socket.close()


class Stalled:
    """Connections that are closed when the context ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open = AsyncExitStack()

    async def http(self) -> StalledClient:
        """One more connection."""
        client = await StalledClient.connect(self._url)
        self._open.callback(client.close)
        return client

    async def rpc(self) -> StalledClient:
        """One more connection for RPC."""
        client = await self.http()
        await client.upgrade()
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()
