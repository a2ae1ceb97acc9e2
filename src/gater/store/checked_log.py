"""A layer for connections that read: each page from the write-ahead log is compared with the checksum of its frame.

The checksum VFS compares what it reads from a store's file; it leaves the log alone. This layer lies on top of it and
does the rest. Connections that write do without: a change of thread for each page written would cost too much, and
what they read of the log they wrote themselves, or SQLite has compared when it recovered.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Final

import apsw

from gater.store.checksums import CHECKSUM_VFS, FRAME_HEADER_BYTES, is_sound_frame, load_checksum_vfs
from gater.store.write_ahead_log import HEADER_BYTES, Header, frame_offset, read_header

READING_VFS: Final = "gater-reading"
_SMALLEST_PAGE: Final = 512
_MOST_KNOWN: Final = 16_384
"""Frames whose content is remembered: a frame that was judged once is then only compared."""


class _CheckedLog(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(CHECKSUM_VFS, name, flags)
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._known: dict[int, int] = {}

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 — SQLite's name
        data = super().xRead(amount, offset)
        if amount < _SMALLEST_PAGE or amount & (amount - 1):
            return data  # a header, or a whole frame, which SQLite compares itself
        summary = zlib.crc32(data)
        if self._known.get(offset) != summary:
            if not self._is_sound(data, offset):
                raise _damage(self._name, offset)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[offset] = summary
        return data

    def _is_sound(self, page: bytes, offset: int) -> bool:
        header = read_header(super().xRead(HEADER_BYTES, 0))
        if header is None or header.page_bytes != len(page):
            return False
        number, apart = divmod(offset - HEADER_BYTES, FRAME_HEADER_BYTES + len(page))
        frame = super().xRead(FRAME_HEADER_BYTES, offset - FRAME_HEADER_BYTES)
        return apart == FRAME_HEADER_BYTES and is_sound_frame(
            self._sums_before(header, number), frame, page, header.big_endian
        )

    def _sums_before(self, header: Header, frames: int) -> tuple[int, int]:
        if frames == 0:
            return header.sums
        before = super().xRead(FRAME_HEADER_BYTES, frame_offset(header.page_bytes, frames))
        first, second = struct.unpack_from(">2I", before, 16)
        return first, second


def _damage(name: str | None, offset: int) -> apsw.IOError:
    error = apsw.IOError(f"a frame of the write-ahead log {name} is damaged, at byte {offset}")
    error.extendedresult = apsw.SQLITE_IOERR_DATA  # type: ignore[attr-defined]
    return error


class _ReadingVfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__(READING_VFS, base=CHECKSUM_VFS)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if flags[0] & apsw.SQLITE_OPEN_WAL:
            return _CheckedLog(name, flags)
        return apsw.VFSFile(CHECKSUM_VFS, name, flags)


@cache
def load_reading_vfs() -> apsw.VFS:
    """Make the layer known to SQLite, once a process; it lasts as long as what is returned."""
    load_checksum_vfs()
    return _ReadingVfs()
