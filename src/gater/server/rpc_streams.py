"""The open streams of one RPC connection: a task for each, which waits for the client's credit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from gater.api.operation import StreamingOperation
from gater.model.errors import GaterError, InternalError, StoreUnavailableError
from gater.server.outgoing import PAGE_ROOM, Outlet
from gater.wire.frames import Cancel, ClientFrame
from gater.wire.server_session import ServerSession

log = logging.getLogger(__name__)

StreamOf = Callable[[StreamingOperation[Any]], AsyncGenerator[Any, None]]


class _Stream:
    """One stream: what it sends, and what it waits for."""

    def __init__(self, request_id: int, operation: StreamingOperation[Any]) -> None:
        self.request_id = request_id
        self.operation = operation
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None]


class RpcStreams:
    """Sends the items of each open stream as far as its credit goes, and nothing while the client does not read."""

    def __init__(
        self,
        stream_of: StreamOf,
        session: ServerSession,
        tasks: set[asyncio.Task[None]],
        sent: Callable[[], None],
        outlet: Outlet,
    ) -> None:
        """`tasks`: where running tasks are kept; `sent` is called when the session has something to send.

        `outlet` says when there is room for large items.
        """
        self._stream_of = stream_of
        self._session = session
        self._tasks = tasks
        self._sent = sent
        self._outlet = outlet
        self._open: dict[int, _Stream] = {}
        self._paused = False

    def open(self, request_id: int, operation: StreamingOperation[Any]) -> None:
        """Begin a stream, if the client has not cancelled it already."""
        if self._session.is_open(request_id):
            stream = self._open[request_id] = _Stream(request_id, operation)
            stream.task = asyncio.get_running_loop().create_task(self._run(stream))
            self._tasks.add(stream.task)
            stream.task.add_done_callback(self._tasks.discard)

    def adjust(self, frame: ClientFrame) -> None:
        """Do what a Cancel or a Grant asks for."""
        stream = self._open.get(frame.id)
        if stream is None:
            return
        if type(frame) is Cancel:
            del self._open[frame.id]
            stream.task.cancel()
        else:
            stream.wake.set()

    def pause(self) -> None:
        """Send nothing for now."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        for stream in self._open.values():
            stream.wake.set()

    def cancel_all(self) -> None:
        """End every stream without a word."""
        for stream in self._open.values():
            stream.task.cancel()
        self._open.clear()

    def let_go(self) -> None:
        """The connection is gone: refer to it no longer, so that its memory goes at once."""
        self._stream_of, self._sent = _nothing, _nothing

    async def _run(self, stream: _Stream) -> None:
        error: GaterError | None = None
        try:
            await self._send_items(stream)
        except GaterError as ended:
            error = ended
        except Exception as defect:
            log.exception("stream failed", extra={"operation": stream.operation.name})
            error = internal_error(defect)
        # The client may have cancelled meanwhile, and given the id to another stream.
        if self._open.get(stream.request_id) is stream:
            del self._open[stream.request_id]
            if error is None:
                self._session.end(stream.request_id)
            else:
                self._session.fail(stream.request_id, error)
            self._sent()

    async def _send_items(self, stream: _Stream) -> None:
        """Send item by item. What is read is sent in the same turn: between two, a stream holds nothing."""
        await self._may_go_on(stream, PAGE_ROOM)
        items = self._stream_of(stream.operation)
        try:
            while True:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
                size = await self._send(stream, item)
                del item
                self._sent()
                await asyncio.sleep(0)
                await self._may_go_on(stream, size)
        finally:
            await items.aclose()

    async def _may_go_on(self, stream: _Stream, size: int) -> None:
        """Return when the client reads, has given credit, and there is room for an item that is like the last one."""
        while True:
            while self._paused or not self._session.may_send(stream.request_id):
                stream.wake.clear()
                await stream.wake.wait()
            await self._outlet.room(size)
            if not self._paused and self._session.may_send(stream.request_id):
                return

    async def _send(self, stream: _Stream, item: Any) -> int:
        """Give an item to the session as soon as there is room for it; its bytes."""
        while True:
            while self._paused:
                stream.wake.clear()
                await stream.wake.wait()
            size = self._session.item(stream.request_id, item)
            if size >= 0:
                return size
            await self._outlet.room(-size)


def _nothing(*_: Any) -> Any:
    """Work that is left for a closed connection."""
    raise StoreUnavailableError(reason="the connection is gone")


def internal_error(defect: Exception) -> InternalError:
    """The error that a client is told about a defect of the server."""
    return InternalError(message=f"{type(defect).__name__}: {defect}")
