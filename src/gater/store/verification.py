"""Checking a whole store: pages, indexes, and that positions and versions are gapless."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from gater.model.errors import StoreCorruptError, StoreUnavailableError
from gater.model.stores import VerifyReport
from gater.store import queries
from gater.store.connection import SCAN_CACHE_KIB, open_file, translate, translated
from gater.store.recent import LAG
from gater.store.write_ahead_log import damage_in_use, opened

MOST_PROBLEMS: Final = 20
STEPS_A_LOOK: Final = 10_000
"""Instructions of SQLite after which is looked whether a verification is given up."""


def verify_connection(connection: apsw.Connection, store: str) -> VerifyReport:
    """Check everything that a connection reads, as of now; problems are listed up to MOST_PROBLEMS."""
    check = _Check(connection)
    problems: list[str] = []
    try:
        with connection:
            for problem in check.problems():
                problems.append(problem)
                if len(problems) == MOST_PROBLEMS:
                    break
    except apsw.InterruptError:
        raise _given_up(store) from None
    except apsw.Error as error:
        problems.append(f"{translate(store, error).message}: {error}")
    return VerifyReport(store, check.events, len(check.first), check.position, tuple(problems))


def _given_up(store: str) -> StoreUnavailableError:
    return StoreUnavailableError(store, "the verification was given up")


class _Check:
    """One pass over each table; what is found on the way is kept for the next."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.events = 0
        self.position = 0
        self.first: dict[int, int] = {}
        """Oldest visible version by stream number."""
        self._names: dict[int, str] = {}
        self._must_be_indexed: dict[int, int] = {}
        """By stream number, the newest version that the index by stream may not lack."""

    def problems(self) -> Iterator[str]:
        """The problems that are found, in words."""
        yield from (row[0] for row in self._rows("PRAGMA integrity_check(20)") if row[0] != "ok")
        for sid, name, first in self._rows(queries.ALL_STREAMS):
            self.first[sid], self._names[sid] = first, name
        yield from self._positions()
        yield from self._versions()
        yield from self._runs()
        for (position,) in self._rows(queries.LOST_TYPES):
            yield f"the event at position {position} is not found by its type"

    def _rows(self, query: str) -> Iterator[Any]:
        return iter(self._connection.execute(query))

    def _positions(self) -> Iterator[str]:
        count, low, high = next(self._rows(queries.COUNT_EVENTS))
        self.events = count
        self.position = max(high, queries.one(self._connection, queries.GET_META, ("position",)) or 0)
        compacted = queries.one(self._connection, queries.GET_META, ("compacted",))
        if low < 0 or count + compacted != self.position:
            yield f"positions have holes: {count} events and {compacted} removed ones, but the last is {self.position}"

    def _versions(self) -> Iterator[str]:
        last: dict[int, int] = {}
        settled = self.position - LAG
        for position, sid, version in self._rows(queries.ALL_EVENTS):
            before = last.get(sid)
            if sid not in self.first:
                yield f"the event at position {position} belongs to no stream"
            elif version != before + 1 if before is not None else version > self.first[sid]:
                yield f"stream {self._names[sid]}: version {version} at position {position} follows {before}"
            last[sid] = version
            if position <= settled:
                self._must_be_indexed[sid] = version

    def _runs(self) -> Iterator[str]:
        """The index by stream: its runs follow each other, begin at the right event, and reach far enough."""
        indexed: dict[int, int] = {}
        for sid, version, count, event_sid, event_version in self._rows(queries.ALL_RUNS):
            follows = sid not in indexed or indexed[sid] + 1 == version
            stands = event_sid is None or (event_sid, event_version) == (sid, version)
            if not follows or not stands:
                yield f"stream {self._names.get(sid, sid)}: the index by stream is wrong at version {version}"
            indexed[sid] = version + count - 1
        for sid, version in self._must_be_indexed.items():
            if indexed.get(sid, -1) < version:
                yield f"stream {self._names.get(sid, sid)}: the index by stream lacks version {version}"


def verify_file(path: Path, store: str, given_up: threading.Event | None = None) -> VerifyReport:
    """Check a store's file and its write-ahead log while they are in use.

    Raises StoreUnavailableError when it is `given_up` meanwhile.
    """
    try:
        with translated(store):
            connection = open_file(path, read_only=True, cache_kib=SCAN_CACHE_KIB)
    except StoreCorruptError as damage:
        return VerifyReport(store, 0, 0, 0, (str(damage),))
    if given_up is not None:
        connection.set_progress_handler(given_up.is_set, STEPS_A_LOOK)
    try:
        in_log = _damage_in_log(path, store, given_up)
        report = verify_connection(connection, store)
    finally:
        connection.close()
    if not in_log:
        return report
    return msgspec.structs.replace(report, problems=(in_log, *report.problems)[:MOST_PROBLEMS])


def _damage_in_log(path: Path, store: str, given_up: threading.Event | None) -> str:
    """Faults of the frames of the log, those included that nothing reads at the moment."""

    def pause() -> None:
        if given_up is not None and given_up.is_set():
            raise _given_up(store)

    with translated(store):
        connection = open_file(path, cache_kib=SCAN_CACHE_KIB)
        try:
            with opened(path.with_name(f"{path.name}-wal")) as log:
                return damage_in_use(connection, log, copied_too=True, pause=pause)
        finally:
            connection.close()
