"""A real uvicorn server with RPC on a free port, and a gateway whose answers the test decides."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import uvicorn

from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import Origin
from gater.model.outcome import Done
from gater.server.rpc import RpcEndpoint


class ScriptedGateway:
    """Keeps each call until the test answers it, and streams what the test puts in."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[Operation[Any], Done]] = asyncio.Queue()
        self.streams: asyncio.Queue[ScriptedStream] = asyncio.Queue()

    def dispatch(self, operation: Operation[Any], origin: Origin, done: Done) -> None:
        self.calls.put_nowait((operation, done))

    def stream(self, operation: StreamingOperation[Any], origin: Origin) -> AsyncGenerator[Any, None]:
        stream = ScriptedStream(operation)
        self.streams.put_nowait(stream)
        return stream.items()


class ScriptedStream:
    """A stream of the items that the test puts in; an exception ends it, None completes it."""

    def __init__(self, operation: StreamingOperation[Any]) -> None:
        self.operation = operation
        self.source: asyncio.Queue[Any] = asyncio.Queue()
        self.asked = 0
        self.closed = asyncio.Event()

    async def items(self) -> AsyncGenerator[Any, None]:
        try:
            while True:
                self.asked += 1
                item = await self.source.get()
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed.set()


class RpcServer:
    """A server that serves nothing but RPC."""

    def __init__(self, dispatcher: Any, *, port: int = 0, **options: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        endpoint = RpcEndpoint(dispatcher, **options)
        self._config = uvicorn.Config(
            _no_http, ws=endpoint.protocol_class, http="httptools", lifespan="off", log_config=None
        )
        self._server = uvicorn.Server(self._config)

    @property
    def connections(self) -> set[Any]:
        """The connections that are open now."""
        return self._server.server_state.connections

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The tasks of open streams."""
        return self._server.server_state.tasks

    async def start(self) -> Self:
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._socket])
        return self

    async def stop(self) -> None:
        """Drain, then stop; as uvicorn does on SIGTERM."""
        await self._server.shutdown(sockets=[self._socket])

    async def break_down(self) -> None:
        """Stop listening and cut every connection, as a crash does."""
        for listener in self._server.servers:
            listener.close()
        self._socket.close()
        for connection in list(self.connections):
            connection.transport.disconnect(graceful=False)


@asynccontextmanager
async def serving(dispatcher: Any, **options: Any) -> AsyncIterator[RpcServer]:
    """A server that runs while the context lasts."""
    server = await RpcServer(dispatcher, **options).start()
    try:
        yield server
    finally:
        await server.break_down()


async def _no_http(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
