"""The frames of a write-ahead log as they lie on the disk, and whether they are what was written.

SQLite compares the checksums of frames when it recovers a log, and never again: neither when it reads a page from the
log nor when a checkpoint copies it into the store's file, where it would get a page checksum that fits the damage.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import apsw

from gater.store.checksums import FRAME_HEADER_BYTES, MOST_AT_ONCE, Sums, add_words, ends_in, is_sound_frame

HEADER_BYTES: Final = 32
FRAMES_A_TURN: Final = 4
"""Frames that are compared one by one between two pauses."""
COMPARED_SECONDS: Final = 1.0
"""How long frames that were compared need not be compared again before they are copied."""
_MAGIC: Final = 0x377F0682
"""The last bit tells the order of bytes in which checksums are computed."""
FILE_LAYER: Final = "unix"
"""SQLite's own layer for files, below that of page checksums."""
_MOST_ATTEMPTS: Final = 10

Pause: TypeAlias = Callable[[], None]


class Header(NamedTuple):
    """The header of a log; it is written anew, with other salts, whenever the log starts over."""

    page_bytes: int
    salts: bytes
    sums: Sums
    big_endian: bool


class Compared(NamedTuple):
    """A run of the log, the frame up to which it was compared, and when (`time.monotonic`)."""

    header: Header
    frame: int
    time: float


class LogFile:
    """A log opened for reading, beside the connections that use it.

    It is opened by SQLite's own layer for files. Nothing is ever locked in a log, so closing it takes no lock away.
    """

    def __init__(self, path: Path) -> None:
        flags = apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_READONLY
        self._file = apsw.VFSFile(FILE_LAYER, str(path), [flags, 0])
        self.compared: Compared | None = None
        """The last comparison that found all frames sound which were to be copied."""

    @property
    def size(self) -> int:
        """Bytes of the file as it is now."""
        return int(self._file.xFileSize())

    def header(self) -> Header | None:
        """The header; None when there is none that SQLite would accept."""
        return read_header(self._read(0, HEADER_BYTES))

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written where the header belongs."""
        return not any(self._read(0, HEADER_BYTES))

    def sums(self, header: Header, frame: int) -> Sums:
        """The checksum that a frame carries; frame 0 stands for the header."""
        if frame == 0:
            return header.sums
        found = self._read(frame_offset(header.page_bytes, frame), FRAME_HEADER_BYTES)
        first, second = struct.unpack_from(">2I", found.ljust(FRAME_HEADER_BYTES, b"\0"), 16)
        return first, second

    def frame(self, header: Header, frame: int) -> tuple[bytes, bytes]:
        """Header and page of a frame; shorter when the file ends before."""
        whole = self._read(frame_offset(header.page_bytes, frame), FRAME_HEADER_BYTES + header.page_bytes)
        return whole[:FRAME_HEADER_BYTES], whole[FRAME_HEADER_BYTES:]

    def frames(self, header: Header, first: int, count: int) -> list[tuple[bytes, bytes]]:
        """Headers and pages of frames that follow each other; the last ones shorter when the file ends before."""
        size = FRAME_HEADER_BYTES + header.page_bytes
        whole = self._read(frame_offset(header.page_bytes, first), count * size)
        starts = range(0, count * size, size)
        return [(whole[at : at + FRAME_HEADER_BYTES], whole[at + FRAME_HEADER_BYTES : at + size]) for at in starts]

    def _read(self, offset: int, amount: int) -> bytes:
        return self._file.xRead(min(amount, max(0, self.size - offset)), offset)

    def close(self) -> None:
        """Close the file."""
        self._file.xClose()


def frame_offset(page_bytes: int, frame: int) -> int:
    """The offset at which a frame begins; frames are counted from 1."""
    return HEADER_BYTES + (frame - 1) * (FRAME_HEADER_BYTES + page_bytes)


def read_header(data: bytes) -> Header | None:
    """A log's header from its bytes; None when SQLite would not accept it."""
    if len(data) < HEADER_BYTES:
        return None
    magic, _, page_bytes, _, _, _, first, second = struct.unpack(">8I", data)
    big_endian = bool(magic & 1)
    if magic & ~1 != _MAGIC or add_words((0, 0), data[:24], big_endian) != (first, second):
        return None
    return Header(page_bytes, data[16:24], (first, second), big_endian)


@contextlib.contextmanager
def opened(path: Path) -> Generator[LogFile, None, None]:
    """A log, open for as long as the context lasts; raises apsw.Error when it cannot be opened."""
    log = LogFile(path)
    try:
        yield log
    finally:
        log.close()


def frames_in_use(connection: apsw.Connection) -> tuple[int, int]:
    """The number of frames of its log that were committed, and of those among them that are in the store's file
    already.

    The connection may not be in a transaction.
    """
    frames, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    return max(frames, 0), max(copied, 0)


def damage_in_use(connection: apsw.Connection, log: LogFile, *, copied_too: bool, pause: Pause | None = None) -> str:
    """The first fault in the frames of a log that is in use, in words; empty when they are sound.

    The connection is one to its store (see `frames_in_use`). Frames that are in the store's file already, or were
    compared by a call just before, are looked at with `copied_too`. `pause` is called every few frames; what it raises
    ends the comparison. Raises apsw.Error when the log cannot be read.
    """
    for _ in range(_MOST_ATTEMPTS):
        header = log.header()
        frames, copied = frames_in_use(connection)
        if header != log.header():
            continue  # the log started over: the number of frames may be that of the new one
        if frames == 0 or (copied == frames and not copied_too):
            return ""
        if header is None:
            return "the header of the write-ahead log is damaged"
        first = 1 if copied_too else max(copied, _last_compared(log, header)) + 1
        if not copied_too:
            first = _first_unsound(log, header, first, frames, pause)
        damaged = _first_damaged(log, header, first, frames, pause)
        if damaged is None:
            log.compared = Compared(header, frames, time.monotonic())
            return ""
        if header == log.header():  # otherwise the frame was written anew
            return _in_words(damaged, frames)
    return ""  # it starts over all the time: nothing stays in it for long


def _last_compared(log: LogFile, header: Header) -> int:
    compared = log.compared
    if compared is None or compared.header != header or compared.time + COMPARED_SECONDS < time.monotonic():
        return 0
    return compared.frame


def _first_unsound(log: LogFile, header: Header, first: int, last: int, pause: Pause | None) -> int:
    """The first of a few frames that are not sound together; the one after `last` when all are.

    The checksum of a frame goes on from the one before, so that of the last one of some frames tells of all their
    pages, though not of the checksums between, which nothing copies.
    """
    count = MOST_AT_ONCE // (8 + header.page_bytes)
    if count < 2 or header.big_endian:
        return first
    sums = log.sums(header, first - 1)
    while first <= last:
        found = log.frames(header, first, min(count, last - first + 1))
        if len(found[-1][1]) < header.page_bytes or any(frame[8:16] != header.salts for frame, _ in found):
            return first
        wanted = struct.unpack_from(">2I", found[-1][0], 16)
        if not ends_in(sums, b"".join([part for frame, page in found for part in (frame[:8], page)]), wanted, False):
            return first
        sums = wanted
        first += len(found)
        if pause is not None:
            pause()
    return first


def _first_damaged(log: LogFile, header: Header, first: int, last: int, pause: Pause | None = None) -> int | None:
    sums = log.sums(header, first - 1)
    for number in range(first, last + 1):
        frame, page = log.frame(header, number)
        if not _fits(header, sums, frame, page):
            return number
        sums = struct.unpack_from(">2I", frame, 16)
        if pause is not None and number % FRAMES_A_TURN == 0:
            pause()
    return None


def _fits(header: Header, before: Sums, frame: bytes, page: bytes) -> bool:
    """Whether a frame is sound, belongs to this run of the log and follows the one before."""
    if len(page) < header.page_bytes or frame[8:16] != header.salts:
        return False
    return is_sound_frame(before, frame, page, header.big_endian)


def damage_at_rest(path: Path) -> str:
    """The provable damage of a log that no connection uses, in words; empty when there is no proof.

    Recovery takes the first frame that does not fit for the end of the log. It is the end, when a write was cut short
    there: then at most the rest of that transaction follows, for a transaction is on the disk before the next one is
    written. Frames of a later transaction prove that something in the middle was damaged. Whether the newest
    transaction was acknowledged, the log itself cannot tell: the watermark does.
    """
    if not path.exists():
        return ""
    with opened(path) as log:
        header = log.header()
        if header is None:
            whole = log.size >= HEADER_BYTES and not log.is_blank
            return "the header of the write-ahead log is damaged" if whole else ""
        last = (log.size - HEADER_BYTES) // (FRAME_HEADER_BYTES + header.page_bytes)
        damaged = _first_damaged(log, header, 1, last)
        if damaged is None or not _later_transaction(log, header, damaged, last):
            return ""
        return _in_words(damaged, last)


def _later_transaction(log: LogFile, header: Header, damaged: int, last: int) -> bool:
    """Whether frames that belong together span the end of a transaction after a damaged frame."""
    before = log.sums(header, damaged)
    committed = False
    for number in range(damaged + 1, last + 1):
        frame, page = log.frame(header, number)
        fits = _fits(header, before, frame, page)
        if fits and committed:
            return True
        committed = fits and frame[4:8] != bytes(4)
        before = struct.unpack_from(">2I", frame, 16)
    return False


def _in_words(frame: int, frames: int) -> str:
    return f"frame {frame} of {frames} in the write-ahead log is damaged"
