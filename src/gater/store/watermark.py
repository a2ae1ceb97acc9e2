"""A lower bound, beside a store's file, of what was acknowledged: by it, lost writes are noticed.

SQLite ends its recovery quietly at the first damaged record of the write-ahead log, and a file that was cut short or
replaced by an older one looks sound. The watermark is written after each commit, without a sync of its own: after a
crash of the process it is exact, after a power cut it may be older than the file, never newer. It also holds the
identity of the file that it belongs to.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Final, NamedTuple

NO_IDENTITY: Final = bytes(16)

_RECORD: Final = struct.Struct("<8sQ16sI")
_MAGIC: Final = b"gaterwm2"
_OLDER_RECORD: Final = struct.Struct("<8sQI")
_OLDER_MAGIC: Final = b"gaterwm1"

log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """Content of a watermark."""

    extent: int
    identity: bytes
    """16 bytes; NO_IDENTITY in one of an older Gater."""


def read_mark(path: Path) -> Mark | None:
    """Content of the watermark at a path; None when there is none, or it is not readable."""
    try:
        return _decoded(path.read_bytes())
    except OSError:
        return None


def _decoded(record: bytes) -> Mark | None:
    """The mark of a record, of this version or the one before."""
    for layout, magic in ((_RECORD, _MAGIC), (_OLDER_RECORD, _OLDER_MAGIC)):
        if len(record) >= layout.size and record[:8] == magic:
            *fields, checksum = layout.unpack(record[: layout.size])
            if checksum == zlib.crc32(record[: layout.size - 4]):
                return Mark(fields[1], fields[2] if len(fields) > 2 else NO_IDENTITY)
    return None


class Watermark:
    """The extent of a store that is durable (see Machine.extent), in a small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        self._writing = threading.Lock()
        """Held while the file is written, or another takes its place."""
        self.concern = ""
        """Why lost writes would not be noticed at the next start; empty when they would."""
        mark = self.read_mark()
        self._identity = NO_IDENTITY if mark is None else mark.identity
        self._extent = 0 if mark is None else mark.extent

    def read_mark(self) -> Mark | None:
        """The content that was written last; None when there is none, or it is not readable."""
        return _decoded(os.pread(self._file, _RECORD.size, 0))

    def read(self) -> int:
        """The extent that was written last; 0 when there is none, or it is not readable."""
        mark = self.read_mark()
        return 0 if mark is None else mark.extent

    def belong_to(self, identity: bytes, extent: int) -> None:
        """Take the identity of the file beside it, and see to it that this survives a power cut."""
        if self.read_mark() == Mark(extent, identity):
            return
        self._identity = identity
        self.write(extent)
        with contextlib.suppress(OSError):  # told by `write`; the bound is weaker then
            os.fsync(self._file)

    def write(self, extent: int) -> None:
        """Remember that the store is durable to this extent; a disk that refuses only weakens the bound."""
        with self._writing:
            self._extent = extent
            try:
                self._put()
            except OSError as error:
                self._failed(error)
            else:
                self.concern = ""

    def _put(self) -> None:
        head = _MAGIC + self._extent.to_bytes(8, "little") + self._identity
        os.pwrite(self._file, head + zlib.crc32(head).to_bytes(4, "little"), 0)

    def _failed(self, error: OSError) -> None:
        if not self.concern:
            log.warning("the watermark cannot be written", extra={"path": str(self._path), "reason": str(error)})
        self.concern = f"the watermark cannot be written: {error}"

    def look(self) -> None:
        """Write the file anew when it was removed, replaced or damaged: without it, lost writes are not noticed."""
        if not self._writing.acquire(blocking=False):
            return  # it is being written
        try:
            if not self._is_in_place():
                self._replace()
        except OSError as error:
            self._failed(error)
        finally:
            self._writing.release()

    def _is_in_place(self) -> bool:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return False
        own = os.fstat(self._file)
        is_same = (found.st_ino, found.st_dev) == (own.st_ino, own.st_dev)
        return is_same and self.read_mark() == Mark(self._extent, self._identity)

    def _replace(self) -> None:
        self._file, old = _open(self._path), self._file
        os.close(old)
        self._put()
        os.fsync(self._file)
        self.concern = ""
        log.warning("the watermark was gone, and is written anew", extra={"path": str(self._path)})

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
