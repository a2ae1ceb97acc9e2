"""The client's side of a connection, without I/O: numbers requests, takes messages, offers frames to send."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final, Generic, TypeVar

from gater.model.errors import GaterError, RequestTooLargeError, ValidationError
from gater.wire.codec import Bundle, MalformedError, UnencodableError, decode_server_bundle
from gater.wire.errors import from_wire
from gater.wire.frames import CONNECTION, Cancel, End, Failure, Grant, Item, Request, Response, ServerFrame

Call = TypeVar("Call")
Stream = TypeVar("Stream")

NO_LIMIT: Final = 1 << 62


class ClientSession(Generic[Call, Stream]):
    """The waiting calls and streams of one client; each frame is handed back with the one that it concerns.

    A call gets one Response or Failure; a stream gets Items and then one End or Failure; neither gets anything after
    `cancel`.
    """

    def __init__(self, max_request_bytes: int = NO_LIMIT) -> None:
        self.outgoing = Bundle()
        """Frames to send."""
        self.broken: GaterError | None = None
        """Set when the server broke the protocol: close, the session takes no more."""
        self.goodbye: GaterError | None = None
        """Why the server ends the connection, once it has said so."""
        self._max_request_bytes = max_request_bytes
        self._last_id = 0
        self._calls: dict[int, Call] = {}
        self._streams: dict[int, Stream] = {}
        self._credit: dict[int, int] = {}

    @property
    def calls(self) -> dict[int, Call]:
        """The calls that wait for an answer, by request id, oldest first. Not to be changed."""
        return self._calls

    @property
    def streams(self) -> dict[int, Stream]:
        """The readers of streams, by request id. Not to be changed."""
        return self._streams

    def call(self, caller: Call, operation: str, arguments: Any) -> int:
        """Ask for an answer; returns the request id.

        Raises RequestTooLargeError or ValidationError, and sends nothing, when the request cannot be sent.
        """
        request_id = self._request(operation, arguments, 0)
        self._calls[request_id] = caller
        return request_id

    def open(self, reader: Stream, operation: str, arguments: Any, credit: int) -> int:
        """Ask for a stream that may at first send `credit` items; returns the request id. Raises as `call` does."""
        request_id = self._request(operation, arguments, credit)
        self._streams[request_id] = reader
        self._credit[request_id] = credit
        return request_id

    def _request(self, operation: str, arguments: Any, credit: int) -> int:
        request_id = self._last_id + 1
        try:
            size = self.outgoing.add(Request(request_id, operation, arguments, credit))
        except UnencodableError as error:
            raise ValidationError("arguments", str(error)) from None
        if size > self._max_request_bytes:
            self.outgoing.drop_last(size)
            raise RequestTooLargeError(size, self._max_request_bytes)
        self._last_id = request_id
        return request_id

    def cancel(self, request_id: int) -> None:
        """Wait no longer; nothing happens when the call or stream is over."""
        if self._calls.pop(request_id, None) is not None or self._close_stream(request_id) is not None:
            self.outgoing.add(Cancel(request_id))

    def grant(self, request_id: int, credit: int) -> None:
        """Let a stream send more items; nothing happens when it is over."""
        if request_id in self._streams:
            self._credit[request_id] += credit
            self.outgoing.add(Grant(request_id, credit))

    def receive(self, message: bytes) -> list[tuple[Call | Stream, ServerFrame]]:
        """Take a message; returns the frames that are waited for, each with its call or stream, in order."""
        if self.broken is not None:
            return []
        received: list[tuple[Call | Stream, ServerFrame]] = []
        try:
            for frame in decode_server_bundle(message):
                waiting = self._waiting(frame)
                if waiting is not None:
                    received.append((waiting, frame))
        except MalformedError as error:
            self.broken = ValidationError("message", str(error))
        return received

    def _waiting(self, frame: ServerFrame) -> Call | Stream | None:
        """The call or stream that waits for this frame; None when there is none any more."""
        if type(frame) is Response:
            caller = self._calls.pop(frame.id, None)
            if caller is None:
                self._check_late(frame.id, self._streams)
            return caller
        if type(frame) is Item:
            return self._reader(frame.id)
        if type(frame) is End:
            reader = self._close_stream(frame.id)
            if reader is None:
                self._check_late(frame.id, self._calls)
            return reader
        assert type(frame) is Failure
        if frame.id == CONNECTION:
            self.goodbye = from_wire(frame.code, frame.message, frame.details)
            return None
        if frame.id in self._calls:
            return self._calls.pop(frame.id)
        reader = self._close_stream(frame.id)
        if reader is None:
            self._check_late(frame.id, ())
        return reader

    def _reader(self, request_id: int) -> Stream | None:
        """The reader of a stream that has sent an item, for which it needs credit."""
        reader = self._streams.get(request_id)
        if reader is None:
            self._check_late(request_id, self._calls)
        elif self._credit[request_id] < 1:
            raise MalformedError(f"stream {request_id} sent more than its credit")
        else:
            self._credit[request_id] -= 1
        return reader

    def _close_stream(self, request_id: int) -> Stream | None:
        self._credit.pop(request_id, None)
        return self._streams.pop(request_id, None)

    def _check_late(self, request_id: int, others: Container[int]) -> None:
        """Pass over a late frame, for which no call waits any more; MalformedError if it could never have been asked
        for.
        """
        if request_id in others or request_id > self._last_id:
            raise MalformedError(f"nobody asked for this frame with id {request_id}")
