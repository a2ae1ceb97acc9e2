"""Giving back the space of hidden events in slices: each is short, and none looks again at what another has done.

A slice is a command: what it removes follows from the content of the store, a limit and the stream at which it begins.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from gater.model.commands import Compact, Compacted
from gater.store import queries
from gater.store.rows import select_in

STREAMS_OF_SLICE: Final = 1_000
"""Truncated and deleted streams that one slice looks at."""


def remove_hidden(connection: apsw.Connection, command: Compact) -> Compacted:
    """Carry out one slice within a transaction, once the index by stream is complete."""
    begin = command.begin
    end: int | None = queries.one(connection, queries.LAST_CUT_STREAM, (begin, STREAMS_OF_SLICE))
    if end is None:
        return Compacted(0, None)
    hidden: list[Any] = connection.execute(queries.HIDDEN, (begin, end, command.limit)).fetchall()
    if not hidden:
        return Compacted(0, end + 1)
    for _ in select_in(connection, queries.DELETE_EVENTS, [row[0] for row in hidden]):
        pass
    _, sid, version = hidden[-1]
    connection.execute(queries.DELETE_RUNS, (begin, sid, version))
    return Compacted(len(hidden), end + 1 if len(hidden) < command.limit else sid)
