"""Bundles of frames as bytes: written frame by frame into one buffer, read in one go."""

from __future__ import annotations

import struct
from typing import Annotated, Any, Final

import msgspec

from gater.wire.frames import ClientFrame, ServerFrame

HEADROOM: Final = 14
"""Bytes left free in front of a message, where a transport may put its own header without copying."""

_START: Final = HEADROOM + 5
_ARRAY_32: Final = 0xDD
_KEPT_BUFFER_BYTES: Final = 64 << 10
"""What a connection that was busy keeps, of which there may be a thousand."""

_encode_into: Final = msgspec.msgpack.Encoder().encode_into
_pack_array_header: Final = struct.Struct(">BI").pack_into

MOST_CLIENT_FRAMES: Final = 1 << 16
"""Frames that a client may put into one message: many small ones would cost more memory than their bytes."""

_ClientBundle = Annotated[list[ClientFrame], msgspec.Meta(max_length=MOST_CLIENT_FRAMES)]
_decode_client_bundle: Final = msgspec.msgpack.Decoder(_ClientBundle).decode
_decode_client_frame: Final = msgspec.msgpack.Decoder(ClientFrame).decode
_decode_server_bundle: Final = msgspec.msgpack.Decoder(list[ServerFrame]).decode

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a msgpack decoder raises for bytes that do not hold what it expects."""


class MalformedError(ValueError):
    """A message is not a bundle of the frames that its sender may send."""


class UnencodableError(ValueError):
    """The value to be sent cannot be written as msgpack."""


def decode_client_bundle(message: bytes) -> list[ClientFrame]:
    """The frames of a client's message; raises MalformedError."""
    try:
        return _decode_client_bundle(message)
    except DECODE_ERRORS as error:
        raise MalformedError(str(error)) from None


def decode_client_frame(frame: bytes) -> ClientFrame:
    """One frame of a client's message; raises MalformedError."""
    try:
        decoded: ClientFrame = _decode_client_frame(frame)
    except DECODE_ERRORS as error:
        raise MalformedError(str(error)) from None
    return decoded


def decode_server_bundle(message: bytes) -> list[ServerFrame]:
    """The frames of a server's message; raises MalformedError."""
    try:
        return _decode_server_bundle(message)
    except DECODE_ERRORS as error:
        raise MalformedError(str(error)) from None


class Bundle:
    """Frames on their way into one message."""

    def __init__(self) -> None:
        self._buffer = bytearray(_START)
        self._end = _START
        self.frames = 0

    @property
    def size(self) -> int:
        """Bytes of the message so far."""
        return self._end - HEADROOM

    def add(self, frame: Any) -> int:
        """Write a frame; returns its size in bytes.

        A `Raw` field of the frame may hold any value that msgspec can encode. Raises UnencodableError, and leaves
        the bundle as it was, when the frame cannot be encoded.
        """
        try:
            _encode_into(frame, self._buffer, self._end)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise UnencodableError(str(error)) from None
        size = len(self._buffer) - self._end
        self._end += size
        self.frames += 1
        return size

    def drop_last(self, size: int) -> None:
        """Take back the frame of `size` bytes that was added last."""
        self._end -= size
        self.frames -= 1

    def take(self) -> bytearray:
        """The message, after HEADROOM free bytes, and an empty bundle.

        The buffer is used again: it holds the message until the next frame is added.
        """
        message = self._buffer
        if len(message) > self._end:
            del message[self._end :]
        _pack_array_header(message, HEADROOM, _ARRAY_32, self.frames)
        self.frames = 0
        self._end = _START
        if len(message) > _KEPT_BUFFER_BYTES:
            self._buffer = bytearray(_START)
        return message
