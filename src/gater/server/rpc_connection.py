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
from time import perf_counter
from typing import Any, Final, cast

from picows import WSCloseCode, WSMsgType, WSTransport

from gater.api.caller import Dispatcher
from gater.api.operation import StreamingOperation
from gater.api.origin import Origin
from gater.model.errors import GaterError, OverloadedError, ValidationError
from gater.model.limits import TURN_SECONDS, Limits
from gater.server.intake import Intake, Intakes
from gater.server.large_requests import LargeRequests
from gater.server.outgoing import Outgoing, Outlet
from gater.server.rpc_large_messages import LargeMessages
from gater.server.rpc_requests import STREAMING, decode_operation
from gater.server.rpc_streams import RpcStreams, internal_error
from gater.server.rpc_transients import Transients
from gater.wire.codec import HEADROOM
from gater.wire.frames import ClientFrame, Request
from gater.wire.message_listener import MessageListener, close_reason
from gater.wire.server_session import SMALL_BYTES, ServerSession, SessionLimits
from gater.wire.terms import FULL_BUNDLE_BYTES

TURN_REQUESTS: Final = 256
"""Requests of one connection that are begun before others have their turn."""
MOST_UNSENT_BYTES: Final = 64 << 20
"""Unsent bytes at which a connection is given up."""
CLOSE_SECONDS: Final = 2.0
"""How long a client may take to answer a closing handshake."""

SHUTTING_DOWN: Final = "the server is shutting down"

log = logging.getLogger(__name__)


class RpcConnection(MessageListener):
    """A connected client."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        origin: Origin,
        limits: SessionLimits,
        max_message_bytes: int,
        tasks: set[asyncio.Task[None]],
        refused: Callable[[GaterError, str | None], object],
        intakes: Intakes,
        outgoing: Outgoing,
        large: LargeRequests | None = None,
        request_limits: Limits | None = None,
    ) -> None:
        """`tasks`: where the tasks of open streams are kept; `refused` takes refusals by a limit, with the address."""
        super().__init__(max_message_bytes)
        self.intake = Intake(intakes, self._make_room)
        """The part of an unfinished message that was read, as told by the reader of the socket."""
        self._dispatch = dispatcher.dispatch
        self._origin = origin
        self._refused = refused
        self._outlet = Outlet(outgoing, self._give_up)
        self._session = ServerSession(STREAMING, limits, self._refusal)
        self._stream = dispatcher.stream
        self._streams = RpcStreams(self._items, self._session, tasks, self._flush_soon, self._outlet)
        self._transients = Transients(dispatcher.dispatch)
        self._loop = asyncio.get_running_loop()
        self._accepted: deque[Request] = deque()
        self._large_messages = LargeMessages(
            large or LargeRequests(),
            request_limits or Limits(),
            intakes.share,
            self._session,
            tasks,
            take=self._take,
            changed=self._reading_changed,
        )
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
        transport.underlying_transport.set_write_buffer_limits(high=SMALL_BYTES)

    def on_close(self, code: int) -> None:
        """The client leaves."""
        self._close(WSCloseCode.OK)
        self._transport.disconnect()

    def on_violation(self, reason: str, code: WSCloseCode = WSCloseCode.PROTOCOL_ERROR) -> None:
        """The client broke the protocol."""
        if not self._closing:
            self._session.break_off(ValidationError("message", reason))
            self._close(code, reason)

    def on_no_room(self) -> None:
        """The share of requests has no room for the rest of the message that comes in: it is not taken."""
        if not self._closing:
            error = OverloadedError("request bytes", self.intake.limit)
            self._note_overload(error)
            self._session.break_off(error)
            self._close(WSCloseCode.TRY_AGAIN_LATER, error)
            self._transport.underlying_transport.pause_reading()

    def _make_room(self) -> None:
        """End a connection that has grown, if nothing is under way on it."""
        if not self._session.calls and not self._session.streams and not self.intake.is_reading:
            self.drain()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Clean up after the connection: its calls and streams end."""
        self._stop()
        if self._close_timer is not None:
            self._close_timer.cancel()
        self.intake.end()
        self._large_messages.let_go()
        self._outlet.end()
        self.let_go()
        self._session.let_go()
        self._streams.let_go()

    def pause_writing(self) -> None:
        """The client does not read: stop reading from it."""
        self._paused = True
        self._outlet.pause()
        self._streams.pause()
        self._reading_changed()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        self._outlet.resume()
        if not self._closing:
            self._reading_changed()
            self._proceed_soon()
            self._streams.resume()

    def _reading_changed(self) -> None:
        """Read from the client, or stop reading: while it does not read, or a large message of it is under way."""
        if not self._closing:
            transport = self._transport.underlying_transport
            if self._paused or self._large_messages.is_busy:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # --- requests ---

    def on_message(self, message: bytes) -> None:
        """A bundle of frames arrived."""
        self.intake.whole()
        if self._closing:
            return
        try:
            if self._large_messages.keeps(message):
                return
        except OverloadedError:
            self.on_no_room()
            return
        self._take(self._session.receive(message))

    def _take(self, frames: list[ClientFrame]) -> None:
        """Begin what the frames of a message ask for."""
        session = self._session
        for frame in frames:
            if type(frame) is Request:
                self._accepted.append(frame)
            else:
                self._streams.adjust(frame)
        if session.outgoing.frames:
            self._flush_soon()
        self._tell_overload()
        if session.broken is not None:
            self._close(WSCloseCode.PROTOCOL_ERROR, session.broken.details.get("reason", session.broken))
        elif not self._proceeding:
            self._proceed()

    def _proceed(self) -> None:
        """Begin what was accepted, as much as is one connection's turn."""
        self._proceeding = self._turn_over = False
        accepted = self._accepted
        end = perf_counter() + TURN_SECONDS
        for _ in range(TURN_REQUESTS):
            if not accepted or self._turn_over or self._paused:
                break
            self._begin(accepted.popleft())
            if perf_counter() > end:
                break
        if accepted and not self._paused:
            self._proceed_soon()

    def _proceed_soon(self) -> None:
        if not self._proceeding:
            self._proceeding = True
            self._loop.call_soon(self._proceed)

    def _begin(self, request: Request) -> None:
        request_id = request.id
        try:
            operation = self._large_messages.operation(request) or decode_operation(request)
            if operation.streaming:
                self._streams.open(request_id, cast("StreamingOperation[Any]", operation))
            else:
                done = self._transients.begin(operation, partial(self._answer, request_id))
                self._dispatch(operation, self._origin, done)
        except GaterError as error:
            self._answer(request_id, None, error)
            if isinstance(error, OverloadedError):
                self._note_overload(error)
        except Exception as error:
            log.exception("request failed", extra={"operation": request.operation})
            self._answer(request_id, None, internal_error(error))

    def _tell_overload(self) -> None:
        if self._session.overload is not None:
            self._turn_over = True
            self._note_overload(self._session.overload)
            self._session.overload = None

    def _note_overload(self, error: OverloadedError) -> None:
        self._refused(error, self._origin.address)

    def _items(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        """The items of a stream of this client."""
        return self._stream(operation, self._origin)

    def _answer(self, request_id: int, answer: Any, error: GaterError | None) -> None:
        if self._closing:
            return
        if self._large_messages.unanswered:
            self._large_messages.answered(request_id)
        if error is None:
            self._session.answer(request_id, answer)
            self._tell_overload()
        else:
            self._session.fail(request_id, error)
        if self._session.calls:
            self._flush_soon()
        else:
            self._flush()  # there is no other answer to wait for

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
            self._close(WSCloseCode.GOING_AWAY, SHUTTING_DOWN)

    def _send(self) -> None:
        bundle = self._session.outgoing
        if bundle.frames and not self._closing:
            size = bundle.size
            self._transport.send_reuse_external_bytearray(WSMsgType.BINARY, bundle.take(), HEADROOM)
            self._outlet.written(size)
            if self._paused and self._unsent_bytes() > MOST_UNSENT_BYTES:
                log.warning("client does not read", extra={"unsent_bytes": self._unsent_bytes()})
                self._give_up()

    def _refusal(self, size: int) -> OverloadedError | None:
        """The reason why an answer of so many bytes cannot be sent now, if it cannot."""
        return None if self._outlet.has_room(size) else self._outlet.overload

    def _give_up(self) -> None:
        """End the connection at once: its client does not read."""
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
        self._streams.cancel_all()
        for request in self._accepted:
            self._session.forget(request.id)
            self._large_messages.answered(request.id)
        self._accepted.clear()
        self._flush_soon()

    def _close(self, code: WSCloseCode, reason: object = "") -> None:
        """Send what is outgoing and the closing handshake; the client's side of it is waited for, not for long."""
        if not self._closing:
            self._send()
            self._stop()
            self._transport.send_close(code, close_reason(reason))
            if self._paused or self._large_messages.is_busy:
                self._transport.underlying_transport.resume_reading()
            self._close_timer = self._loop.call_later(CLOSE_SECONDS, self._cut_off, self._unsent_bytes())

    def _cut_off(self, unsent_before: int) -> None:
        """Wait no longer for the client's side of the closing handshake, unless it is still reading what was sent."""
        unsent = self._unsent_bytes()
        if 0 < unsent < unsent_before:
            self._close_timer = self._loop.call_later(CLOSE_SECONDS, self._cut_off, unsent)
        else:
            self._transport.disconnect(graceful=False)

    def _stop(self) -> None:
        """Let go of everything that is under way."""
        self._closing = True
        self._accepted.clear()
        self._large_messages.close()
        self._streams.cancel_all()
        self._transients.end()
