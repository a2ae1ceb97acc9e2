"""The opening of a connection: a socket, and the handshake of its WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final
from weakref import WeakSet

from picows import WSParsedURL, ws_connect

from gater.client.address import Address
from gater.client.transport import Connection
from gater.wire.terms import LARGEST_SERVER_MESSAGE
from gater.wire.websocket_log import WebSocketLog

IDLE_SECONDS: Final = 10.0
"""A server that has sent nothing for so long is asked for a sign of life."""
REPLY_SECONDS: Final = 10.0
"""A server that gives no sign of life for so long is taken for gone."""
READ_BUFFER_BYTES: Final = 256 << 10

log: Final = WebSocketLog(logging.getLogger(__name__))

Open = Callable[[], Awaitable[Connection]]

_SOCKETS: Final[WeakSet[socket.socket]] = WeakSet()


def _close_all() -> None:
    """Close the sockets of the parent in its child: otherwise they outlive the parent, and the server hears nothing."""
    for inherited in list(_SOCKETS):
        inherited.close()
    _SOCKETS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)


def websocket_opener(address: Address, token: str | None, ssl_context: ssl.SSLContext | None, seconds: float) -> Open:
    """A function that opens a connection to the address, within so many seconds."""
    headers = [] if token is None else [("Authorization", f"Bearer {token}")]

    async def open_connection() -> Connection:
        sockets: list[socket.socket] = []

        async def connected(url: WSParsedURL) -> socket.socket:
            sockets.append(await _connected_socket(url.host, url.port))
            return sockets[0]

        handshake = asyncio.ensure_future(
            ws_connect(
                Connection,
                address.rpc_url,
                ssl_context=ssl_context,
                websocket_handshake_timeout=seconds,
                logger_name=log,
                enable_auto_ping=True,
                auto_ping_idle_timeout=IDLE_SECONDS,
                auto_ping_reply_timeout=REPLY_SECONDS,
                max_frame_size=2 * LARGEST_SERVER_MESSAGE - 1,  # the connection says what was wrong, picows hangs up
                max_redirects=0,
                extra_headers=headers,
                read_buffer_init_size=READ_BUFFER_BYTES,
                socket_factory=connected,
            )
        )
        try:
            async with asyncio.timeout(seconds):
                _, connection = await asyncio.shield(handshake)
        except (TimeoutError, asyncio.CancelledError):
            await _break_off(handshake, sockets)
            raise
        if not isinstance(connection, Connection):  # so picows tells that the handshake was cut short
            raise ConnectionResetError("the connection was closed during the handshake")
        return connection

    return open_connection


async def _connected_socket(host: str, port: int) -> socket.socket:
    """A socket to the first address of the host that takes it; raises OSError when none does."""
    loop = asyncio.get_running_loop()
    failed = OSError("the name has no address")
    for family, kind, protocol, _, place in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        _SOCKETS.add(made)
        try:
            made.setblocking(False)
            await loop.sock_connect(made, place)
        except OSError as error:
            made.close()
            failed = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failed


async def _break_off(handshake: asyncio.Future[Any], sockets: list[socket.socket]) -> None:
    """End an attempt, its socket closed: picows would keep it open until the handshake's own time is over."""
    if sockets:
        with contextlib.suppress(OSError):  # the peer has hung up
            sockets[0].shutdown(socket.SHUT_RDWR)
    else:
        handshake.cancel()
    await asyncio.wait({handshake})
    if not handshake.cancelled():
        handshake.exception()
