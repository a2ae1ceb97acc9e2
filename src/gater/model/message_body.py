"""The rule for bodies of messages: plain data that can be sent to every listener, on each way out."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gater.model.errors import RequestTooLargeError, ValidationError
from gater.model.events import encode_json, is_flat
from gater.model.limits import MOST_MESSAGE_VALUES, check_number

MOST_BODY_BYTES: Final = 16 << 20
"""Bytes of a message that is published, as msgpack."""

_pack: Final = msgspec.msgpack.Encoder().encode


def check_body(body: Any) -> Any:
    """The body, if it is what JSON can say, and bytes: it is given to listeners as msgpack and as JSON.

    It is encoded for each listener in one step, so the values that it holds are bounded as well as its bytes.

    Raises ValidationError for numbers that are not finite, whole numbers beyond 64 bits, more levels than stored JSON
    may have, and values of other kinds; RequestTooLargeError for one of more than MOST_BODY_BYTES, or
    MOST_MESSAGE_VALUES.
    """
    try:
        packed = _pack(body)
        check_number("values", _values(body), MOST_MESSAGE_VALUES)
        if not is_flat(body):
            msgspec.to_builtins(body)  # of what msgpack can say, it refuses what is not plain
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValidationError("message", f"plain data: {error}") from None
    encode_json(body, "message")
    if len(packed) > MOST_BODY_BYTES:
        raise RequestTooLargeError(len(packed), MOST_BODY_BYTES)
    return body


def _values(body: Any) -> int:
    """The number of values in a body; no more are looked at than a message may hold."""
    total, todo = 1, [body]
    while todo and total <= MOST_MESSAGE_VALUES:
        value = todo.pop()
        if isinstance(value, dict):
            total += 2 * len(value)
            todo.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            total += len(value)
            todo.extend(value)
    return total
