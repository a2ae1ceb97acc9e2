"""Copying a whole store while it is in use."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import apsw

from gater.model.errors import StoreCorruptError, StoreUnavailableError
from gater.store import queries
from gater.store.connection import CHECKSUM_BYTES, SCAN_CACHE_KIB, open_file, translated
from gater.store.history import skip_numbers


def copy_file(source: Path, target: Path, store: str, given_up: threading.Event) -> None:
    """Write a consistent copy of a store's file, checksums included, while it is in use.

    Raises StoreUnavailableError when it is `given_up` meanwhile.
    """
    with translated(store):
        reading = open_file(source, read_only=True, cache_kib=SCAN_CACHE_KIB)
        try:
            writing = open_file(target, create=True, cache_kib=SCAN_CACHE_KIB)
            try:
                _copy(reading, writing, store, given_up)
                if writing.reserve_bytes("main", -1) != CHECKSUM_BYTES:
                    raise StoreCorruptError(store, "the copy lost its checksums")
            finally:
                writing.close()
        finally:
            reading.close()


def _copy(reading: apsw.Connection, writing: apsw.Connection, store: str, given_up: threading.Event) -> None:
    with writing.backup("main", reading, "main") as backup:
        while not backup.done:
            if given_up.is_set():
                raise StoreUnavailableError(store, "the copy was given up")
            backup.step(4_096)
    _begin_new_runs(writing)
    writing.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    writing.pragma("journal_mode", "delete")


async def copy_open(reading: apsw.Connection, target: Path, store: str) -> None:
    """Write what an open connection reads to a new file, in steps between which others have their turn.

    For a store whose file is no longer at its path, where no other connection reaches it.
    """
    with translated(store):
        writing = open_file(target, create=True, cache_kib=SCAN_CACHE_KIB)
        try:
            with writing.backup("main", reading, "main") as backup:
                while not backup.done:
                    backup.step(256)
                    await asyncio.sleep(0)
            _begin_new_runs(writing)
            writing.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            writing.pragma("journal_mode", "delete")
        finally:
            writing.close()


def _begin_new_runs(connection: apsw.Connection) -> None:
    """Keep receipts that the store gives after the copy was made from settling anything in the copy."""
    with connection:
        skip_numbers(connection)


def copy_memory(connection: apsw.Connection, target: Path, store: str) -> None:
    """Write the content of a store in memory to a file with checksums."""
    with translated(store):
        writing = open_file(target, create=True, cache_kib=SCAN_CACHE_KIB)
        try:
            writing.execute(queries.SCHEMA)
            writing.pragma("application_id", connection.pragma("application_id"))
            writing.pragma("user_version", connection.pragma("user_version"))
            with writing:
                for (table,) in connection.execute(queries.TABLES).fetchall():
                    for row in connection.execute(f"SELECT * FROM {table}"):
                        marks = ",".join("?" * len(row))
                        writing.execute(f"INSERT INTO {table} VALUES ({marks})", row)
            _begin_new_runs(writing)
            writing.pragma("journal_mode", "delete")
        finally:
            writing.close()
