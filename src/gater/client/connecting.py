"""Entry points of a client: `gater.connect` and `gater.connect_sync`."""

from __future__ import annotations

import ssl
from functools import partial
from typing import Any

from gater.api.arguments import check_timeout
from gater.api.blocking import BlockingGaterApi
from gater.api.gater_api import GaterApi
from gater.api.thread_api import ThreadApi
from gater.client.address import parse_address
from gater.client.client import RemoteCaller
from gater.client.handshake import websocket_opener
from gater.client.link import Link
from gater.model.errors import InvalidArgumentError


def connect(
    url: str, *, token: str | None = None, timeout: float = 5.0, ssl_context: ssl.SSLContext | None = None
) -> GaterApi:
    """The API of the server at `url`; the connection is made when it is first needed, and again when it is lost.

        async with gater.connect("http://127.0.0.1:4001") as api:
            await api.append_events("orders", "order-1", [gater.NewEvent("OrderPlaced", {"total": 12})])

    `url` is an `http`, `https`, `ws` or `wss` address, or `host:port`; `token` is sent as bearer token. `timeout` is
    how many seconds a call may take, connecting included, and how long a stream waits for the first connection. Once
    there was one, subscriptions and consumers wait for a server that was lost as long as it takes; a warning is logged
    when that begins, and each minute. `ssl_context` replaces the system's certificates, or adds one of the client's
    own. Raises InvalidArgumentError when an argument cannot be right.
    """
    address = parse_address(url)
    seconds = check_timeout(timeout)
    opener = websocket_opener(address, _check_token(token), ssl_context, seconds)
    return GaterApi(RemoteCaller(Link(opener, address), seconds))


def connect_blocking(
    url: str, *, token: str | None = None, timeout: float = 5.0, ssl_context: ssl.SSLContext | None = None
) -> BlockingGaterApi:
    """The same, blocking: for `with`, or to be closed by hand.

    A child of the process may use it, too: it connects anew there.
    """
    make = partial(connect, url, token=token, timeout=timeout, ssl_context=ssl_context)
    make()  # raises what is wrong with the arguments
    return BlockingGaterApi(ThreadApi(make, in_children=True))


def _check_token(token: Any) -> str | None:
    if token is None:
        return None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise InvalidArgumentError("token", "printable ASCII text")
    return token
