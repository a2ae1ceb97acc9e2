"""A TCP proxy before a server that harms connections at chosen bytes: cuts, drops and delays, in both directions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]
"""To the server, or to the client."""
Harm = Literal["cut", "drop", "delay"]
"""Cut both sides; take everything in and pass nothing on; wait before going on."""

CHUNK = 1 << 16
DELAY_SECONDS = 0.05


@dataclass(frozen=True)
class Fault:
    """What happens to the byte of that number, counted from when the fault was set, and to those after it."""

    direction: Direction
    at: int
    harm: Harm


class FaultyProxy:
    """Passes on what comes, for a block; a fault that is set happens once."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition("//")[2].partition(":")
        self._upstream = host, int(port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault: Fault | None = None
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        """Bytes that came since a fault was set last."""
        self.happened = 0
        """Faults that have happened."""

    @property
    def url(self) -> str:
        """The address of the proxy."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def set(self, fault: Fault | None) -> None:
        """Let this happen next; None: nothing."""
        self._fault = fault
        self.passed = {"up": 0, "down": 0}

    def cut(self) -> None:
        """Cut all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        while self._tasks:
            await asyncio.wait(self._tasks)
            self.cut()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        both = {writer, upstream_writer}
        self._writers |= both
        ways = [
            asyncio.ensure_future(self._carry("up", reader, upstream_writer, both)),
            asyncio.ensure_future(self._carry("down", upstream_reader, writer, both)),
        ]
        await asyncio.wait(ways)
        self._writers -= both
        for one in both:
            one.transport.abort()

    async def _carry(
        self,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: set[asyncio.StreamWriter],
    ) -> None:
        try:
            while data := await reader.read(CHUNK):
                before, self.passed[direction] = self.passed[direction], self.passed[direction] + len(data)
                fault = self._fault
                if fault is None or fault.direction != direction or self.passed[direction] <= fault.at:
                    await _pass_on(writer, data)
                    continue
                self._fault = None
                self.happened += 1
                kept = fault.at - before
                await _pass_on(writer, data[:kept])
                if fault.harm == "cut":
                    break
                if fault.harm == "drop":
                    while await reader.read(CHUNK):
                        pass
                    break
                await asyncio.sleep(DELAY_SECONDS)
                await _pass_on(writer, data[kept:])
        except ConnectionError:
            pass  # one side has gone, which is passed on below
        for one in both:
            one.close()


async def _pass_on(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        await writer.drain()
