"""The agreements of both sides of a connection before the first frame: the path, and the largest message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gater.model.limits import Limits

RPC_PATH: Final = "/rpc"
"""Where a server's RPC is found."""

FULL_BUNDLE_BYTES: Final = 256 << 10
"""A bundle that has grown to this is sent at once instead of at the end of the event loop's turn."""

REQUEST_SLACK_BYTES: Final = 1 << 20
"""What a request may have on top of its events' payload: ids, types, names, the frame."""

LARGEST_SERVER_MESSAGE: Final = 1 << 30
"""Bytes after which a client takes a server's message for nonsense."""

_EVENT_LIMIT: Final = "Gater-Max-Event-Bytes"
_REQUEST_LIMIT: Final = "Gater-Max-Request-Bytes"


def largest_request(limits: Limits) -> int:
    """Bytes of the largest request frame."""
    return limits.max_request_bytes + REQUEST_SLACK_BYTES


def largest_client_message(limits: Limits) -> int:
    """Bytes of the largest message a client may send: a bundle that is almost full, and the largest request."""
    return largest_request(limits) + FULL_BUNDLE_BYTES


def limit_headers(limits: Limits) -> dict[str, str]:
    """The headers of a server's handshake that tell clients how large events and requests may be."""
    return {_EVENT_LIMIT: str(limits.max_event_bytes), _REQUEST_LIMIT: str(limits.max_request_bytes)}


def read_limits(headers: Mapping[str, str]) -> Limits:
    """The limits that a server's handshake tells; the defaults for what it does not."""
    default = Limits()
    return Limits(
        max_event_bytes=_number(headers.get(_EVENT_LIMIT), default.max_event_bytes),
        max_request_bytes=_number(headers.get(_REQUEST_LIMIT), default.max_request_bytes),
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 16 else default
