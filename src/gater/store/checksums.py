"""Checksums of pages and of frames of the write-ahead log, computed by SQLite's own code.

A page in a store's file ends in a checksum that the checksum VFS compares whenever the page is read. A frame of the
write-ahead log carries one in its header instead, which goes on from that of the frame before; SQLite compares it only
when it recovers a log. Both are the same function of 32-bit words, so the page checksum's code can judge frames.
"""

from __future__ import annotations

import struct
import threading
from functools import cache, lru_cache
from typing import Any, Final

import apsw
import apsw.sqlite_extra

from gater.model.errors import MisconfiguredError

CHECKSUM_VFS: Final = "cksmvfs"
SUM_BYTES: Final = 8
"""Size of the checksum at the end of each page."""

FRAME_HEADER_BYTES: Final = 24
_SMALLEST_CHECKED: Final = 512
"""Bytes that SQLite's function takes at least; it takes powers of two."""
MOST_AT_ONCE: Final = 65_536 - SUM_BYTES
"""Bytes whose checksum SQLite's function compares at once."""
_MASK: Final = 0xFFFFFFFF

Sums = tuple[int, int]
"""The two sums that a checksum consists of."""

_thread = threading.local()


@cache
def load_checksum_vfs() -> None:
    """Make the VFS that checks every page it reads known to SQLite, once a process."""
    connection = apsw.Connection(":memory:")
    try:
        connection.enable_load_extension(True)
        apsw.sqlite_extra.load(connection, "cksumvfs")
    except apsw.Error as error:
        raise MisconfiguredError("apsw", f"this build of SQLite has no page checksums: {error}") from error
    finally:
        connection.close()


def is_sound_frame(before: Sums, header: bytes, page: bytes, big_endian: bool) -> bool:
    """Whether a frame is what was written, given the checksum of the frame (or log header) before it."""
    return ends_in(before, header[:8] + page, struct.unpack_from(">2I", header, 16), big_endian)


def ends_in(before: Sums, data: bytes, wanted: Sums, big_endian: bool) -> bool:
    """Whether the checksum after more data is this; it is quick for up to MOST_AT_ONCE bytes, a multiple of 8."""
    if big_endian or len(data) > MOST_AT_ONCE:
        return add_words(before, data, big_endian) == wanted
    # The checksum is linear: taking from it what came before leaves that of the data alone. Zeros after the data
    # bring it to a length that SQLite's function accepts.
    steps = len(data) // 8
    moved = _after_zeros(before, steps)
    zeros = max(_SMALLEST_CHECKED, 1 << (len(data) + SUM_BYTES - 1).bit_length()) - SUM_BYTES - len(data)
    alone = _after_zeros(((wanted[0] - moved[0]) & _MASK, (wanted[1] - moved[1]) & _MASK), zeros // 8)
    return bool(_verify(b"".join((data, bytes(zeros), struct.pack("<2I", *alone)))))


def add_words(sums: Sums, data: bytes, big_endian: bool) -> Sums:
    """The checksum after more data, in Python: for the few bytes of a header, and for what SQLite does not take."""
    first, second = sums
    words = iter(struct.unpack(f"{'>' if big_endian else '<'}{len(data) // 4}I", data))
    for word in words:
        first = (first + word + second) & _MASK
        second = (second + next(words) + first) & _MASK
    return first, second


def _after_zeros(sums: Sums, steps: int) -> Sums:
    a, b, c, d = _matrix(steps)
    return (a * sums[0] + b * sums[1]) & _MASK, (c * sums[0] + d * sums[1]) & _MASK


@lru_cache(maxsize=64)
def _matrix(steps: int) -> tuple[int, int, int, int]:
    """Effect of that many pairs of zero words on the sums."""
    a, b, c, d = 1, 0, 0, 1
    for _ in range(steps):
        a, b, c, d = (a + c) & _MASK, (b + d) & _MASK, (a + 2 * c) & _MASK, (b + 2 * d) & _MASK
    return a, b, c, d


def _verify(page: bytes) -> Any:
    cursor = getattr(_thread, "cursor", None)
    if cursor is None:
        load_checksum_vfs()
        cursor = _thread.cursor = apsw.Connection(":memory:").cursor()
    return cursor.execute("SELECT verify_checksum(?)", (page,)).get
