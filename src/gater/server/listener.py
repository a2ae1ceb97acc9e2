"""The port that the server listens on: opened, served by uvicorn, and closed after what is under way."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Any, Final, cast

import uvicorn

from gater.config.settings import Settings
from gater.model.errors import MisconfiguredError
from gater.server.connections import IDLE_SECONDS, HttpConnection, http_protocol
from gater.server.outgoing import Outgoing
from gater.server.slots import Slots
from gater.server.tls_handshakes import Handshakes

BACKLOG: Final = 2_048
"""Connections that the system holds until they are accepted."""
CLOSING_SECONDS: Final = 1.0
"""Of the drain timeout, the part for closing the files: a quarter at most."""
QUIET_SECONDS: Final = 0.01
"""Between two looks at what is still under way while the server stops."""

log = logging.getLogger(__name__)


class Listener:
    """Serves an ASGI application over HTTP, and a WebSocket protocol class, on one port."""

    def __init__(
        self,
        settings: Settings,
        app: Any,
        websocket: type[asyncio.Protocol],
        slots: Slots,
        outgoing: Outgoing,
    ) -> None:
        self._settings = settings
        self._config = uvicorn.Config(
            app,
            http=http_protocol(slots, outgoing),
            ws=websocket,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            workers=1,
            timeout_keep_alive=int(IDLE_SECONDS),
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            ssl_ca_certs=settings.tls_client_ca,
            ssl_cert_reqs=ssl.CERT_NONE if settings.tls_client_ca is None else ssl.CERT_REQUIRED,
        )
        self._handshakes: Handshakes | None = None
        self._most_handshakes = slots.excess
        self._server = uvicorn.Server(self._config)
        self._state = self._server.server_state
        self._clock: asyncio.TimerHandle | None = None
        self._hurried = False

    async def start(self) -> str:
        """Listen; returns the URL, the real port included. Raises MisconfiguredError when that is not possible."""
        self._load()
        listening = _listen(self._settings.host, self._settings.port)
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[listening])
        self._keep_time()
        return self._url(listening)

    async def stop(self) -> None:
        """Accept nothing more, let what is under way finish within the drain timeout, cut off what is left.

        A part of the time is left for closing the files afterwards.
        """
        if self._clock is None:
            return
        self._clock.cancel()
        for server in self._server.servers:
            server.close()
        if self._handshakes is not None:
            self._handshakes.cut_off()
        with suppress(TimeoutError):
            async with asyncio.timeout(_without_closing(self._settings.drain_timeout)):
                await self._quiet()
        await self._cut_off()

    def hurry(self) -> None:
        """Let `stop` wait for nothing any more."""
        self._hurried = True

    def _keep_time(self) -> None:
        """Tell the time in the headers of answers, second by second; nothing else of uvicorn's main loop is needed."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._keep_time)

    async def _quiet(self) -> None:
        """Return when no connection and no task is left, or when there is no time for that."""
        while (self._state.connections or self._state.tasks) and not self._hurried:
            # Again and again: a connection may have been on its way in when the port was closed.
            for connection in list(self._state.connections):
                connection.shutdown()
            await asyncio.sleep(QUIET_SECONDS)

    async def _cut_off(self) -> None:
        tasks, connections = list(self._state.tasks), list(self._state.connections)
        if tasks or connections:
            log.warning("work was cut off", extra={"connections": len(connections), "tasks": len(tasks)})
        for connection in connections:
            if isinstance(connection, HttpConnection):
                connection.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _load(self) -> None:
        try:
            self._config.load()
        except (OSError, ssl.SSLError) as error:
            raise MisconfiguredError("tls_cert", f"the certificate cannot be used: {error}") from None
        if self._config.ssl is not None:
            make = cast("Callable[..., asyncio.Protocol]", self._config.http_protocol_class)
            self._handshakes = Handshakes(self._config.ssl, self._most_handshakes, make)
            self._config.http_protocol_class = cast("type[asyncio.Protocol]", self._handshakes.protocol)
            self._config.ssl = None  # uvicorn gives each connection to the handshakes, as it is

    def _url(self, listening: socket.socket) -> str:
        host = self._settings.host
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        scheme = "http" if self._settings.tls_cert is None else "https"
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}"


def _without_closing(seconds: float) -> float:
    return seconds - min(CLOSING_SECONDS, seconds / 4)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound to the address; MisconfiguredError when that is not possible."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise MisconfiguredError("host", f"{host} is not an address of this machine: {error.strerror}") from None
    try:
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        setting = "port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "host"
        why = os.strerror(error.errno or 0)  # of `error.strerror` the address would be a part, too
        raise MisconfiguredError(setting, f"cannot listen on {host} port {port}: {why}") from None
