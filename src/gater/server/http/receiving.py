"""The body of a request: read after its sender was found to be allowed the operation, and within a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from gater.api.operation import Operation
from gater.model.errors import InvalidArgumentError, RequestTimeoutError, RequestTooLargeError
from gater.model.limits import MOST_SMALL_BYTES, Limits
from gater.server.http.bodies import decoded
from gater.server.http.requests import AnyRequest, headers_of, service_of
from gater.server.large_requests import LARGE_BYTES
from gater.server.service import Access

Body = TypeVar("Body")

LEAST_BYTES_PER_SECOND: Final = 64 << 10
"""How quickly a body must come in the end; what it may wait for beyond that is a setting."""


class BodyTimeout(Exception):  # noqa: N818 - it carries an error
    """The body of a request did not come in time; the request had no effect."""

    def __init__(self, operation: str, seconds: float) -> None:
        super().__init__(operation)
        message = f"The body did not come in time: {seconds:g} s, and a second for each 64 KiB"
        self.error = RequestTimeoutError(operation, seconds, message=message)


async def json_body(
    request: AnyRequest,
    access: Access,
    operation: Operation[Any],
    decode: Callable[[bytes], Body],
    *,
    reach_known: bool = True,
) -> Body:
    """The body as `decode` reads it; ValidationError when it is not JSON of that shape.

    The operation is what is known of it before the body is read. Nothing is read for a sender who may not do it:
    PermissionDeniedError. RequestTooLargeError for a body of more than MOST_SMALL_BYTES.
    """
    access.admit(operation, reach_known=reach_known)
    limit = min(MOST_SMALL_BYTES, service_of(request).limits.max_request_bytes)
    return decoded(await _read(request, operation.name, limit), decode)


@asynccontextmanager
async def large_body(
    request: AnyRequest,
    access: Access,
    operation: Operation[Any],
    read: Callable[[bytes], Body],
    read_large: Callable[[bytes, Limits], Body],
) -> AsyncGenerator[Body, None]:
    """A body as `read` decodes it; a large one by `read_large`, on the thread of large requests, one at a time.

    The turn lasts as long as the context, in which the request is answered. The rest is as for `json_body`.
    """
    access.admit(operation)
    service = service_of(request)
    limits, held = service.limits, service.held_bytes
    bodies = [await _read(request, operation.name, limits.max_request_bytes)]
    size = len(bodies[0])
    if size <= LARGE_BYTES:
        yield read(bodies.pop())
        return
    held.hold(size)
    try:
        async with service.large.reading(lambda: read_large(bodies.pop(), limits)) as body:
            yield body
    finally:
        held.let_go(size)


def body_parts(request: AnyRequest, access: Access, operation: Operation[Any]) -> AsyncGenerator[bytes, None]:
    """The body part by part as it comes in, of any length; PermissionDeniedError as for `json_body`."""
    access.admit(operation)
    return _parts(_Incoming(request, operation.name), None)


class _Incoming:
    """The messages of a body, and the time that is left to wait for them."""

    def __init__(self, request: AnyRequest, operation: str) -> None:
        self._receive = request.receive
        self._operation = operation
        self._seconds = self._left = service_of(request).body_timeout

    async def message(self) -> Any:
        """The next message; raises BodyTimeout."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(min(self._left, self._seconds)):
                message: Any = await self._receive()
        except TimeoutError:
            raise BodyTimeout(self._operation, self._seconds) from None
        self._left += len(message.get("body", b"")) / LEAST_BYTES_PER_SECOND - (now() - began)
        return message


async def _read(request: AnyRequest, operation: str, limit: int) -> bytes:
    """The whole body; RequestTooLargeError as soon as it is larger than the limit."""
    _check_declared_size(request, limit)
    incoming = _Incoming(request, operation)
    message = await incoming.message()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise RequestTooLargeError(len(body), limit)
        return body
    parts = bytearray()
    held = service_of(request).held_bytes
    counted = 0
    try:
        async for part in _parts(incoming, message):
            if len(parts) + len(part) > limit:
                raise RequestTooLargeError(len(parts) + len(part), limit)
            held.hold(len(part))
            counted += len(part)
            parts += part
        return bytes(parts)
    finally:
        held.let_go(counted)


async def _parts(incoming: _Incoming, first: Any) -> AsyncGenerator[bytes, None]:
    message = first
    while True:
        if message is None:
            message = await incoming.message()
        if message["type"] != "http.request":
            raise InvalidArgumentError("body", "whole: the connection was closed in the middle of it")
        yield message["body"]
        if not message.get("more_body"):
            return
        message = None


def _check_declared_size(request: AnyRequest, limit: int) -> None:
    declared = headers_of(request).get("content-length", "")
    if declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        raise RequestTooLargeError(int(declared), limit)
