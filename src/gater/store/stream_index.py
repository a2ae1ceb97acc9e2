"""The index by stream, which lags a little so that appending to many streams stays cheap.

Its unit is a run: events of one stream whose positions follow each other. An entry for each run, at once, would make
every append to another stream change another page of the file. So the newest runs are kept in memory and are written
when a stream has several, or when they grow old. What is lost with the process is found again from the newest events
when the store is opened.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import apsw

from gater.store import queries
from gater.store.recent import LAG
from gater.store.rows import insert_rows, select_in

RUNS_OF_STREAM: Final = 16
"""Unwritten runs of one stream that are written together."""
RUNS_IN_ALL: Final = 4_096
"""Unwritten runs after which those of the stream that has waited longest are written."""

_WIDTH: Final = 3


class StreamIndex:
    """The runs that are not in the file yet; belongs to the machine."""

    def __init__(self, connection: apsw.Connection, position: int) -> None:
        self._connection = connection
        # An OrderedDict, for it finds its first entry at once, however many were taken from its front.
        self._unwritten: OrderedDict[int, list[int]] = OrderedDict()
        """By stream number, the one that has waited longest first: version, position and count of each run, flat."""
        self._count = 0
        self._ripe: list[int] = []
        self._load(position - LAG)

    def _load(self, position: int) -> None:
        newest: list[Any] = self._connection.execute(queries.EVENTS_AFTER, (position,)).fetchall()
        sids = list({sid for _, sid, _ in newest})
        indexed: dict[int, int | None] = dict(select_in(self._connection, queries.INDEXED_TO, sids))
        for place, sid, version in newest:
            if version >= (indexed.get(sid) or 0):
                self.add(sid, version, place)

    def add(self, sid: int, version: int, position: int) -> None:
        """Note a new event."""
        runs = self._unwritten.get(sid)
        if runs is None:
            self._unwritten[sid] = [version, position, 1]
        elif position == runs[-2] + runs[-1]:
            runs[-1] += 1
            return
        else:
            runs += (version, position, 1)
            if len(runs) == RUNS_OF_STREAM * _WIDTH:
                self._ripe.append(sid)
        self._count += 1

    def last_version(self, sid: int) -> int | None:
        """The newest version of the stream among what is not written; None when all is."""
        runs = self._unwritten.get(sid)
        return None if runs is None else runs[-3] + runs[-1] - 1

    def write(self, position: int, *, everything: bool = False) -> None:
        """Write what is ripe, and what lies too far below `position`, the newest; within the batch's transaction."""
        flat: list[int] = []
        for sid in self._ripe:
            self._take(sid, flat)
        self._ripe.clear()
        while self._unwritten:
            sid, runs = next(iter(self._unwritten.items()))
            if not everything and self._count <= RUNS_IN_ALL and runs[1] > position - LAG:
                break
            self._take(sid, flat)
        if flat:
            insert_rows(self._connection, queries.INSERT_RUNS, 1 + _WIDTH, flat)

    def _take(self, sid: int, flat: list[int]) -> None:
        runs = self._unwritten.pop(sid, [])
        for start in range(0, len(runs), _WIDTH):
            flat += (sid, *runs[start : start + _WIDTH])
        self._count -= len(runs) // _WIDTH
