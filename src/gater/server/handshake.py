"""The request that begins an RPC connection: its headers as text, and what RFC 6455 asks of them (section 4.2.1)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from gater.model.errors import InvalidArgumentError

VERSION: Final = "13"
"""The one version of WebSocket that is spoken."""
KEY_BYTES: Final = 16


class UnsupportedVersion(Exception):  # noqa: N818 - it carries an error
    """The client speaks another version of WebSocket."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.error = InvalidArgumentError("sec-websocket-version", f"{VERSION}, not {version!r}")


def plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers by their names in lower case, with values as HTTP requests have them: each byte a character."""
    return {name.lower(): value.encode("ascii", "surrogateescape").decode("latin-1") for name, value in headers.items()}


def check_upgrade(headers: Mapping[str, str], request: Any) -> None:
    """Return if the headers ask for WebSocket as the RFC says; UnsupportedVersion or InvalidArgumentError if not.

    What comes after looks at the request: `Connection` may hold more than the word for the upgrade, as browsers send.
    """
    version = headers.get("sec-websocket-version", "")
    if version.strip() != VERSION:
        raise UnsupportedVersion(version)
    try:
        key = b64decode(headers.get("sec-websocket-key", "").encode("latin-1"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidArgumentError("sec-websocket-key", f"{KEY_BYTES} bytes in base64")
    request.headers["Connection"] = "Upgrade"
