"""A hold on the files of an open store: no other program takes them for unused, and it is noticed when they vanish.

SQLite's own locks are POSIX record locks, which a process loses on a file as soon as it closes any descriptor of it.
Without them, the next program that opens and closes the database takes itself for its last user, and deletes the
write-ahead log. So a store also holds open file description locks, which belong to one descriptor and conflict with
record locks, those of the same process included. The descriptors here are the only ones of these files besides
SQLite's own, and are closed after SQLite has closed its last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from gater.model.errors import StoreUnavailableError
from gater.store.held_files import HELD

HEADER_BYTES: Final = 100
"""The part of a database that says what it is."""

_MAGIC: Final = b"SQLite format 3\0"
"""First bytes of a database; gone when the file was emptied or overwritten in its place."""

_SHARED: Final = (0x40000002, 510)
"""Where a user of the database holds a read lock; whoever deletes its log needs a write lock there."""
_OWNER: Final = (0x40000300, 1)
"""A byte that SQLite does not use, write-locked by the process that serves the store, whatever the file is called."""
_INDEX_USED: Final = (128, 1)
"""In the index of the log: read-locked by its users; whoever finds no lock here makes the index anew."""
_EVERYWHERE: Final = (0, 0)

_FLOCK: Final = struct.Struct("hhqqi4x")
"""`struct flock` of Linux on 64 bits."""
_IS_64_BIT: Final = struct.calcsize("P") == 8
_SET: Final[int | None] = getattr(fcntl, "F_OFD_SETLK", None) if _IS_64_BIT else None
_GET: Final[int | None] = getattr(fcntl, "F_OFD_GETLK", None) if _IS_64_BIT else None
"""Linux has these locks; elsewhere the store relies on SQLite's own, and this module only watches the files."""

LOCK_LOST: Final = "another part of this process opened and closed the store's file; read a backup instead"

log = logging.getLogger(__name__)


class FileGuard:
    """Descriptors of a store's database, its log and the index of its log, from its opening until it is closed."""

    def __init__(self, store: str, database: Path) -> None:
        self._store = store
        self._database = database
        self._log = database.with_name(f"{database.name}-wal")
        self._index = database.with_name(f"{database.name}-shm")
        self._held: dict[Path, int] = {}
        """Descriptors by path."""
        self._claimed = False
        self._locked = False
        self.concern = ""
        """A fault of the locks with which the store can still be used; empty when there is none."""

    def header(self) -> bytes:
        """The first bytes of the database; StoreUnavailableError when it cannot be read."""
        try:
            return os.pread(self._descriptor(self._database), HEADER_BYTES, 0)
        except OSError as error:
            raise StoreUnavailableError(self._store, f"{self._database}: {error.strerror}") from error

    def claim(self) -> None:
        """Be the only process that serves the database; StoreUnavailableError when another does."""
        with self._refusals():
            if not self._claimed:
                _lock(self._descriptor(self._database), fcntl.F_WRLCK, _OWNER)
                HELD.add(self._descriptor(self._database), self._forget)
        self._claimed = True

    def hold(self) -> None:
        """Lock the files as their user, once SQLite has opened them and they are found sound."""
        with self._refusals():
            database, index = self._descriptor(self._database), self._descriptor(self._index)
            self._descriptor(self._log)
            if not self._locked:
                _lock(database, fcntl.F_RDLCK, _SHARED)
                _lock(index, fcntl.F_RDLCK, _INDEX_USED)
        self._locked = True

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            taken = error.errno == errno.EAGAIN
            reason = HELD.refusal(self._held[self._database]) if taken else f"{self._database}: {error.strerror}"
            raise StoreUnavailableError(self._store, reason, path=str(self._database)) from error

    def _descriptor(self, path: Path) -> int:
        if path not in self._held:
            self._held[path] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return self._held[path]

    def fill_log(self, size: int) -> None:
        """Give an empty log this much room on the disk."""
        with self._refusals():
            descriptor = self._descriptor(self._log)
        try:
            if os.fstat(descriptor).st_size == 0:
                os.pwrite(descriptor, bytes(size), 0)
                os.fsync(descriptor)
        except OSError:
            # No room to spare: the log grows as it is written, as far as the disk lets it.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)

    # --- whether the files are still there ---

    def unlinked(self) -> str:
        """Which file has no name any more, so that it ends with this process; empty when all have one.

        Asked before each answer of a batch, so it looks at the descriptors alone.
        """
        for path in (self._database, self._log):
            held = self._held.get(path)
            if held is not None and os.fstat(held).st_nlink == 0:
                return self._lost(path)
        return ""

    def misplaced(self) -> str:
        """Which file is no longer the one at its path: removed, moved, replaced or emptied; "" when all are there."""
        for path, held in self._held.items():
            if not self._is_in_place(path, held):
                return self._lost(path)
        return ""

    def _is_in_place(self, path: Path, held: int) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return False
        own = os.fstat(held)
        if (found.st_ino, found.st_dev) != (own.st_ino, own.st_dev):
            return False
        return path != self._database or os.pread(held, len(_MAGIC), 0) == _MAGIC

    def _lost(self, path: Path) -> str:
        return (
            f"{path.name} was removed, moved or replaced while the store is open: put the same file back, or copy the "
            f"store with `gater backup` while this process runs, and restore the copy before the next start"
        )

    @property
    def has_database(self) -> bool:
        """Whether the database is the file at its path."""
        held = self._held.get(self._database)
        return held is not None and self._is_in_place(self._database, held)

    def look(self) -> None:
        """Note it, once, when SQLite has lost its lock: something in this process closed another descriptor."""
        if self.concern or not self._locked or _GET is None:
            return
        found = fcntl.fcntl(self._held[self._database], _GET, _request(fcntl.F_WRLCK, _SHARED))
        if _FLOCK.unpack(found)[0] == fcntl.F_UNLCK:
            self.concern = LOCK_LOST
            log.warning(LOCK_LOST, extra={"store": self._store, "path": str(self._database)})

    # --- the end ---

    def let_go(self, last: apsw.Connection, *, sound: bool = True) -> None:
        """Unlock, just before SQLite closes its last connection, so that it moves the log into the database.

        When a file is not in its place, what lies at the paths is left as it is, and a `sound` log is saved.
        """
        if self.misplaced():
            if sound:
                self.save(last)
            with contextlib.suppress(apsw.Error):  # closed before: it deletes nothing then
                last.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        elif self._locked:
            _lock(self._held[self._database], fcntl.F_UNLCK, _SHARED)
            _lock(self._held[self._index], fcntl.F_UNLCK, _INDEX_USED)

    def save(self, connection: apsw.Connection) -> None:
        """Move the log into the database when only the database is in its place."""
        if not self.has_database:
            return
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
        except apsw.ConnectionClosedError:
            return  # it was saved, or could not be, when the connection was closed
        except apsw.Error as error:
            log.error("the log cannot be saved", extra={"store": self._store, "reason": str(error)})

    def close(self) -> None:
        """Unlock and close the files, after SQLite has closed its own descriptors of them."""
        if self._claimed:
            HELD.discard(self._held[self._database])
        self._claimed = self._locked = False
        for descriptor in self._held.values():
            _lock(descriptor, fcntl.F_UNLCK, _EVERYWHERE)  # a child of this process may have it open, too
        self._forget()

    def _forget(self) -> None:
        """Close the descriptors; what a child of the process closes stays locked by the parent."""
        while self._held:
            _, descriptor = self._held.popitem()
            os.close(descriptor)


def _request(kind: int, place: tuple[int, int]) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, *place, 0)


def _lock(descriptor: int, kind: int, place: tuple[int, int]) -> None:
    if _SET is not None:
        fcntl.fcntl(descriptor, _SET, _request(kind, place))
