"""One RPC connection of the server: what its session accepts is carried out, and answered bundle by bundle.

A call gets no task of its own: the gateway calls back, and all answers of one turn of the event loop leave in one
message. A stream has a task, which waits for the client's credit. While the client does not read what was sent, nothing
more is read from it, begun for it or sent to its streams.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, Final, Protocol

from picows import WSCloseCode, WSMsgType, WSTransport

from gater.api.operations import Operation, StreamingOperation
from gater.model.errors import GaterError, InternalError, ValidationError
from gater.server.rpc_requests import STREAMING, decode_operation
from gater.wire.codec import HEADROOM
from gater.wire.frames import Cancel, ClientFrame, Request
from gater.wire.message_listener import MessageListener
from gater.wire.server_session import ServerSession, SessionLimits
from gater.wire.terms import FULL_BUNDLE_BYTES

TURN_REQUESTS: Final = 256
"""Requests of one connection that are begun before others have their turn."""
PAUSE_BYTES: Final = 1 << 20
"""Unsent bytes from which a connection counts as one that does not read."""
MOST_UNSENT_BYTES: Final = 64 << 20
"""Unsent bytes at which a connection is given up."""
CLOSE_SECONDS: Final = 2.0
"""How long a client may take to answer a closing handshake."""

SHUTTING_DOWN: Final = "the server is shutting down"

log = logging.getLogger(__name__)


class Dispatcher(Protocol):
    """What carries operations out; the Gateway does."""

    def dispatch(self, operation: Operation[Any], done: Callable[[Any, GaterError | None], None]) -> None:
        """Run a call; `done(answer, error)` is called once, on the loop, maybe before this returns."""
        ...

    def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation."""
        ...


class Authorise(Protocol):
    """Decides what a caller may do."""

    def __call__(self, principal: Any, operation: Operation[Any]) -> None:
        """Raises PermissionDeniedError when the principal may not run this operation."""
        ...


class _OpenStream:
    """The task that sends a stream's items, and what it waits for."""

    __slots__ = ("task", "wake")

    def __init__(self, task: asyncio.Task[None], wake: asyncio.Event) -> None:
        self.task = task
        self.wake = wake


class RpcConnection(MessageListener):
    """A connected client."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        principal: Any,
        authorise: Authorise | None,
        limits: SessionLimits,
        max_message_bytes: int,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        """`tasks`: where the tasks of open streams are kept, for whoever stops the server to wait for."""
        super().__init__(max_message_bytes)
        self._dispatch = dispatcher.dispatch
        self._stream_of = dispatcher.stream
        self._principal = principal
        self._authorise = authorise
        self._session = ServerSession(STREAMING, limits)
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, _OpenStream] = {}
        self._accepted: deque[Request] = deque()
        self._turn_over = False
        self._proceeding = False
        self._flushing = False
        self._paused = False
        self._draining = False
        self._closing = False
        self._close_timer: asyncio.TimerHandle | None = None
        self._transport: WSTransport

    # --- what the WebSocket tells ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=PAUSE_BYTES)

    def on_close(self, code: int) -> None:
        """The client leaves."""
        self._close(WSCloseCode.OK)
        self._transport.disconnect()

    def on_violation(self, reason: str) -> None:
        """The client broke the protocol."""
        if not self._closing:
            self._session.break_off(ValidationError("message", reason))
            self._close(WSCloseCode.PROTOCOL_ERROR)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone: nobody waits for anything any more."""
        self._stop()
        if self._close_timer is not None:
            self._close_timer.cancel()

    def pause_writing(self) -> None:
        """The client does not read: stop reading from it."""
        self._paused = True
        if not self._closing:
            self._transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        if not self._closing:
            self._transport.underlying_transport.resume_reading()
            self._proceed_soon()
            for stream in self._streams.values():
                stream.wake.set()

    # --- requests ---

    def on_message(self, message: bytes) -> None:
        """A bundle of frames arrived."""
        session = self._session
        for frame in session.receive(message):
            if type(frame) is Request:
                self._accepted.append(frame)
            else:
                self._adjust_stream(frame)
        if session.outgoing.frames:
            self._flush_soon()
        if session.broken is not None:
            self._close(WSCloseCode.PROTOCOL_ERROR)
        elif not self._proceeding:
            self._proceed()

    def _adjust_stream(self, frame: ClientFrame) -> None:
        stream = self._streams.get(frame.id)
        if stream is not None:
            if type(frame) is Cancel:
                stream.task.cancel()
            else:
                stream.wake.set()

    def _proceed(self) -> None:
        """Begin what was accepted, as much as is one connection's turn."""
        self._proceeding = self._turn_over = False
        accepted = self._accepted
        for _ in range(TURN_REQUESTS):
            if not accepted or self._turn_over or self._paused:
                break
            self._begin(accepted.popleft())
        if accepted and not self._paused:
            self._proceed_soon()

    def _proceed_soon(self) -> None:
        if not self._proceeding:
            self._proceeding = True
            self._loop.call_soon(self._proceed)

    def _begin(self, request: Request) -> None:
        request_id = request.id
        try:
            operation = decode_operation(request)
            if self._authorise is not None:
                self._authorise(self._principal, operation)
            if operation.streaming:
                self._open(request_id, operation)
            else:
                self._dispatch(operation, partial(self._answer, request_id))
        except GaterError as error:
            self._answer(request_id, None, error)
        except Exception as error:
            log.exception("request failed", extra={"operation": request.operation})
            self._answer(request_id, None, _internal(error))

    def _answer(self, request_id: int, answer: Any, error: GaterError | None) -> None:
        if self._closing:
            return
        if error is None:
            self._session.answer(request_id, answer)
        else:
            self._session.fail(request_id, error)
        if self._session.calls:
            self._flush_soon()
        else:
            self._flush()  # there is no other answer to wait for

    # --- streams ---

    def _open(self, request_id: int, operation: Any) -> None:
        if not self._session.is_open(request_id):
            return
        wake = asyncio.Event()
        task = self._loop.create_task(self._run_stream(request_id, operation, wake))
        self._streams[request_id] = _OpenStream(task, wake)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_stream(self, request_id: int, operation: StreamingOperation[Any], wake: asyncio.Event) -> None:
        try:
            await self._send_items(request_id, operation, wake)
            self._session.end(request_id)
        except GaterError as error:
            self._session.fail(request_id, error)
        except Exception as error:
            log.exception("stream failed", extra={"operation": operation.name})
            self._session.fail(request_id, _internal(error))
        finally:
            self._streams.pop(request_id, None)
        self._flush_soon()

    async def _send_items(self, request_id: int, operation: StreamingOperation[Any], wake: asyncio.Event) -> None:
        session = self._session
        items = self._stream_of(operation)
        try:
            while True:
                while self._paused or not session.may_send(request_id):
                    wake.clear()
                    await wake.wait()
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
                session.item(request_id, item)
                self._flush_soon()
        finally:
            await items.aclose()

    # --- sending ---

    def _flush_soon(self) -> None:
        """Send what is outgoing when this turn of the event loop ends, or now if it is much."""
        if self._session.outgoing.size > FULL_BUNDLE_BYTES:
            self._turn_over = True
            self._send()
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._send()
        if self._draining and not self._session.calls and not self._closing:
            self._session.say_goodbye(SHUTTING_DOWN)
            self._close(WSCloseCode.GOING_AWAY)

    def _send(self) -> None:
        bundle = self._session.outgoing
        if bundle.frames and not self._closing:
            self._transport.send_reuse_external_bytearray(WSMsgType.BINARY, bundle.take(), HEADROOM)
            if self._paused and self._unsent_bytes() > MOST_UNSENT_BYTES:
                log.warning("client does not read", extra={"unsent_bytes": self._unsent_bytes()})
                self._stop()
                self._transport.disconnect(graceful=False)

    def _unsent_bytes(self) -> int:
        return self._transport.underlying_transport.get_write_buffer_size()

    # --- ending ---

    def drain(self) -> None:
        """Take no more requests, answer what is under way, then close; streams end at once."""
        if self._closing or self._draining:
            return
        self._draining = True
        self._session.drain(SHUTTING_DOWN)
        for stream in self._streams.values():
            stream.task.cancel()
        for request in self._accepted:
            self._session.forget(request.id)
        self._accepted.clear()
        self._flush_soon()

    def _close(self, code: WSCloseCode) -> None:
        """Send what is outgoing and the closing handshake; the client's side of it is waited for, not for long."""
        if not self._closing:
            self._send()
            self._stop()
            self._transport.send_close(code)
            if self._paused:
                self._transport.underlying_transport.resume_reading()
            self._close_timer = self._loop.call_later(CLOSE_SECONDS, self._transport.disconnect, False)

    def _stop(self) -> None:
        """Let go of everything that is under way."""
        self._closing = True
        self._accepted.clear()
        for stream in self._streams.values():
            stream.task.cancel()


def _internal(error: Exception) -> InternalError:
    return InternalError(message=f"{type(error).__name__}: {error}")
