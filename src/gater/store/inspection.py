"""Whole-store work on a connection of its own, in a thread: verification and backup."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from gater.model.errors import StoreCorruptError
from gater.model.stores import VerifyReport
from gater.store import queries
from gater.store.connection import CHECKSUM_BYTES, READER_CACHE_KIB, open_file, translate, translated

_CHECKS: Final = (
    ("versions of stream {0} have a hole before {1}", queries.VERSION_HOLES),
    ("the oldest visible event of stream {0} is missing", queries.MISSING_FIRST),
    ("the event at position {0} belongs to no stream or type", queries.ORPHANS),
    ("the index by type misses {0} at position {1}", queries.UNINDEXED),
    ("version {1} of stream {0} stands before its predecessor", queries.DISORDER),
)


def verify_connection(connection: apsw.Connection, store: str) -> VerifyReport:
    """Check everything behind a connection: pages and indexes, gapless positions and versions."""
    problems: list[str] = []
    events = streams = last = 0
    try:
        problems += [row[0] for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
        with connection:
            events, first, last = connection.execute(queries.COUNT_EVENTS).fetchone() or (0, 0, 0)
            streams = queries.one(connection, queries.COUNT_STREAMS)
            last = max(last, queries.one(connection, queries.GET_META, ("position",)) or 0)
            compacted = queries.one(connection, queries.GET_META, ("compacted",))
            if events + compacted != last:
                problems.append(
                    f"positions have holes: {events} events and {compacted} removed ones, but the last is {last}"
                )
            if first < 0:
                problems.append(f"position {first} is not a position")
            for text, query in _CHECKS:
                problems += [text.format(*row) for row in connection.execute(query)]
    except apsw.Error as error:
        problems.append(translate(store, error).message + f": {error}")
    return VerifyReport(store, events, streams, last, tuple(problems))


def verify_file(path: Path, store: str) -> VerifyReport:
    """Check a store's file while it is in use."""
    try:
        with translated(store):
            connection = open_file(path, read_only=True, cache_kib=READER_CACHE_KIB)
    except StoreCorruptError as damage:
        return VerifyReport(store, 0, 0, 0, (str(damage),))
    try:
        return verify_connection(connection, store)
    finally:
        connection.close()


def copy_file(source: Path, target: Path, store: str) -> None:
    """Write a consistent copy of a store's file, checksums included, while it is in use."""
    with translated(store):
        reading = open_file(source, read_only=True, cache_kib=READER_CACHE_KIB)
        try:
            writing = open_file(target, create=True, cache_kib=READER_CACHE_KIB)
            try:
                _copy(reading, writing)
                if writing.reserve_bytes("main", -1) != CHECKSUM_BYTES:
                    raise StoreCorruptError(store, "the copy lost its checksums")
            finally:
                writing.close()
        finally:
            reading.close()


def _copy(reading: apsw.Connection, writing: apsw.Connection) -> None:
    with writing.backup("main", reading, "main") as backup:
        while not backup.done:
            backup.step(4_096)
    writing.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    writing.pragma("journal_mode", "delete")


def copy_memory(connection: apsw.Connection, target: Path, store: str) -> None:
    """Write the content of a store in memory to a file with checksums."""
    with translated(store):
        writing = open_file(target, create=True, cache_kib=READER_CACHE_KIB)
        try:
            writing.execute(queries.SCHEMA)
            writing.pragma("application_id", connection.pragma("application_id"))
            writing.pragma("user_version", connection.pragma("user_version"))
            with writing:
                for table in ("meta", "streams", "event_types", "events", "type_blocks", "snapshots"):
                    for row in connection.execute(f"SELECT * FROM {table}"):
                        marks = ",".join("?" * len(row))
                        writing.execute(f"INSERT INTO {table} VALUES ({marks})", row)
            writing.pragma("journal_mode", "delete")
        finally:
            writing.close()
