"""Messages that arrive in several WebSocket frames, put together again (RFC 6455, section 5.4)."""

from __future__ import annotations

from gater.wire.codec import MalformedError


class OversizedError(MalformedError):
    """A message has more bytes than its sender may send."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a message of more than {limit} bytes")


class Fragments:
    """The parts of at most one unfinished message of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: bytearray | None = None

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._parts is not None

    def let_go(self) -> None:
        """Forget the parts."""
        self._parts = None

    def add(self, payload: bytes, *, first: bool, last: bool) -> bytes | None:
        """The whole message when this is its last part, else None.

        Raises MalformedError for a part out of order, OversizedError for a message that is too large.
        """
        if first == self.unfinished:
            raise MalformedError("a message began before the last one ended" if first else "a part of no message")
        parts = bytearray() if self._parts is None else self._parts
        if len(parts) + len(payload) > self._limit:
            raise OversizedError(self._limit)
        parts += payload
        self._parts = None if last else parts
        return bytes(parts) if last else None
