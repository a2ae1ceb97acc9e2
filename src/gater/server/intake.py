"""Memory of RPC connections for incoming messages, counted together against the share of requests.

The buffer of a connection grows with its largest message and does not shrink again, so its bytes are counted until the
connection ends. Where there is no room, connections with nothing under way make it: they are ended, their clients
connect anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gater.model.memory_budget import Share

FREE_BYTES: Final = 64 << 10
"""Bytes of a connection that are not counted: few messages are larger."""
STEP_BYTES: Final = 64 << 10
"""Bytes that are counted at once."""


class Intakes:
    """The buffers of all connections."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self._grown: dict[Intake, None] = {}

    def take(self, intake: Intake, size: int) -> bool:
        """Count bytes for a connection; False when there is no room for them."""
        if not self.share.take(size):
            for other in list(self._grown):
                other.make_room()
            return False
        self._grown[intake] = None
        return True

    def give_back(self, intake: Intake, size: int) -> None:
        """A connection that had so many bytes is gone."""
        self.share.give_back(size)
        self._grown.pop(intake, None)


class Intake:
    """The unfinished message of one connection."""

    __slots__ = ("_free", "_held", "_intakes", "_size", "make_room")

    def __init__(self, intakes: Intakes, make_room: Callable[[], None]) -> None:
        """`make_room` ends the connection, if it has nothing under way."""
        self.make_room = make_room
        self._intakes = intakes
        self._size = 0
        self._free = FREE_BYTES
        """Bytes that a message may have before more are counted."""
        self._held = 0

    @property
    def limit(self) -> int:
        """Bytes that all connections may hold together."""
        return self._intakes.share.limit

    @property
    def is_reading(self) -> bool:
        """Whether a message has begun and is not whole."""
        return self._size > 0

    def add(self, size: int) -> bool:
        """Note bytes that were read; False when there is no room for them."""
        self._size += size
        if self._size <= self._free:
            return True
        more = max(self._size - self._free, STEP_BYTES)
        if not self._intakes.take(self, more):
            return False
        self._held += more
        self._free += more
        return True

    def whole(self) -> None:
        """A message is whole: what is read from now on is the next."""
        self._size = 0

    def end(self) -> None:
        """The connection is gone."""
        if self._held:
            self._intakes.give_back(self, self._held)
        self._held = self._size = 0
        self._free = FREE_BYTES
        self.make_room = _nothing


def _nothing() -> None:
    """The part of a closed connection in making room."""
