"""Making and opening the files of a store, with every check that finds damage before anything is served.

Besides the checks here, each page carries a checksum that is compared whenever it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
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
    StoreUnavailableError,
)
from gater.model.stores import StoreConfig
from gater.store import queries
from gater.store.connection import CHECKSUM_BYTES, WRITER_CACHE_KIB, open_file, translated
from gater.store.watermark import Watermark
from gater.store.write_ahead_log import damage_at_rest

APPLICATION_ID: Final = 0x47415445
SCHEMA_VERSION: Final = 2


def _add_subscriptions(connection: apsw.Connection) -> None:
    connection.execute(queries.SUBSCRIPTIONS_SCHEMA)


MIGRATIONS: Final[dict[int, Callable[[apsw.Connection], None]]] = {1: _add_subscriptions}
"""By the schema version they start from: the step to the next; each runs in one transaction."""

_HEADER_BYTES: Final = 100
_MARK_AT: Final = 68
"""Where SQLite keeps the application id."""
_PAGE_BYTES: Final = 4_096

FULL_CHECK_BYTES: Final = 64 << 20
"""Files up to this size are read whole, and so checked whole, each time they are opened."""


LOG_BYTES: Final = 4 << 20
"""Room that the write-ahead log is given in advance."""


class StoreFiles:
    """The files of one store in a data folder: the database, its lock, its watermark."""

    def __init__(self, folder: Path, store: str) -> None:
        self.store = store
        self.database = folder / f"{store}.db"
        self.watermark = folder / f"{store}.watermark"
        self.log = folder / f"{store}.db-wal"
        self.lock = folder / f"{store}.lock"
        self._lock_file: int | None = None

    def acquire(self) -> None:
        """Be the only process that has this store open; StoreUnavailableError when another is."""
        try:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailableError(self.store, f"{self.lock}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StoreUnavailableError(self.store, "another process has it open", path=str(self.database)) from error
        self._lock_file = handle

    def release(self) -> None:
        """Let others open the store."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def remove(self) -> None:
        """Delete the files."""
        for path in self._all():
            path.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        shared = self.database.with_name(self.database.name + "-shm")
        return [self.database, self.log, shared, self.watermark, self.lock]


def stores_in(folder: Path) -> list[str]:
    """The names of the stores whose files are in a data folder."""
    return sorted(path.stem for path in folder.glob("*.db")) if folder.is_dir() else []


def create_store(files: StoreFiles, config: StoreConfig) -> apsw.Connection:
    """Make a store's file, in one transaction, and return the writer's connection to it."""
    with translated(files.store):
        if files.database.exists():
            if not _never_finished(files.database):
                raise AlreadyExistsError("store", files.store)
            files.database.unlink()
        connection = open_file(files.database, create=True, cache_kib=WRITER_CACHE_KIB)
        connection.pragma("auto_vacuum", "incremental")
        create_content(connection, config)
        _prepare_log(connection, files)
    _sync_folder(files.database.parent)
    return connection


def create_content(connection: apsw.Connection, config: StoreConfig) -> None:
    """Make the tables of an empty store, and note how it was made."""
    with connection:
        connection.execute(queries.SCHEMA)
        for name, value in (("config", msgspec.json.encode(config).decode()), ("changes", 0), ("compacted", 0)):
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


def open_store(files: StoreFiles, watermark: Watermark) -> apsw.Connection:
    """The writer's connection to a store's file, after recovery, checks and migrations.

    Raises StoreNotFoundError (making the file was cut short before anything was in it), StoreCorruptError,
    MisconfiguredError (a store of a newer Gater), StoreUnavailableError.
    """
    if _is_foreign(files):
        raise StoreCorruptError(files.store, f"{files.database} is not a store's file")
    _refuse_damaged_log(files)
    with translated(files.store), contextlib.ExitStack() as undo:
        connection = open_file(files.database, cache_kib=WRITER_CACHE_KIB)
        undo.callback(connection.close)
        if _is_empty(connection):
            if watermark.read():
                raise StoreCorruptError(files.store, "the file is empty, it was not")
            raise StoreNotFoundError(files.store)
        if connection.pragma("application_id") != APPLICATION_ID:
            raise StoreCorruptError(files.store, f"{files.database} is not a store's file")
        if connection.reserve_bytes("main", -1) != CHECKSUM_BYTES:
            raise StoreCorruptError(files.store, "its pages carry no checksums")
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
    try:
        with files.database.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise StoreUnavailableError(files.store, f"{files.database}: {error.strerror}") from error
    mark = int.from_bytes(header[_MARK_AT : _MARK_AT + 4], "big")
    if mark == APPLICATION_ID or len(header) < _HEADER_BYTES:
        return False
    # As long as a store's making is not finished, there is one page without a mark, and the rest is in the log.
    unfinished = files.database.stat().st_size <= _PAGE_BYTES or files.log.exists()
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
    try:
        with files.log.open("r+b") as log:
            if log.seek(0, os.SEEK_END) == 0:
                log.write(bytes(LOG_BYTES))
                log.flush()
                os.fsync(log.fileno())
    except OSError:
        # No room to spare: the log grows as it is written, as far as the disk lets it.
        with contextlib.suppress(OSError):
            os.truncate(files.log, 0)


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


def read_config(connection: apsw.Connection) -> StoreConfig:
    """How the store was made."""
    return msgspec.json.decode(queries.one(connection, queries.GET_META, ("config",)), type=StoreConfig)
