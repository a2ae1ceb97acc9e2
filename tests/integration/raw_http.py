"""Requests as bytes, for what no client of HTTP would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec


class RawConnection:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send these bytes; what the server does not take any more is lost."""
        self._writer.write(data)
        await self._writer.drain()

    async def request(self, method: str, target: str, *headers: str, body: bytes = b"") -> tuple[int, Any]:
        """The answer to a request, made exactly so."""
        await self.send(
            "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode() + body
        )
        return await self.answer()

    async def answer(self) -> tuple[int, Any]:
        """The next answer: its status, and its JSON if it has any."""
        async with asyncio.timeout(20):
            head = await self._reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
            body = await self._reader.readexactly(int(fields.get(b"content-length", b"0")))
        return int(head.split(b" ")[1]), msgspec.json.decode(body) if body else None

    async def closed(self) -> None:
        """Return when the server has closed the connection."""
        async with asyncio.timeout(20):
            try:
                await self._reader.read()
            except ConnectionError:
                return


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[RawConnection, None]:
    """A connection to the server at this address."""
    host, _, port = url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    """The status and the code of an answer that is an error."""
    return answer[0], answer[1]["error"]["code"]
