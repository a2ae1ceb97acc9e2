"""Requests as operations: found by name, decoded with a decoder kept for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gater.api.catalog import OPERATIONS
from gater.api.operation import Operation
from gater.model.errors import InvalidArgumentError, ValidationError
from gater.wire.codec import DECODE_ERRORS
from gater.wire.frames import Request

STREAMING: Final = frozenset(name for name, operation in OPERATIONS.items() if operation.streaming)
"""Names of the operations that are answered by a stream."""

_DECODE: Final[dict[str, Callable[[msgspec.Raw], Operation[Any]]]] = {
    name: msgspec.msgpack.Decoder(operation).decode for name, operation in OPERATIONS.items()
}


def decode_operation(request: Request) -> Operation[Any]:
    """The operation that a request asks for.

    Raises InvalidArgumentError for an operation that does not exist, ValidationError for arguments that do not fit.
    """
    decode = _DECODE.get(request.operation)
    if decode is None:
        raise InvalidArgumentError("operation", f"there is no operation {request.operation!r}")
    try:
        return decode(request.arguments)
    except DECODE_ERRORS as error:
        raise ValidationError("arguments", str(error)) from None
