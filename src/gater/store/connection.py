"""SQLite connections as a store needs them: checksummed pages, WAL, and errors from Gater's own tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from gater.model.errors import GaterError, StoreCorruptError, StoreUnavailableError
from gater.store.checked_log import READING_VFS, load_reading_vfs
from gater.store.checksums import CHECKSUM_VFS, SUM_BYTES, load_checksum_vfs

CHECKSUM_BYTES: Final = SUM_BYTES
"""Room at the end of each page that the checksum VFS keeps its checksum in."""
WRITER_CACHE_KIB: Final = 64 * 1024
READER_CACHE_KIB: Final = 96 * 1024
"""Most memory that a store's pages take for reading; an idle store takes little of it."""
SCAN_CACHE_KIB: Final = 8 * 1024
"""The same for who goes through the file once."""
BUSY_MS: Final = 5_000

_IOERR_DATA: Final = 8202
"""Extended result of a page whose checksum is wrong."""


def open_file(path: Path, *, create: bool = False, read_only: bool = False, cache_kib: int) -> apsw.Connection:
    """A connection to a store's file, with every page checksummed on its way in and out.

    One that is `read_only` compares what it reads from the write-ahead log, too.
    """
    load_checksum_vfs()
    if read_only:
        load_reading_vfs()
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    if create:
        flags |= apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(
        str(path), flags=flags, vfs=READING_VFS if read_only else CHECKSUM_VFS, statementcachesize=200
    )
    try:
        _configure(connection, create=create, read_only=read_only, cache_kib=cache_kib)
    except BaseException:
        connection.close()  # at once: the error would keep the file open as long as somebody keeps the error
        raise
    return connection


def close_failed(connection: apsw.Connection) -> None:
    """Close a connection after a failure, which is told already: what closing meets is not."""
    with contextlib.suppress(apsw.Error):
        connection.close(True)


def _configure(connection: apsw.Connection, *, create: bool, read_only: bool, cache_kib: int) -> None:
    connection.set_busy_timeout(BUSY_MS)
    if create:
        connection.reserve_bytes("main", CHECKSUM_BYTES)
    connection.pragma("cache_size", -cache_kib)
    if read_only:
        # Closed last, it would try to move the log, which it may not.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    else:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("temp_store", "memory")
    _keep_plans(connection)


def _keep_plans(connection: apsw.Connection) -> None:
    """Let a statement be planned once.

    Otherwise SQLite plans one that compares with parameters anew whenever they change, to look at statistics, of which
    a store has none: that takes two thirds of a short read.
    """
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def open_memory() -> apsw.Connection:
    """A connection to a store that lives and ends with it."""
    connection = apsw.Connection(":memory:", statementcachesize=200)
    _keep_plans(connection)
    return connection


@contextmanager
def translated(store: str) -> Iterator[None]:
    """Let SQLite's errors leave as Gater's: damage as StoreCorruptError, all else as StoreUnavailableError."""
    try:
        yield
    except apsw.Error as error:
        raise translate(store, error) from error


def translate(store: str, error: apsw.Error) -> GaterError:
    """The one place where SQLite's errors become Gater's."""
    damaged = isinstance(error, apsw.CorruptError | apsw.NotADBError)
    if damaged or getattr(error, "extendedresult", 0) == _IOERR_DATA:
        return StoreCorruptError(store, f"a damaged page was read: {error}")
    return StoreUnavailableError(store, _reason(error))


def _reason(error: apsw.Error) -> str:
    if isinstance(error, apsw.FullError):
        return "the disk is full"
    if isinstance(error, apsw.IOError):
        return f"the disk failed: {error}"
    return str(error)
