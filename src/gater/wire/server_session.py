"""The server's side of a connection, without I/O: takes messages, keeps what is under way, offers frames to send."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final

import msgspec

from gater.model.errors import (
    GaterError,
    InternalError,
    OverloadedError,
    StoreUnavailableError,
    ValidationError,
)
from gater.wire.codec import Bundle, MalformedError, UnencodableError, decode_client_bundle
from gater.wire.errors import to_wire
from gater.wire.frames import CONNECTION, Cancel, ClientFrame, End, Failure, Grant, Item, Request, Response

MOST_CREDIT: Final = 1 << 31
"""Credit that a stream can hold; more that is granted is not counted."""


SMALL_BYTES: Final = 64 << 10
"""An answer that is no larger is sent without asking whether there is room."""


class SessionLimits(msgspec.Struct, frozen=True):
    """The number of calls and streams that one connection may have under way."""

    max_calls: int = 10_000
    max_streams: int = 1_000


def _no_refusal(_: int) -> None:
    """There is room for every answer."""


class ServerSession:
    """The calls and streams that one client has under way.

    Every accepted request is answered once: by `answer` or `fail`, or as a stream by items and then `end` or `fail`.
    What concerns a request that is no longer under way is passed over.
    """

    def __init__(
        self,
        streaming: Container[str],
        limits: SessionLimits | None = None,
        refusal: Callable[[int], OverloadedError | None] = _no_refusal,
    ) -> None:
        """`streaming`: the names of the operations that are answered by a stream.

        `refusal` says why an answer of so many bytes cannot be sent now, if it cannot.
        """
        self.outgoing = Bundle()
        """Frames to send."""
        self.broken: GaterError | None = None
        """Set when the client broke the protocol: send what is outgoing and close, the session takes no more."""
        self.overload: OverloadedError | None = None
        """The newest refusal of a request as too many are under way; for whoever takes it away."""
        self._streaming = streaming
        self._limits = limits or SessionLimits()
        self._refusal = refusal
        self._calls: dict[int, bool] = {}  # id -> whether somebody still waits
        self._streams: dict[int, int] = {}  # id -> credit
        self._draining = False

    @property
    def calls(self) -> int:
        """The number of calls that wait for their answer."""
        return len(self._calls)

    @property
    def streams(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    def receive(self, message: bytes) -> list[ClientFrame]:
        """Take a message; returns what is to be done, in order.

        That is: each Request that was accepted, each Cancel of an open stream, each Grant to an open stream.
        """
        if self.broken is not None:
            return []
        try:
            return self.take(decode_client_bundle(message))
        except MalformedError as error:
            self.break_off(ValidationError("message", str(error)))
            return []

    def take(self, frames: list[ClientFrame]) -> list[ClientFrame]:
        """The same with the frames of a message."""
        if self.broken is not None:
            return []
        try:
            return [frame for frame in frames if self._accept(frame)]
        except MalformedError as error:
            self.break_off(ValidationError("message", str(error)))
            return []

    def _accept(self, frame: ClientFrame) -> bool:
        """Whether the frame asks for something to be done."""
        if type(frame) is Request:
            return self._accept_request(frame)
        if frame.id in self._streams:
            if type(frame) is Cancel:
                del self._streams[frame.id]
            else:
                assert type(frame) is Grant
                self._streams[frame.id] = min(self._streams[frame.id] + frame.credit, MOST_CREDIT)
            return True
        if type(frame) is Cancel and frame.id in self._calls:
            self._calls[frame.id] = False
        return False

    def _accept_request(self, frame: Request) -> bool:
        request_id = frame.id
        if request_id in self._calls or request_id in self._streams:
            raise MalformedError(f"request id {request_id} is under way already")
        if self._draining:
            return False
        if frame.operation in self._streaming:
            if len(self._streams) >= self._limits.max_streams:
                self._overloaded(request_id, "streams of a connection", self._limits.max_streams)
                return False
            self._streams[request_id] = frame.credit
        else:
            if len(self._calls) >= self._limits.max_calls:
                self._overloaded(request_id, "requests of a connection", self._limits.max_calls)
                return False
            self._calls[request_id] = True
        return True

    def _overloaded(self, request_id: int, what: str, limit: int) -> None:
        self.overload = OverloadedError(what, limit)
        self._refuse(request_id, self.overload)

    def answer(self, request_id: int, answer: Any) -> None:
        """Answer a call; what cannot be encoded is answered with InternalError, what has no room OverloadedError."""
        if self._calls.pop(request_id, False):
            try:
                size = self.outgoing.add(Response(request_id, answer))
            except UnencodableError as error:
                self._refuse(request_id, InternalError(message=f"the answer cannot be encoded: {error}"))
            else:
                if size > SMALL_BYTES and (overload := self._refusal(size)) is not None:
                    self.outgoing.drop_last(size)
                    self._refuse(request_id, overload)
                    self.overload = overload

    def fail(self, request_id: int, error: GaterError) -> None:
        """End a call or a stream with an error."""
        if self._calls.pop(request_id, False) or self._streams.pop(request_id, None) is not None:
            self._refuse(request_id, error)

    def may_send(self, request_id: int) -> bool:
        """Whether the stream has credit for an item."""
        return self._streams.get(request_id, 0) > 0

    def item(self, request_id: int, item: Any) -> int:
        """Send the next item of a stream that has credit; one that cannot be encoded ends it with InternalError.

        Returns its bytes; when there is no room for them it is not sent, and they are negative.
        """
        credit = self._streams.get(request_id)
        if credit is None:
            return 0
        if credit < 1:
            raise InternalError(message=f"stream {request_id} has no credit left")
        try:
            size = self.outgoing.add(Item(request_id, item))
        except UnencodableError as error:
            self.fail(request_id, InternalError(message=f"the item cannot be encoded: {error}"))
            return 0
        if size > SMALL_BYTES and self._refusal(size) is not None:
            self.outgoing.drop_last(size)
            return -size
        self._streams[request_id] = credit - 1
        return size

    def end(self, request_id: int) -> None:
        """A stream is complete."""
        if self._streams.pop(request_id, None) is not None:
            self.outgoing.add(End(request_id))

    def is_open(self, request_id: int) -> bool:
        """Whether the stream is open: neither ended nor cancelled."""
        return request_id in self._streams

    def drain(self, reason: str) -> None:
        """Take no more requests: they are passed over, and the client asks elsewhere. Streams end with an error."""
        self._draining = True
        for request_id in list(self._streams):
            self.fail(request_id, StoreUnavailableError(reason=reason))

    def let_go(self) -> None:
        """Forget what is under way and what is outgoing: the connection is gone."""
        self._calls.clear()
        self._streams.clear()
        self.outgoing = Bundle()
        self._refusal = _no_refusal

    def forget(self, request_id: int) -> None:
        """Treat an accepted call as one that was never begun; only while draining."""
        self._calls.pop(request_id, None)

    def say_goodbye(self, reason: str) -> None:
        """Tell the client that the connection ends, and that what has no answer was not begun."""
        self._refuse(CONNECTION, StoreUnavailableError(reason=reason))

    def break_off(self, error: GaterError) -> None:
        """The client broke the protocol: nothing of it is under way any more, and no more is taken."""
        self.broken = error
        self._calls.clear()
        self._streams.clear()
        self._refuse(CONNECTION, error)

    def _refuse(self, request_id: int, error: GaterError) -> None:
        self.outgoing.add(Failure(request_id, *to_wire(error)))
