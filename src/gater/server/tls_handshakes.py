"""TLS handshakes: bounded in number and in time, for none of these connections has shown a token.

asyncio tells a protocol of a connection only when the handshake is done, and gives it a minute. So connections are
accepted as they are, counted, and given to the HTTP protocol when TLS is spoken on them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, cast

from gater.model.limits import HANDSHAKE_SECONDS

log = logging.getLogger(__name__)


class Handshakes:
    """All TLS handshakes under way; where there are too many, the one that began first is ended."""

    def __init__(self, context: ssl.SSLContext, most: int, make: Callable[..., asyncio.Protocol]) -> None:
        """`make` gives the protocol of a connection on which TLS is spoken."""
        self._context = context
        self._most = most
        self._make = make
        self._under_way: dict[_Accepted, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def protocol(self, **arguments: Any) -> asyncio.Protocol:
        """The protocol of a connection that was just accepted; the arguments are those of the HTTP protocol."""
        return _Accepted(self, lambda: self._make(**arguments))

    def begin(self, accepted: _Accepted, transport: asyncio.Transport) -> None:
        """Begin a handshake on a connection, which ends within HANDSHAKE_SECONDS."""
        if len(self._under_way) >= self._most:
            next(iter(self._under_way)).cut_off()
        self._under_way[accepted] = None
        task = asyncio.get_running_loop().create_task(self._shake_hands(accepted, transport))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self, accepted: _Accepted) -> None:
        """Count a handshake no longer."""
        self._under_way.pop(accepted, None)

    def cut_off(self) -> None:
        """End all that are under way."""
        for accepted in tuple(self._under_way):
            accepted.cut_off()

    async def _shake_hands(self, accepted: _Accepted, transport: asyncio.Transport) -> None:
        early = _Early()
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, early, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError as error:  # an SSLError is one, and so is a timeout
            log.debug("a TLS handshake failed", extra={"reason": str(error)})
            transport.abort()
            return
        finally:
            self.end(accepted)
        # An event loop may end a handshake without an error when its connection is lost, and tell of that later.
        if secured is not None and not early.is_lost and not transport.is_closing():
            early.give_to(accepted.make(), secured)


class _Accepted(asyncio.Protocol):
    """A connection before its handshake."""

    def __init__(self, handshakes: Handshakes, make: Callable[[], asyncio.Protocol]) -> None:
        self.make = make
        self._handshakes = handshakes
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()  # what comes belongs to the handshake
        self._handshakes.begin(self, self._transport)

    def cut_off(self) -> None:
        """End the connection at once."""
        self._handshakes.end(self)
        if self._transport is not None:
            self._transport.abort()


class _Early(asyncio.Protocol):
    """Protocol of a connection until the HTTP protocol has it: keeps what arrives."""

    def __init__(self) -> None:
        self.is_lost = False
        self._data: list[bytes] = []
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        self._data.append(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def give_to(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        """Let a protocol have the connection, and what has arrived."""
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for data in self._data:
            protocol.data_received(data)
        if self._has_ended and not protocol.eof_received():
            transport.close()
