"""Moving the write-ahead log into the store's file beside the writer, so that commits do not wait for it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final

import apsw

from gater.store.connection import SCAN_CACHE_KIB, open_file

PAGES_TO_START: Final = 4_000
"""Pages in the write-ahead log after which a checkpoint begins."""
PAGES_TO_FINISH: Final = 256
"""Pages that a checkpoint may leave for the writer, who alone can bring the log to its end."""

log = logging.getLogger(__name__)


class Checkpointer:
    """Copies pages in a thread of its own; the writer copies the small rest, after which the log starts over.

    A checkpoint in the background never catches up with a busy writer by itself, and the log is only used again
    from its beginning once all of it was copied.
    """

    def __init__(self, store: str, path: Path) -> None:
        self._store = store
        self._path = path
        self._pages = 0
        self._wanted = threading.Event()
        self._rest = -1
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"checkpointer-{store}", daemon=True)
        self._thread.start()

    def watch(self, connection: apsw.Connection) -> None:
        """Learn the length of the log from each commit on this connection."""
        connection.set_wal_hook(self._on_commit)

    def _on_commit(self, connection: apsw.Connection, database: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    @property
    def is_due(self) -> bool:
        """Whether the log is long enough for `after_commit` to have something to do."""
        return self._pages >= PAGES_TO_START

    def after_commit(self, connection: apsw.Connection) -> None:
        """Start a checkpoint when the log is long; finish it when it is nearly done. On the writer's thread."""
        if not self.is_due:
            return
        if self._rest >= 0 and self._pages - self._rest <= PAGES_TO_FINISH:
            self._rest = -1
            self._checkpoint(connection)
        elif not self._wanted.is_set():
            self._wanted.set()

    def _checkpoint(self, connection: apsw.Connection) -> int:
        """Copy what can be copied without waiting; returns the pages copied since the log began."""
        try:
            _, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            # The log keeps everything; the next commit tries again.
            log.warning("a checkpoint failed", extra={"store": self._store, "reason": str(error)})
            return -1
        return copied

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        # Looked at after each `clear` too, for that may have taken back what `close` has set.
        while not self._closing.is_set():
            self._wanted.wait()
            if self._closing.is_set():
                break
            if connection is None:
                connection = open_file(self._path, cache_kib=SCAN_CACHE_KIB)
            self._rest = self._checkpoint(connection)
            self._wanted.clear()
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._wanted.set()
        self._thread.join()
