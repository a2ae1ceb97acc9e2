"""The address of a server, as people write it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gater.model.errors import InvalidArgumentError
from gater.wire.terms import RPC_PATH

DEFAULT_PORT: Final = 4001

_SECURE: Final = {"http": False, "ws": False, "https": True, "wss": True}


class Address(msgspec.Struct, frozen=True):
    """A server's address."""

    host: str
    """Name or IP address, IPv6 without brackets."""
    port: int | None
    """None: the one that belongs to the scheme."""
    secure: bool
    path: str = ""
    """What comes before `/rpc`: where a proxy has put the server."""

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self._authority()}{self.path}"

    @property
    def rpc_url(self) -> str:
        """The URL of its RPC endpoint."""
        return f"{'wss' if self.secure else 'ws'}://{self._authority()}{self.path}{RPC_PATH}"

    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_address(url: Any) -> Address:
    """The address in `http://`, `https://`, `ws://` or `wss://` form, or as `host` or `host:port` (4001 if absent).

    Raises InvalidArgumentError for anything else, also for a user, query or fragment in it.
    """
    if not isinstance(url, str):
        raise _wrong(url, "text")
    bare = "://" not in url
    try:
        parts = urlsplit(f"http://{url}" if bare else url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from None
    if parts.scheme not in _SECURE:
        raise _wrong(url, "http, https, ws or wss")
    if not host or not _is_plain(host):
        raise _wrong(url, "with the name or address of a host")
    if port == 0:
        raise _wrong(url, "with a port from 1 to 65535")
    if parts.username is not None or parts.query or parts.fragment:
        raise _wrong(url, "without user, query and fragment (a token is given as `token`)")
    if not _is_plain(parts.path):
        raise _wrong(url, "with a plain path")
    if port is None and bare:
        port = DEFAULT_PORT
    path = parts.path.rstrip("/").removesuffix(RPC_PATH).rstrip("/")
    return Address(host, port, _SECURE[parts.scheme], path)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _wrong(url: Any, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError("url", f"an address such as http://127.0.0.1:4001, {reason}; not {url!r}")
