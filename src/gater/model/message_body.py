"""The rule for bodies of messages: plain data that can be sent to every listener, on each way out."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gater.model.errors import RequestTooLargeError, ValidationError
from gater.model.events import encode_json, is_flat

MOST_BODY_BYTES: Final = 16 << 20
"""Bytes of a message that is published, as msgpack."""

_pack: Final = msgspec.msgpack.Encoder().encode


def check_body(body: Any) -> Any:
    """The body, if it is what JSON can say, and bytes: it is given to listeners as msgpack and as JSON.

    Raises ValidationError for numbers that are not finite, whole numbers beyond 64 bits, more levels than stored JSON
    may have, and values of other kinds; RequestTooLargeError for one of more than MOST_BODY_BYTES.
    """
    try:
        packed = _pack(body)
        if not is_flat(body):
            msgspec.to_builtins(body)  # of what msgpack can say, it refuses what is not plain
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValidationError("message", f"plain data: {error}") from None
    encode_json(body, "message")
    if len(packed) > MOST_BODY_BYTES:
        raise RequestTooLargeError(len(packed), MOST_BODY_BYTES)
    return body
