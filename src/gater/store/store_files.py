"""The files of one store in a data folder, and what tells that a store was here when its database is missing."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gater.model.errors import InvalidArgumentError, StoreCorruptError, StoreUnavailableError
from gater.model.identifiers import check_store_id
from gater.store.file_guard import HEADER_BYTES, FileGuard
from gater.store.held_files import HELD
from gater.store.watermark import read_mark

MADE: Final = b"gater store\n"
"""Content of the lock file once the store was made."""
REMOVED: Final = b"gater removed\n"
"""Content of the lock file while the store is being removed."""
APPLICATION_ID: Final = 0x47415445
"""The application id in the header of a store's database."""
PAGE_BYTES: Final = 4_096

_APPLICATION_AT: Final = 68
"""Offset of the application id in the header of a SQLite database."""

_SUFFIXES: Final = (".db", ".db-wal", ".db-shm", ".watermark", ".lock")

log = logging.getLogger(__name__)


class StoreFiles:
    """The files of one store: the database, its log and the log's index, its lock, its watermark."""

    def __init__(self, folder: Path, store: str) -> None:
        self.store = store
        self.database = folder / f"{store}.db"
        self.watermark = folder / f"{store}.watermark"
        self.log = folder / f"{store}.db-wal"
        self.index = folder / f"{store}.db-shm"
        self.lock = folder / f"{store}.lock"
        self.guard = FileGuard(store, self.database)
        self._lock_file: int | None = None

    def acquire(self) -> None:
        """Be the only user of this store; StoreUnavailableError when it is open already, here or in another process."""
        try:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnavailableError(self.store, f"{self.lock}: {error.strerror}") from error
        try:
            self._lock(handle)
        except BaseException:
            os.close(handle)
            raise
        self._lock_file = handle
        HELD.add(handle, self._forget)

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnavailableError(self.store, HELD.refusal(handle), path=str(self.database)) from error
        HELD.refuse_inherited(handle)

    def release(self) -> None:
        """Let others open the store."""
        self.guard.close()
        if self._lock_file is not None:
            HELD.discard(self._lock_file)
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)  # a child of this process may have the file open, too
            os.close(self._lock_file)
            self._lock_file = None

    def _forget(self) -> None:
        """Close the lock file in a child of the process, which leaves it locked by the parent."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def note(self, state: bytes) -> None:
        """Write into the lock file what became of the store: MADE or REMOVED. Only after `acquire`."""
        assert self._lock_file is not None
        try:
            if self._noted() != state:
                os.ftruncate(self._lock_file, 0)
                os.pwrite(self._lock_file, state, 0)
        except OSError as error:
            # The watermark and the log tell of the store, too.
            extra = {"store": self.store, "path": str(self.lock), "reason": str(error)}
            log.warning("the lock file cannot be written", extra=extra)

    def _noted(self) -> bytes:
        try:
            return self.lock.read_bytes() if self._lock_file is None else os.pread(self._lock_file, 64, 0)
        except OSError:
            return b""

    @property
    def is_half_removed(self) -> bool:
        """Whether a removal of the store was cut short."""
        return self._noted() == REMOVED

    def remove(self) -> None:
        """Delete the files; when that is cut short, it is finished when the store is next looked for."""
        self.note(REMOVED)
        for path in self._all:
            path.unlink(missing_ok=True)

    @property
    def is_foreign(self) -> bool:
        """Whether the file in the place of the database is another program's: neither in it nor beside it is a trace
        of a store.

        Read only when nothing beside it tells of a store, as it does with one that is open.
        """
        if not self.database.exists() or self.remains():
            return False
        if not self.database.is_file():
            return True
        if self.lock.exists() and self.database.stat().st_size <= PAGE_BYTES:
            return False  # a making that was cut short: the lock comes first, and the content is in the log
        try:
            with self.database.open("rb") as file:
                return application_of(file.read(HEADER_BYTES)) != APPLICATION_ID
        except OSError:
            return False  # opening it will tell why

    def discard(self) -> None:
        """Delete the files of a store that could not be made."""
        for path in self._all:
            with contextlib.suppress(OSError):  # what cannot be deleted says nothing of a store
                path.unlink(missing_ok=True)

    @property
    def _all(self) -> tuple[Path, ...]:
        return self.database, self.log, self.index, self.watermark, self.lock

    def remains(self) -> list[str]:
        """Names of files that tell of a store that was made; what is left of a making that was cut short does not."""
        mark = read_mark(self.watermark)
        found = []
        if mark is not None and (mark.extent or any(mark.identity)):
            found.append(self.watermark.name)
        if self._noted() == MADE:
            found.append(self.lock.name)
        if not self.database.exists():
            found += [path.name for path in (self.log, self.index) if path.exists()]
        return found

    def refuse_loss(self) -> None:
        """StoreCorruptError when a store was here whose database is missing or empty."""
        remains = self.remains()
        if remains:
            raise StoreCorruptError(
                self.store,
                f"{self.database.name} is {'empty' if self.database.exists() else 'missing'}, but {', '.join(remains)} "
                f"of the store {'is' if len(remains) == 1 else 'are'} there: put the file back beside "
                f"{'it' if len(remains) == 1 else 'them'}, or restore a backup; to start afresh, remove the store",
            )


def application_of(header: bytes) -> int:
    """The application id in the header of a SQLite database; 0 when there is none."""
    return int.from_bytes(header[_APPLICATION_AT : _APPLICATION_AT + 4], "big")


def stores_in(folder: Path) -> list[str]:
    """The names of the stores in a data folder, those included of which all but the database is there.

    Files of other programs are passed over, whatever they are called.
    """
    return sorted(set(_stores_in(folder))) if folder.is_dir() else []


def _stores_in(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        for suffix in _SUFFIXES:
            if not path.name.endswith(suffix):
                continue
            name = path.name.removesuffix(suffix)
            files = StoreFiles(folder, name)
            if suffix == ".db" and (files.is_foreign or not _is_name(name)):
                log.info("a file that is no store's is passed over", extra={"path": str(path)})
            elif _is_name(name) and (suffix == ".db" or files.remains()):
                yield name


def _is_name(name: str) -> bool:
    try:
        check_store_id(name)
    except InvalidArgumentError:
        return False
    return True
