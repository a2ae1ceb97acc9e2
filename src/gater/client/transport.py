"""One WebSocket connection to a server: frames out, bundled per turn of the event loop, and answers to who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from picows import WSCloseCode, WSMsgType, WSTransport

from gater.api.operation import Operation, StreamingOperation
from gater.client.oversize import oversized_event
from gater.client.pending import END, PendingCall, PendingStream
from gater.model.errors import RequestTooLargeError
from gater.model.limits import Limits
from gater.wire.client_session import ClientSession
from gater.wire.codec import HEADROOM
from gater.wire.message_listener import MessageListener, close_reason
from gater.wire.terms import FULL_BUNDLE_BYTES, LARGEST_SERVER_MESSAGE, largest_request, read_limits

FULL_BUNDLE_FRAMES: Final = 32
"""Frames at which a bundle is sent at once: the server works on them while the next are written."""
CLOSE_SECONDS: Final = 2.0
"""How long a server may take to answer a closing handshake."""


class ConnectionLostError(Exception):
    """The connection ended before the answer came."""

    def __init__(self, reason: str, *, begun: bool, violated: bool = False) -> None:
        """`begun`: whether the server may have begun what was asked of it; `violated`: whether asking again is vain."""
        super().__init__(reason)
        self.reason = reason
        self.begun = begun
        self.violated = violated

    def copied(self) -> ConnectionLostError:
        """The same for one of several callers: a raised exception gathers the traces of all who raise it."""
        return ConnectionLostError(self.reason, begun=self.begun, violated=self.violated)


class Connection(MessageListener):
    """A connection on which calls and streams run side by side; once lost, it stays lost."""

    def __init__(self) -> None:
        super().__init__(LARGEST_SERVER_MESSAGE)
        self.lost: ConnectionLostError | None = None
        """Why the connection is no use any more."""
        self.useful = False
        """Whether the server has answered anything on it."""
        self.closed = asyncio.Event()
        """Set when the socket is closed."""
        self._loop = asyncio.get_running_loop()
        self._limits = Limits()
        self._session: ClientSession[PendingCall, PendingStream] = ClientSession()
        self._flushing = False
        self._alone = True
        self._sweep: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        self._transport: WSTransport

    # --- what the WebSocket tells ---

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._limits = read_limits(transport.response.headers)
        self._session = ClientSession(largest_request(self._limits))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is closed."""
        self._lose("it broke")
        self.closed.set()

    def pause_writing(self) -> None:
        """The server does not read; what waits to be sent is bounded by who waits for its answer."""

    def resume_writing(self) -> None:
        """The server reads again."""

    def on_message(self, message: bytes) -> None:
        """A bundle of frames arrived."""
        self.useful = True
        for waiting, frame in self._session.receive(message):
            waiting.take(frame)
        if self._session.broken is not None:
            self.on_violation(str(self._session.broken))

    def on_violation(self, reason: str, code: WSCloseCode = WSCloseCode.PROTOCOL_ERROR) -> None:
        """The server does not speak the protocol."""
        self._lose(f"the server sent what cannot be understood: {reason}", violated=True)
        self._transport.send_close(code, close_reason(reason))
        self._transport.disconnect()

    def on_close(self, code: int) -> None:
        """The server closes."""
        self._lose(f"the server closed it with code {code}")
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()

    def _lose(self, reason: str, *, violated: bool = False) -> None:
        """Fail all waiting calls and streams, once."""
        if self.lost is not None:
            return
        goodbye = self._session.goodbye
        reason = reason if goodbye is None else str(goodbye)
        self.lost = ConnectionLostError(reason, begun=not self._orderly(), violated=violated)
        if self._sweep is not None:
            self._sweep.cancel()
        for call in self._session.calls.values():
            call.lose(self.lost.copied())
        for stream in self._session.streams.values():
            stream.lose(self.lost.copied())

    def _orderly(self) -> bool:
        """Whether the server said that what has no answer was not begun."""
        return self._session.goodbye is not None and self._session.goodbye.code == "store_unavailable"

    # --- calls and streams ---

    async def call(self, operation: Operation[Any], deadline: float | None, seconds: float | None) -> Any:
        """The answer, by `deadline` (a time of the event loop; `seconds` is what it was made of).

        Raises ConnectionLostError when the connection breaks first, RequestTimeoutError when time runs out.
        """
        pending = PendingCall(self._loop.create_future(), operation, deadline, seconds)
        request_id = self._send(self._session.call, pending, operation)
        if self._alone and len(self._session.calls) == 1:
            self._flush()  # a caller that goes one call at a time waits for no others
        if deadline is not None and (self._sweep is None or deadline < self._sweep_at):
            self._sweep_by(deadline)
        try:
            return await pending.future
        except asyncio.CancelledError:
            self._cancel(request_id)
            raise

    async def stream(self, operation: StreamingOperation[Any], window: int) -> AsyncGenerator[Any, None]:
        """The items, of which `window` are asked for ahead; raises ConnectionLostError when the connection breaks."""
        pending = PendingStream(operation)
        request_id = self._send(self._session.open, pending, operation, window)
        step = max(window // 2, 1)
        taken = 0
        try:
            while (item := await pending.next()) is not END:
                taken += 1
                if taken == step:
                    self._session.grant(request_id, taken)
                    self._flush_soon()
                    taken = 0
                yield item
        finally:
            self._cancel(request_id)

    def _send(self, ask: Callable[..., int], pending: Any, operation: Operation[Any], *more: Any) -> int:
        if self.lost is not None:
            raise ConnectionLostError(self.lost.reason, begun=False)
        try:
            request_id = ask(pending, operation.name, operation, *more)
        except RequestTooLargeError as error:
            too_large = oversized_event(operation, self._limits)
            raise error if too_large is None else too_large from None
        self._flush_soon()
        return request_id

    def _cancel(self, request_id: int) -> None:
        if self.lost is None:
            self._session.cancel(request_id)
            self._flush_soon()

    # --- deadlines ---

    def _sweep_by(self, deadline: float) -> None:
        """Look for calls whose time has run out, at `deadline`: one timer serves all calls."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep_at = deadline
        self._sweep = self._loop.call_at(deadline, self._expire_calls)

    def _expire_calls(self) -> None:
        self._sweep = None
        now = self._loop.time()
        deadlines = {id_: call.deadline for id_, call in self._session.calls.items() if call.deadline is not None}
        for request_id, deadline in deadlines.items():
            if deadline <= now:
                self._session.calls[request_id].expire()
                self._cancel(request_id)
        left = [deadline for deadline in deadlines.values() if deadline > now]
        if left:
            self._sweep_by(min(left))

    # --- sending ---

    def _flush_soon(self) -> None:
        """Send what is outgoing when this turn of the event loop ends, or now if it is much."""
        outgoing = self._session.outgoing
        if outgoing.frames >= FULL_BUNDLE_FRAMES or outgoing.size > FULL_BUNDLE_BYTES:
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        bundle = self._session.outgoing
        if bundle.frames and self.lost is None:
            self._alone = bundle.frames == 1
            self._transport.send_reuse_external_bytearray(WSMsgType.BINARY, bundle.take(), HEADROOM)

    async def close(self, patience: float) -> None:
        """Wait up to `patience` seconds for the answers of calls under way, then close; streams end."""
        waiting = [call.future for call in self._session.calls.values()]
        if waiting and self.lost is None:
            await asyncio.wait(waiting, timeout=patience)
        self._flush()
        self._lose("this client closed it")
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()
        try:
            await asyncio.wait_for(self.closed.wait(), CLOSE_SECONDS)
        except TimeoutError:
            self._transport.disconnect(graceful=False)
