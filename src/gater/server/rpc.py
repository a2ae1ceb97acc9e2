"""The RPC way in: WebSocket connections at `/rpc`, on the port that serves HTTP.

uvicorn hands a connection that asks for an upgrade to its WebSocket protocol class; here that is picows' own protocol,
so that nothing stands between the socket and picows' parser.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

import msgspec
from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]
from uvicorn.config import Config
from uvicorn.server import ServerState

from gater.api.caller import Dispatcher
from gater.api.origin import Origin
from gater.model.errors import GaterError, InternalError, NotFoundError, OverloadedError
from gater.model.limits import Limits
from gater.model.memory_budget import MemoryBudget, Share
from gater.server.auth import ANONYMOUS
from gater.server.handshake import VERSION, UnsupportedVersion, check_upgrade, plain_headers
from gater.server.intake import Intakes
from gater.server.large_requests import LargeRequests
from gater.server.outgoing import Outgoing
from gater.server.rpc_connection import RpcConnection
from gater.wire.errors import error_body, http_status
from gater.wire.server_session import SessionLimits
from gater.wire.terms import RPC_PATH, largest_client_message, limit_headers
from gater.wire.websocket_log import WebSocketLog

IDLE_SECONDS: Final = 20.0
"""A client that has sent nothing for so long is asked for a sign of life."""
REPLY_SECONDS: Final = 20.0
"""A client that gives no sign of life for so long is taken for gone."""
READ_BUFFER_BYTES: Final = 64 << 10

_encode_json: Final = msgspec.json.Encoder().encode


log: Final = WebSocketLog(logging.getLogger(__name__))


Authenticate: TypeAlias = Callable[[Mapping[str, str], str | None], Origin]
"""Finds the origin by the headers of a handshake (names in lower case) and its address; raises UnauthenticatedError."""
Refused: TypeAlias = Callable[[GaterError, str | None], object]
"""Takes the error of a refusal, and the address of the caller."""


def anonymous(headers: Mapping[str, str], address: str | None) -> Origin:
    """An origin that may do everything, for everybody."""
    return ANONYMOUS


def _ignore(error: GaterError, address: str | None) -> None:
    """Keep no record of a refusal."""


class Peer:
    """The other end of a connection."""

    address: str | None = None


class RpcEndpoint:
    """The state that all RPC connections share: authentication, limits, and the dispatcher of operations."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        limits: Limits | None = None,
        session_limits: SessionLimits | None = None,
        max_connections: int | None = None,
        authenticate: Authenticate = anonymous,
        refused: Refused = _ignore,
        share: Share | None = None,
        large: LargeRequests | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        """`authenticate` finds the origin of a handshake; `refused` takes refusals by it or by a limit.

        `max_connections` counts HTTP connections too; None: they are counted where they come in. `share`: what all
        messages that come in may hold together; `outgoing`: what is written and not read.
        """
        self._dispatcher = dispatcher
        self._session_limits = session_limits or SessionLimits()
        self._max_connections = max_connections
        self._authenticate = authenticate
        self._refused = refused
        budget = MemoryBudget()
        self._intakes = Intakes(share or budget.requests)
        self._outgoing = outgoing or Outgoing(budget.answers)
        self._large = large or LargeRequests()
        self._limits = limits = limits or Limits()
        self._handshake_headers = limit_headers(limits)
        self.max_message_bytes = largest_client_message(limits)
        """Bytes of the largest message that is read from a client."""

    @property
    def protocol_class(self) -> type[asyncio.Protocol]:
        """The class of WebSocket connections, which uvicorn takes as `ws`."""
        return cast("type[asyncio.Protocol]", partial(RpcProtocol, self))

    def admit(self, server_state: ServerState, peer: Peer, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        """The answer to a handshake: a connection, or a refusal with an HTTP status and the error as its body."""
        try:
            connection = self._admitted(server_state, peer, request)
        except UnsupportedVersion as unsupported:
            more = {"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION}
            return WSUpgradeResponseWithListener(_refusal(unsupported.error, 426, more), None)
        except GaterError as error:
            self._refused(error, peer.address)
            return WSUpgradeResponseWithListener(_refusal(error), None)
        except Exception as error:
            log.exception("a handshake failed")
            return WSUpgradeResponseWithListener(_refusal(InternalError(message=type(error).__name__)), None)
        response = WSUpgradeResponse.create_101_response(self._handshake_headers)
        return WSUpgradeResponseWithListener(response, connection)

    def _admitted(self, server_state: ServerState, peer: Peer, request: WSUpgradeRequest) -> RpcConnection:
        path = request.path.partition(b"?")[0].decode(errors="replace")
        if path != RPC_PATH:
            raise NotFoundError("path", path)
        headers = plain_headers(request.headers)
        origin = self._authenticate(headers, peer.address)
        check_upgrade(headers, request)
        most = self._max_connections
        if most is not None and len(server_state.connections) >= most:
            raise OverloadedError("connections", most)
        return RpcConnection(
            self._dispatcher,
            origin=origin,
            limits=self._session_limits,
            max_message_bytes=self.max_message_bytes,
            tasks=server_state.tasks,
            refused=self._refused,
            intakes=self._intakes,
            large=self._large,
            request_limits=self._limits,
            outgoing=self._outgoing,
        )


class RpcProtocol(WSProtocol):  # type: ignore[misc]
    """A connection as uvicorn sees it."""

    def __init__(
        self, endpoint: RpcEndpoint, *, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._peer = peer = Peer()
        super().__init__(
            None,  # host and port: of a client only
            None,  # path: of a client only
            False,  # is_client_side
            partial(endpoint.admit, server_state, peer),
            log,
            True,  # disconnect_on_exception
            None,  # handshake timeout: uvicorn has read the whole request
            True,  # enable_auto_ping
            IDLE_SECONDS,
            REPLY_SECONDS,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # enable_auto_pong: a ping is looked at first
            endpoint.max_message_bytes,
            None,  # extra headers: of a client only
            READ_BUFFER_BYTES,
        )
        self._server_state = server_state

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        name = transport.get_extra_info("peername")
        self._peer.address = name[0] if isinstance(name, tuple) else None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """The request that uvicorn has read; what follows comes straight from the transport."""
        rest = memoryview(data)
        while rest:
            buffer = self.get_buffer(len(rest))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            self.buffer_updated(size)
            rest = rest[size:]
        if self.listener is not None:
            self._server_state.connections.add(cast("Any", self))

    def buffer_updated(self, size: int) -> None:
        """Bytes were read. Those of a message that is not whole after them are counted."""
        super().buffer_updated(size)
        listener = self.listener
        if listener is not None and not listener.intake.add(size):
            listener.on_no_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._server_state.connections.discard(cast("Any", self))
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Answer what is under way, then close; uvicorn waits until the connection is gone."""
        if self.listener is not None:
            self.listener.drain()


def _refusal(error: GaterError, status: int = 0, more: Mapping[str, str] = MappingProxyType({})) -> WSUpgradeResponse:
    status = status or http_status(error)
    headers = {"Content-Type": "application/json", **more}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = "1"
    refusal: WSUpgradeResponse = WSUpgradeResponse.create_error_response(
        status, _encode_json(error_body(error)), headers
    )
    return refusal
