"""Room for connections: how many are served at once, and which of them make room for others.

A connection is unknown until a request on it is admitted: one that has a token, or needs none. When all slots are
taken, the unknown connection that came first gives its slot up, unless it came a moment ago. Some more connections are
taken in excess: only requests for the health of the node are answered on them, and the one that came first gives way to
the next. So the health of a node can be asked for whatever others hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from gater.model.errors import OverloadedError

GRACE_SECONDS: Final = 1.0
"""How long an unknown connection keeps its slot in any case: time for its first request."""
EXCESS_PART: Final = 8
"""Of all connections that there are descriptors for, one in so many is kept for those in excess."""

OnExcess: TypeAlias = Callable[[OverloadedError], object]
"""Told of each refusal for there being too much of something."""


class Connection(Protocol):
    """A connection that can be ended."""

    def cut_off(self) -> None:
        """End it at once; it is not counted any more."""
        ...


class Slots:
    """The slots of one node; used on the event loop only."""

    def __init__(
        self, most: int, on_excess: OnExcess, descriptors: int | None = None, *, shakes_hands: bool = False
    ) -> None:
        """`most`: connections served at once, and as many in excess, if `descriptors` of them can be open at all.

        With `shakes_hands` as many as are taken in excess may be open before their TLS handshake has ended, too.
        """
        room = 2 * most if descriptors is None else min(2 * most, max(descriptors, 2))
        self.excess = min(most, max(room // EXCESS_PART, 1))
        """Connections that are taken in excess."""
        self.served = min(most, max(room - (2 if shakes_hands else 1) * self.excess, 1))
        """Connections that are served."""
        self._on_excess = on_excess
        self._unknown: dict[Connection, float] = {}
        self._in_excess: dict[Connection, None] = {}

    def arrive(self, connection: Connection, others: set[Any], now: float) -> OverloadedError | None:
        """Give a connection a slot, or tell why it is in excess; `others` are all that are open."""
        if len(others) - len(self._in_excess) >= self.served:
            self._make_room(now)
        if len(others) - len(self._in_excess) < self.served:
            self._unknown[connection] = now
            return None
        if len(self._in_excess) >= self.excess:
            self._end(self._in_excess)
        self._in_excess[connection] = None
        error = OverloadedError("connections", self.served)
        self._on_excess(error)
        return error

    def admit(self, connection: Connection) -> None:
        """A request of a connection was admitted: it keeps its slot."""
        self._unknown.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """A connection has ended, or is no HTTP connection any more."""
        self._unknown.pop(connection, None)
        self._in_excess.pop(connection, None)

    def _make_room(self, now: float) -> None:
        """End the unknown connection that came first."""
        first = next(iter(self._unknown.values()), now)
        if first <= now - GRACE_SECONDS:
            self._end(self._unknown)

    def _end(self, connections: dict[Connection, Any]) -> None:
        connection = next(iter(connections))
        del connections[connection]
        connection.cut_off()
