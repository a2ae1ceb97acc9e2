"""The heads of recent streams, as the machine must know them to judge a command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import apsw

from gater.store import queries
from gater.store.rows import select_in
from gater.store.stream_index import StreamIndex

LIVE: Final = 0
DELETED: Final = 1
TOMBSTONED: Final = 2

MOST_STREAMS: Final = 100_000


class Head:
    """A stream's number, its last version, the oldest version that readers see, and its state."""

    __slots__ = ("first", "sid", "state", "version")

    def __init__(self, sid: int, version: int, first: int, state: int) -> None:
        self.sid = sid
        self.version = version
        self.first = first
        self.state = state


class Heads:
    """The heads of streams by name; unknown ones are looked up in the file, many at a time."""

    def __init__(self, connection: apsw.Connection, index: StreamIndex) -> None:
        self._connection = connection
        self._index = index
        self._heads: dict[str, Head] = {}
        self.next_sid = queries.one(connection, queries.LAST_SID) + 1

    def load(self, names: Iterable[str]) -> None:
        """Know these streams, as far as they exist; earlier ones may be forgotten for their room."""
        wanted = set(names)
        missing = [name for name in wanted if name not in self._heads]
        if len(self._heads) + len(missing) > MOST_STREAMS:
            self._heads.clear()
            missing = list(wanted)
        for name, sid, version, first, state in select_in(self._connection, queries.HEADS, missing):
            unwritten = self._index.last_version(sid)
            self._heads[name] = Head(sid, version if unwritten is None else unwritten, first, state)

    def get(self, name: str) -> Head | None:
        """The stream's head; None when it was never written to. Only after `load`."""
        return self._heads.get(name)

    def add(self, name: str) -> Head:
        """The head of a new stream, with the next number."""
        head = self._heads[name] = Head(self.next_sid, -1, 0, LIVE)
        self.next_sid += 1
        return head
