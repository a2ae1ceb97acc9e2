"""How large a message may be, said once for both sides."""

from __future__ import annotations

from typing import Final

FULL_BUNDLE_BYTES: Final = 256 << 10
"""A bundle that has grown to this is sent at once instead of at the end of the event loop's turn."""

REQUEST_SLACK_BYTES: Final = 1 << 20
"""What a request may have on top of its events: ids, types, names, the frame."""

LARGEST_SERVER_MESSAGE: Final = 1 << 30
"""Bytes after which a client takes a server's message for nonsense."""

LIMIT_HEADER: Final = "Gater-Max-Request-Bytes"
"""Header of the server's handshake that tells clients how large a request may be, slack included."""


def largest_request(max_request_bytes: int) -> int:
    """Bytes of the largest request frame under a limit on the events in it."""
    return max_request_bytes + REQUEST_SLACK_BYTES


def largest_client_message(max_request_bytes: int) -> int:
    """Bytes of the largest message a client may send: a bundle that is almost full, and the largest request."""
    return largest_request(max_request_bytes) + FULL_BUNDLE_BYTES
