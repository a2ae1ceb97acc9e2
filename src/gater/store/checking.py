"""Checking the files of stores that are not open, without changing anything of them."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec

from gater.model.errors import StoreCorruptError, StoreNotFoundError
from gater.model.stores import VerifyReport
from gater.store import queries
from gater.store.connection import SCAN_CACHE_KIB, open_file, translated
from gater.store.store_files import StoreFiles
from gater.store.verification import verify_connection
from gater.store.watermark import read_mark
from gater.store.write_ahead_log import damage_at_rest


def check_at_rest(folder: Path, store: str) -> VerifyReport:
    """Check the files of a store that is not open: no page is moved, and no schema changed.

    Raises StoreNotFoundError, and StoreUnavailableError when the store is open.
    """
    files = StoreFiles(folder, store)
    if not files.database.exists():
        raise StoreNotFoundError(store)
    beside = [path for path in (files.log, files.index) if not path.exists()]
    if files.lock.exists():  # of a file without one nobody knows yet
        files.acquire()
    try:
        return _checked(files)
    finally:
        for path in beside:
            path.unlink(missing_ok=True)
        files.release()


def _checked(files: StoreFiles) -> VerifyReport:
    try:
        with translated(files.store):
            found = damage_at_rest(files.log)
            connection = open_file(files.database, read_only=True, cache_kib=SCAN_CACHE_KIB)
    except StoreCorruptError as damage:
        return VerifyReport(files.store, 0, 0, 0, (str(damage),))
    try:
        report = verify_connection(connection, files.store)
        found = found or (_missing_writes(connection, files, report.position) if report.ok else "")
    finally:
        connection.close()
    return msgspec.structs.replace(report, problems=(found, *report.problems)) if found else report


def _missing_writes(connection: apsw.Connection, files: StoreFiles, position: int) -> str:
    """The acknowledged writes that the file lacks, in words."""
    mark = read_mark(files.watermark)
    if mark is None:
        return ""
    extent = position + int(queries.one(connection, queries.GET_META, ("changes",)) or 0)
    if extent >= mark.extent:
        return ""
    return f"acknowledged writes are missing: the file extends to {extent}, it had reached {mark.extent}"
