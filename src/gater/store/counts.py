"""Counts of what a store keeps beside events: taken once when the store is opened, then kept with each transaction.

The thread that writes changes them after its commit; whoever asks how a store is doing reads them, at no cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import apsw

from gater.store import queries

SIGNS: Final[Mapping[str, int]] = {
    queries.PUT_SNAPSHOT: 1,
    queries.DELETE_SNAPSHOT: -1,
    queries.PARK: 1,
    queries.UNPARK: -1,
    queries.DISCARD_FIRST: -1,
    queries.DISCARD_PARKED: -1,
    queries.FORGET_REPLAYED: -1,
    queries.DELETE_PARKED_OF: -1,
}
"""Statements that change a count, and whether by the rows they add or by those they delete."""
_OF_SNAPSHOTS: Final = frozenset({queries.PUT_SNAPSHOT, queries.DELETE_SNAPSHOT})


class Counts:
    """The counts of one store."""

    def __init__(self) -> None:
        self.snapshots = 0
        self.parked: dict[str, int] = {}
        """Parked events by subscription; none of those that have none."""
        self.failure: apsw.Error | None = None
        """Why they could not be taken."""
        self._snapshots_changed = 0
        self._parked_changed: dict[str, int] = {}

    def take(self, connection: apsw.Connection) -> None:
        """Count what the file has; a page that cannot be read is met again by its readers."""
        try:
            self.snapshots = queries.one(connection, queries.COUNT_SNAPSHOTS)
            rows: Any = connection.execute(queries.COUNT_ALL_PARKED)
            self.parked = dict(rows.fetchall())
        except apsw.Error as error:
            self.failure = error

    def begin(self) -> None:
        """A transaction begins."""
        self._snapshots_changed = 0
        self._parked_changed = {}

    def note(self, statement: str, parameters: tuple[Any, ...], rows: int) -> None:
        """One of its statements, of those in SIGNS, has changed so many rows."""
        change = SIGNS[statement] * rows
        if statement in _OF_SNAPSHOTS:
            self._snapshots_changed += change
        else:
            name = parameters[0]
            self._parked_changed[name] = self._parked_changed.get(name, 0) + change

    def commit(self) -> None:
        """It was committed."""
        self.snapshots += self._snapshots_changed
        for name, change in self._parked_changed.items():
            if count := self.parked.get(name, 0) + change:
                self.parked[name] = count
            else:
                self.parked.pop(name, None)
