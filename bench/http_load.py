"""HTTP appends cost their sender little: raw HTTP/1.1 over kept-alive connections, one request in flight on each."""

from __future__ import annotations

import asyncio
from typing import Final, cast
from urllib.parse import urlsplit

from bench.callers import run_tasks
from bench.payload import EVENT_TYPE, PAYLOAD
from bench.servers import STORE

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"


class Connection(asyncio.Protocol):
    """Sends one request at a time and waits for the whole answer, read no further than its status and length."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._expected: int | None = None
        self._answered: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def send(self, request: bytes) -> None:
        """Raises RuntimeError when the answer is not a 2xx."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._answered

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(RuntimeError("the server closed a kept-alive connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._expected is None:
            end = self._received.find(HEAD_END)
            if end < 0:
                return
            self._expected = end + len(HEAD_END) + _content_length(bytes(self._received[:end]))
        if len(self._received) >= self._expected:
            answer = bytes(self._received)
            self._received.clear()
            self._expected = None
            good = answer.startswith(b"HTTP/1.1 2")
            self._finish(None if good else RuntimeError(answer[:500].decode(errors="replace")))

    def _finish(self, failure: RuntimeError | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if failure is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(failure)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(LENGTH):
            return int(line[len(LENGTH) :])
    raise RuntimeError("an answer without Content-Length")


def append_request(host: str, stream: str) -> bytes:
    """One event of 200 bytes for that stream, as an HTTP client would post it."""
    body = b'{"events":[{"event_type":"%b","data":%b}]}' % (EVENT_TYPE.encode(), PAYLOAD)
    head = (
        f"POST /v1/stores/{STORE}/streams/{stream}/events HTTP/1.1\r\n"
        f"Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def append(target: str, callers: int, seconds: float) -> dict[str, float]:
    """Every caller has its own connection and its own stream; counts requests."""
    address = urlsplit(target)
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(callers):
        _, connection = await loop.create_connection(Connection, address.hostname or "127.0.0.1", address.port or 80)
        connections.append(connection)
    requests = [append_request(address.netloc, f"http-{caller}") for caller in range(callers)]
    result = await run_tasks(callers, lambda caller: connections[caller].send(requests[caller]), seconds=seconds)
    for connection in connections:
        connection.close()
    return result
