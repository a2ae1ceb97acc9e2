"""The identity of a store's history: by it, positions of a store that was restored or made anew are told apart.

A store has one from its making on. A file that is opened without its watermark (a restored backup, a copy) begins
another one: what is appended from then on gets positions that the store it was copied from may give, too.
"""

from __future__ import annotations

import json
import secrets
from typing import Final

import apsw

from gater.model.errors import HistoryChangedError
from gater.store import migrations, queries

SKIPPED_NUMBERS: Final = 1 << 44
"""Numbers of runs and receipts that a copy passes over at the least; a store gives fewer until the copy is restored."""
MOST_FORMER: Final = 100
"""Former histories that a store remembers."""


class History:
    """The history of an open store, and the former ones that it goes on from."""

    def __init__(self, store: str, connection: apsw.Connection) -> None:
        self._store = store
        self.id = read_history(connection)
        """Empty when the store has none: a file of an earlier Gater on a full disk."""
        self._former = dict(_read_former(connection))

    def check(self, given: str) -> None:
        """HistoryChangedError unless `given` is this history, or none is given."""
        if given and self.id and given != self.id:
            reason = "it was restored or made anew"
            raise HistoryChangedError(self._store, reason, self.id, self._former.get(given, 0))

    def check_reached(self, reached: int, newest: int, what: str = "position") -> None:
        """HistoryChangedError when a position (or version) that was reached before is beyond the newest one."""
        if reached > newest:
            reason = f"{what} {reached} is ahead of it: its newest is {newest}"
            raise HistoryChangedError(self._store, reason, self.id, 0)

    def check_event(self, event_id: bytes, stored: bytes | None) -> None:
        """HistoryChangedError when another event is stored where one was read.

        `stored` is None for one that is no longer stored, `event_id` empty when it is not known.
        """
        if event_id and stored is not None and stored != event_id:
            reason = "another event is where one was read before"
            raise HistoryChangedError(self._store, reason, self.id, 0)


def new_history() -> str:
    """The identity of a history that begins now: 16 hexadecimal digits, drawn by chance."""
    return secrets.token_hex(8)


def note_history(connection: apsw.Connection) -> None:
    """Give a store of an earlier Gater a history, unless it has one or there is no room on its disk."""
    if read_history(connection):
        return
    try:
        with connection:
            connection.execute(queries.PUT_META, ("history", new_history()))
    except apsw.FullError:
        return  # it is served all the same, without a history until it is opened again


def begin_history(connection: apsw.Connection, position: int) -> None:
    """Begin another history of the events up to `position`; within a transaction.

    Subscriptions begin new runs, so that receipts of the former history settle nothing.
    """
    former = _read_former(connection)
    if before := read_history(connection):
        former.append((before, position))
    connection.execute(queries.PUT_META, ("former", json.dumps(former[-MOST_FORMER:])))
    connection.execute(queries.PUT_META, ("history", new_history()))
    skip_numbers(connection)


def skip_numbers(connection: apsw.Connection) -> None:
    """Keep receipts that a store gives after a copy of it was made from settling anything in the copy."""
    migrations.begin_new_runs(connection, SKIPPED_NUMBERS + secrets.randbelow(SKIPPED_NUMBERS))


def read_history(connection: apsw.Connection) -> str:
    """The history of a store; empty when it has none."""
    return queries.one(connection, queries.GET_META, ("history",)) or ""


def _read_former(connection: apsw.Connection) -> list[tuple[str, int]]:
    """The former histories of a store, oldest first, and the position up to which it shares the events of each."""
    found = json.loads(queries.one(connection, queries.GET_META, ("former",)) or "[]")
    return [(history, position) for history, position in found]
