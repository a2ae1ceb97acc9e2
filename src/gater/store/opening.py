"""Making and opening the files of a store, with every check that finds damage before anything is served.

Besides the checks here, each page carries a checksum that is compared whenever it is read.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import msgspec

from gater.model.errors import (
    AlreadyExistsError,
    MisconfiguredError,
    StoreCorruptError,
    StoreNotFoundError,
)
from gater.model.stores import StoreConfig
from gater.store import migrations, queries
from gater.store.connection import CHECKSUM_BYTES, WRITER_CACHE_KIB, close_failed, open_file, translated
from gater.store.file_guard import HEADER_BYTES
from gater.store.history import begin_history, new_history, note_history
from gater.store.store_files import APPLICATION_ID, MADE, PAGE_BYTES, StoreFiles, application_of
from gater.store.watermark import NO_IDENTITY, Watermark
from gater.store.write_ahead_log import damage_at_rest

SCHEMA_VERSION: Final = 3


MIGRATIONS: Final[dict[int, Callable[[apsw.Connection], None]]] = {
    1: migrations.add_subscriptions,
    2: migrations.number_runs,
}
"""By the schema version they start from: the step to the next; each runs in one transaction."""

FULL_CHECK_BYTES: Final = 64 << 20
"""Files up to this size are read whole, and so checked whole, each time they are opened."""


FIRST_NUMBERS: Final = 1 << 51
"""A new store numbers runs and receipts from below this: a quarter of what JSON readers know whole numbers up to."""

LOG_BYTES: Final = 4 << 20
"""Room that the write-ahead log is given in advance."""


def create_store(files: StoreFiles, config: StoreConfig) -> apsw.Connection:
    """Make a store's file, in one transaction, and return the writer's connection to it.

    Raises AlreadyExistsError, or StoreCorruptError when a store was here whose file is missing or empty.
    """
    with translated(files.store), contextlib.ExitStack() as undo:
        if files.database.exists() and not _never_finished(files.database):
            raise AlreadyExistsError("store", files.store)
        files.refuse_loss()
        files.database.unlink(missing_ok=True)
        connection = open_file(files.database, create=True, cache_kib=WRITER_CACHE_KIB)
        undo.callback(close_failed, connection)
        connection.pragma("auto_vacuum", "incremental")
        create_content(connection, config, numbers=random_number(), history=new_history())
        files.guard.claim()
        _prepare_log(connection, files)
        _sync_folder(files.database.parent)
        undo.pop_all()
        return connection


def random_number() -> int:
    """The number after which a new store numbers runs and receipts, so that receipts of a store that was removed are
    none of another one of the same name.
    """
    return secrets.randbelow(FIRST_NUMBERS)


def create_content(connection: apsw.Connection, config: StoreConfig, *, numbers: int, history: str) -> None:
    """Make the tables of an empty store, and note how it was made; runs and receipts have numbers after `numbers`."""
    made = {
        "config": msgspec.json.encode(config).decode(),
        "changes": 0,
        "compacted": 0,
        "numbers": numbers,
        "history": history,
    }
    with connection:
        connection.execute(queries.SCHEMA)
        for name, value in made.items():
            connection.execute(queries.PUT_META, (name, value))
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", SCHEMA_VERSION)


def _never_finished(path: Path) -> bool:
    """Whether making this file was cut short before anything was in it."""
    connection = open_file(path, cache_kib=64)
    try:
        return _is_empty(connection)
    finally:
        connection.close()


def _is_empty(connection: apsw.Connection) -> bool:
    return bool(connection.pragma("user_version") == 0 and queries.one(connection, _COUNT_TABLES) == 0)


_COUNT_TABLES: Final = "SELECT count(*) FROM sqlite_schema"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_store(files: StoreFiles) -> apsw.Connection:
    """The writer's connection to a store's file, after recovery, checks and migrations.

    Raises StoreNotFoundError (making the file was cut short before anything was in it), StoreCorruptError,
    MisconfiguredError (a store of a newer Gater), StoreUnavailableError.
    """
    if _is_foreign(files):
        raise StoreCorruptError(files.store, f"{files.database} is not a store's file")
    _refuse_damaged_log(files)
    with translated(files.store), contextlib.ExitStack() as undo:
        connection = open_file(files.database, cache_kib=WRITER_CACHE_KIB)
        undo.callback(close_failed, connection)
        if _is_empty(connection):
            files.refuse_loss()
            raise StoreNotFoundError(files.store)
        if connection.pragma("application_id") != APPLICATION_ID:
            raise StoreCorruptError(files.store, f"{files.database} is not a store's file")
        if connection.reserve_bytes("main", -1) != CHECKSUM_BYTES:
            raise StoreCorruptError(files.store, "its pages carry no checksums")
        files.guard.claim()
        _migrate(connection, files)
        _prepare_log(connection, files)
        _check_content(connection, files)
        undo.pop_all()
        return connection


def _refuse_damaged_log(files: StoreFiles) -> None:
    """StoreCorruptError before SQLite cuts the log at a damaged frame, and empties it."""
    with translated(files.store):
        damage = damage_at_rest(files.log)
    if damage:
        reason = f"{damage}; restore a backup, or delete {files.log.name} to go on without what is only in the log"
        raise StoreCorruptError(files.store, reason)


def _is_foreign(files: StoreFiles) -> bool:
    """Whether another program made this file, which opening it as a store would change."""
    header = files.guard.header()
    mark = application_of(header)
    if mark == APPLICATION_ID or len(header) < HEADER_BYTES:
        return False
    # As long as a store's making is not finished, there is one page without a mark, and the rest is in the log.
    unfinished = files.database.stat().st_size <= PAGE_BYTES or files.log.exists()
    return mark != 0 or not unfinished


def _prepare_log(connection: apsw.Connection, files: StoreFiles) -> None:
    """Empty the write-ahead log, and give it room on the disk.

    A sync of bytes that take the place of others needs no change of the file's length, and so takes a third less
    time than one that makes the file grow; SQLite takes a log of zeros for an empty one.
    """
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.FullError, apsw.BusyError):
        return  # the log holds everything, and is read as well as the file
    files.guard.fill_log(LOG_BYTES)


def _migrate(connection: apsw.Connection, files: StoreFiles) -> None:
    version = connection.pragma("user_version")
    if version > SCHEMA_VERSION:
        raise MisconfiguredError("data_dir", f"{files.database} was written by a newer Gater (schema {version})")
    while version < SCHEMA_VERSION:
        with connection:
            MIGRATIONS[version](connection)
            version += 1
            connection.pragma("user_version", version)


def _check_content(connection: apsw.Connection, files: StoreFiles) -> None:
    """Read a small file whole; SQLite itself has seen to it that the file is not cut short."""
    if files.database.stat().st_size <= FULL_CHECK_BYTES:
        found = connection.pragma("quick_check")
        if found != "ok":
            raise StoreCorruptError(files.store, " ".join(str(found).split()))


def check_watermark(extent: int, watermark: Watermark, files: StoreFiles) -> None:
    """StoreCorruptError when the file lacks writes that were acknowledged."""
    acknowledged = watermark.read()
    if extent < acknowledged:
        raise StoreCorruptError(
            files.store,
            f"acknowledged writes are missing: the file extends to {extent}, it had reached {acknowledged}; "
            f"restore a backup, or delete {files.watermark.name} to go on with what is there",
        )


def settle_identity(
    connection: apsw.Connection, extent: int, watermark: Watermark, files: StoreFiles, *, copied_at: int | None
) -> bool:
    """See to it that the file and its watermark belong together, and that both say so.

    A file without a watermark (a new one, a restored backup) gets an identity of its own, so that it cannot be taken
    for the one that it was copied from. If one that was found so holds events, up to position `copied_at` (None: it
    was not found, but made or open before), another history begins; returns whether it does. StoreCorruptError when
    the watermark belongs to another file.
    """
    mark = watermark.read_mark()
    own = queries.one(connection, queries.GET_META, ("identity",))
    if mark is not None and mark.identity not in (NO_IDENTITY, own):
        raise StoreCorruptError(
            files.store,
            f"{files.database.name} is not the file that was here, but a copy of another store or of another time; "
            f"put the right one in its place, or delete {files.watermark.name} to go on with this one",
        )
    begins = mark is None and copied_at is not None
    if own is None or mark is None:
        own = uuid.uuid4().bytes
        with connection:
            connection.execute(queries.PUT_META, ("identity", own))
            if begins and copied_at is not None:
                begin_history(connection, copied_at)
    if copied_at is not None:
        note_history(connection)
    watermark.belong_to(own, extent)
    files.note(MADE)
    return begins


def read_config(connection: apsw.Connection) -> StoreConfig:
    """The configuration with which the store was made."""
    return msgspec.json.decode(queries.one(connection, queries.GET_META, ("config",)), type=StoreConfig)
