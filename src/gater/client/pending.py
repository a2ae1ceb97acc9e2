"""Requests that wait for the server: a call for its answer, a stream for its items."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from gater.api.catalog import OPERATIONS
from gater.api.operation import Operation, StreamingOperation
from gater.model.errors import GaterError, InternalError, RequestTimeoutError
from gater.wire.codec import DECODE_ERRORS
from gater.wire.errors import from_wire
from gater.wire.frames import Failure, Item, Response, ServerFrame

_DECODE: Final[dict[str, Callable[[msgspec.Raw], Any]]] = {
    name: msgspec.msgpack.Decoder(operation.answer).decode for name, operation in OPERATIONS.items()
}


END: Final = object()
"""What comes after the last item of a stream."""


class PendingCall:
    """A call that waits for its answer."""

    __slots__ = ("_decode", "_name", "deadline", "future", "seconds")

    def __init__(
        self, future: asyncio.Future[Any], operation: Operation[Any], deadline: float | None, seconds: float | None
    ) -> None:
        """`deadline` is a time of the event loop, `seconds` what it was made of."""
        self.future = future
        self.deadline = deadline
        self.seconds = seconds
        self._name = operation.name
        self._decode = _DECODE[operation.name]

    def take(self, frame: ServerFrame) -> None:
        """The call is over."""
        if self.future.done():
            return
        if type(frame) is Response:
            try:
                answer = self._decode(frame.answer)
            except DECODE_ERRORS as error:
                self.future.set_exception(_undecodable(self._name, error))
            else:
                self.future.set_result(answer)
        elif type(frame) is Failure:
            self.future.set_exception(from_wire(frame.code, frame.message, frame.details))

    def lose(self, error: Exception) -> None:
        """There will be no answer."""
        if not self.future.done():
            self.future.set_exception(error)

    def expire(self) -> None:
        """The answer did not come in time."""
        self.lose(RequestTimeoutError(self._name, self.seconds))


class PendingStream:
    """A stream whose items are kept, undecoded, until they are asked for; credit bounds how many there are."""

    def __init__(self, operation: StreamingOperation[Any]) -> None:
        self._name = operation.name
        self._decode = _DECODE[operation.name]
        self._lapses = operation.lapses
        self._items: deque[msgspec.Raw] = deque()
        self._error: Exception | None = None
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def take(self, frame: ServerFrame) -> None:
        """An item, or how the stream ended."""
        if type(frame) is Item:
            self._items.append(frame.item)
        else:
            self._ended = True
            if type(frame) is Failure:
                self._break(from_wire(frame.code, frame.message, frame.details))
        self._wake()

    def lose(self, error: Exception) -> None:
        """Nothing more comes, after the items that are here, unless they lapse."""
        if not self._ended:
            self._ended = True
            self._break(error)
            self._wake()

    def _break(self, error: Exception) -> None:
        self._error = error
        if self._lapses:
            self._items.clear()

    async def next(self) -> Any:
        """The next item, decoded, or END; raises the error that ended the stream."""
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._ended:
                return END
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        try:
            return self._decode(self._items.popleft())
        except DECODE_ERRORS as error:
            raise _undecodable(self._name, error) from None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _undecodable(operation: str, error: Exception) -> GaterError:
    return InternalError(message=f"The server's answer to {operation} cannot be read: {error}")
