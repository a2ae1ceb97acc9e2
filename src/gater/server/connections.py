"""HTTP connections as uvicorn reads them, with bounds on their number, their idleness and the size of a request's head.

uvicorn itself refuses in plain text and waits for ever for the end of a request; here every refusal is an error like
any other, and a connection that stays silent is closed.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gater.model.errors import GaterError, InvalidArgumentError, RequestTooLargeError
from gater.server.http.answers import ADMIT, OUTLET, encode
from gater.server.http.event_streams import interrupted, is_event_source
from gater.server.http.paths import HEALTH
from gater.server.outgoing import Outgoing, Outlet
from gater.server.slots import Slots
from gater.wire.errors import error_body, http_status

MOST_HEAD_BYTES: Final = 64 << 10
"""Request line and headers together."""
IDLE_SECONDS: Final = 75.0
"""How long a connection may stay silent, or send the head of a request, while no answer is awaited on it."""
MOST_JOINED_BYTES: Final = 64 << 10
"""What is longer is written by itself: copying it would cost more than a write."""
REFUSED_SECONDS: Final = 5.0
"""How long a connection that came in excess may take to make the request that is then refused."""
UNREAD_SECONDS: Final = 10.0
"""How long the rest of a request that is answered already is taken in and thrown away; and after that, how long what is
written may take to leave."""
MOST_UNREAD_BYTES: Final = 128 << 20
"""How much of such a rest is taken in; after that nothing is read until the connection is closed. Clients that look for
the answer only when they have sent all of a large body get it."""


def http_protocol(slots: Slots, outgoing: Outgoing) -> type[asyncio.Protocol]:
    """The class of HTTP connections, which uvicorn takes as `http`."""
    return cast("type[asyncio.Protocol]", partial(HttpConnection, slots, outgoing))


class WholeWrites:
    """A transport for answers: all that is written in one turn of the event loop leaves in one write.

    uvicorn writes head and body apart; each write is a system call, which costs as much as all of its own work.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, outlet: Outlet) -> None:
        """`outlet` is told of what is written."""
        self._transport = transport
        self._outlet = outlet
        self._loop = loop
        self._held = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, with what is held back; what comes first in a turn is held back until its end."""
        if len(data) > MOST_JOINED_BYTES:
            self.flush()
            self._write(data)
        elif self._held:
            held, self._held = self._held, b""
            self._write(held + data)
        else:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            held, self._held = self._held, b""
            self._write(held)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)
        self._outlet.written(len(data))

    def close(self) -> None:
        """Close the connection when all is written."""
        self.flush()
        self._transport.close()


class HttpConnection(HttpToolsProtocol):
    """One HTTP connection."""

    def __init__(self, slots: Slots, outgoing: Outgoing, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._outlet = Outlet(outgoing, self._give_up)
        self.app_state = {**self.app_state, OUTLET: self._outlet, ADMIT: self._admit}
        self._slots = slots
        self._in_excess = False
        self._in_head = True
        self._head_bytes = 0
        self._last_heard = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection; one in excess gets an application that answers only for health."""
        self._last_heard = self.loop.time()
        excess = self._slots.arrive(self, self.connections, self._last_heard)
        super().connection_made(transport)
        if excess is not None:
            self._in_excess = True
            self.app = _refusing(excess, self.app)
        self._answers = WholeWrites(transport, self.loop, self._outlet)
        self._watch(REFUSED_SECONDS if self._in_excess else IDLE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        self._slots.leave(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._stop_unread_timer()
        self._outlet.end()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """End the connection at once: others need its slot."""
        self.connections.discard(self)
        self.transport.abort()

    def _admit(self) -> None:
        """Admit the connection: a request on it comes from a known caller, or from one that need not be known."""
        self._slots.admit(self)

    def pause_writing(self) -> None:
        """The client does not read."""
        self._outlet.pause()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read what was written."""
        self._outlet.resume()
        super().resume_writing()

    def _give_up(self) -> None:
        """End the connection at once: its client does not read."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came in; refuse a request whose head does not end."""
        if not self._head_bytes:
            self._last_heard = self.loop.time()
        if self._in_head:
            self._head_bytes += len(data)
        elif self._unread_timer is not None:
            self._unread_bytes += len(data)
            if self._unread_bytes > MOST_UNREAD_BYTES:
                self.transport.pause_reading()
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            error = RequestTooLargeError(self._head_bytes, MOST_HEAD_BYTES, message="The headers are too large")
            self._refuse(error, 431)

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = cast("asyncio.Transport", self._answers)

    def on_message_complete(self) -> None:
        """The request has ended; another head may follow."""
        self._in_head = True
        self._stop_unread_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer has ended; when its request has not, what is left of that is bounded in time and bytes."""
        super().on_response_complete()
        if self.cycle.response_complete and not self._in_head and self._unread_timer is None:
            self._unread_bytes = 0
            self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self._end_unread)

    def _end_unread(self) -> None:
        """Close a connection whose request is answered, and still goes on."""
        self.transport.close()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def handle_websocket_upgrade(self) -> None:
        """Hand the socket over to the WebSocket protocol."""
        self._slots.leave(self)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().handle_websocket_upgrade()

    def _should_upgrade(self) -> bool:
        return not self._in_excess and super()._should_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(InvalidArgumentError("request", "well-formed HTTP/1.1"), 400)

    def _refuse(self, error: GaterError, status: int) -> None:
        body = encode(error_body(error))
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self._answers.write(STATUS_LINE[status] + head + body)
        self._answers.close()

    def shutdown(self) -> None:
        """Close when what is being answered is answered whole, or now."""
        self._answers.flush()
        super().shutdown()

    def _watch(self, seconds: float) -> None:
        self._idle_timer = self.loop.call_later(seconds, self._close_if_idle, seconds)

    def _is_answering(self) -> bool:
        """Whether a request is not answered whole; how long its body may take is for who reads it to say."""
        return self.cycle is not None and not self.cycle.response_complete

    def _close_if_idle(self, seconds: float) -> None:
        busy = bool(self.pipeline) or self._is_answering()
        left = self._last_heard + seconds - self.loop.time()
        if left > 0 or busy:
            self._watch(max(left, 1.0))
        elif not self.transport.is_closing():
            self.transport.close()


def _refusing(error: GaterError, app: Any) -> Any:
    """An ASGI application that closes its connection after one request.

    One for the node's health goes to `app`, any other is answered with this error.
    """

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith(f"{HEALTH}/"):
            await app(scope, receive, partial(_send_last, send))
            return
        if is_event_source(scope):
            await interrupted(error)(scope, receive, partial(_send_last, send))
            return
        body = encode(error_body(error))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"retry-after", b"1"),
        ]
        await send({"type": "http.response.start", "status": http_status(error), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return refuse


async def _send_last(send: Any, message: Any) -> None:
    """Send a part of the last answer of a connection."""
    if message["type"] == "http.response.start":
        message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
    await send(message)
