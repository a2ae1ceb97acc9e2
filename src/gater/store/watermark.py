"""A lower bound, beside a store's file, of what was acknowledged: by it, lost writes are noticed.

SQLite ends its recovery quietly at the first damaged record of the write-ahead log, and a file that was cut short or
replaced by an older one looks sound. The watermark is written after each commit, without a sync of its own: after a
crash of the process it is exact, after a power cut it may be older than the file, never newer.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Final

_RECORD: Final = struct.Struct("<8sQI")
_MAGIC: Final = b"gaterwm1"

log = logging.getLogger(__name__)


class Watermark:
    """The extent of a store that is durable (see Machine.extent), in a small file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._healthy = True

    def read(self) -> int:
        """The extent that was written last; 0 when there is none, or it is not readable."""
        record = os.pread(self._file, _RECORD.size, 0)
        if len(record) != _RECORD.size:
            return 0
        magic, extent, checksum = _RECORD.unpack(record)
        if magic != _MAGIC or checksum != zlib.crc32(record[:16]):
            return 0
        return int(extent)

    def write(self, extent: int) -> None:
        """Remember that the store is durable to this extent; a disk that refuses only weakens the bound."""
        head = _MAGIC + extent.to_bytes(8, "little")
        try:
            os.pwrite(self._file, head + zlib.crc32(head).to_bytes(4, "little"), 0)
        except OSError as error:
            if self._healthy:
                log.warning("the watermark cannot be written", extra={"reason": str(error)})
            self._healthy = False
        else:
            self._healthy = True

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
