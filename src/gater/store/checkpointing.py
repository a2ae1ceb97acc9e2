"""Moving the write-ahead log into the store's file beside the writer, so that commits do not wait for it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from gater.model.errors import GaterError, StoreCorruptError, StoreUnavailableError
from gater.store.connection import SCAN_CACHE_KIB, open_file, translate
from gater.store.write_ahead_log import LogFile, Pause, damage_in_use, frames_in_use

PAGES_TO_START: Final = 4_000
"""Pages in the write-ahead log after which a checkpoint begins."""
PAGES_TO_FINISH: Final = 256
"""Pages that a checkpoint may leave for the writer, who alone can bring the log to its end."""
PAGES_TO_WARN: Final = 65_536
"""Pages (256 MiB) in a log that does not get shorter after which this is told."""
MOST_PAGES: Final = 1 << 20
"""Pages (4 GiB) in the log at which the store takes no more writes, until it is shorter."""
RETRY_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.0001
"""Between the comparison of a few frames and the next ones."""

log = logging.getLogger(__name__)


class _GivenUpError(Exception):
    """The store is closed: the last connection copies what is left."""


class Checkpointer:
    """Copies pages in a thread of its own; the writer copies the small rest, after which the log starts over.

    A checkpoint in the background never catches up with a busy writer by itself, and the log is only used again
    from its beginning once all of it was copied. What is copied is compared with its checksums before: a damaged frame
    stays where it is, for in the store's file it would get a checksum that fits.

    Whatever the thread meets, it tries again each second as long as the log is long; meanwhile the writer copies.
    """

    def __init__(self, store: str, path: Path) -> None:
        self._store = store
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._pages = 0
        self._own_from = 0
        """Pages from which the writer copies by itself, because the thread is in trouble."""
        self._wanted = threading.Event()
        self._rest = -1
        self._closing = threading.Event()
        self._tell: Callable[[GaterError], None] = lambda damage: None
        self._trouble: GaterError | None = None
        self.damage: StoreCorruptError | None = None
        """The damage that was found in the log; it is not copied any more."""
        self._copying = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._log: LogFile | None = None
        with contextlib.suppress(apsw.Error):
            self._log = LogFile(self._log_path)  # early, while descriptors can be had
        self._thread = threading.Thread(target=self._run, name=f"checkpointer-{store}", daemon=True)
        self._begin()

    def _begin(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # there are as many threads as there may be
            self._note(StoreUnavailableError(self._store, f"no thread for checkpoints: {error}"))

    def watch(self, connection: apsw.Connection) -> None:
        """Learn the length of the log from each commit on this connection."""
        connection.set_wal_hook(self._on_commit)
        try:
            self._pages = frames_in_use(connection)[0]
        except apsw.Error as error:  # the next commit will tell
            self._note(translate(self._store, error))

    def tell_damage_to(self, tell: Callable[[GaterError], None]) -> None:
        """Have this called, on any thread, when a damaged frame is found."""
        self._tell = tell

    def _on_commit(self, connection: apsw.Connection, database: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    @property
    def pages(self) -> int:
        """Pages in the log, those included that were copied already."""
        return self._pages

    @property
    def is_due(self) -> bool:
        """Whether the log is long enough for `after_commit` to have something to do."""
        return self._pages >= PAGES_TO_START

    @property
    def is_full(self) -> bool:
        """Whether the log is so long that nothing more may be written to it."""
        return self._pages >= MOST_PAGES

    @property
    def concern(self) -> str:
        """The present obstacle to checkpoints, in words; empty when there is none."""
        if self._trouble is not None:
            return f"the write-ahead log is not moved into the file: {self._trouble}"
        if self._pages >= PAGES_TO_WARN:
            return f"the write-ahead log has grown to {self._pages} pages: something reads an old state of the file"
        return ""

    def after_commit(self, connection: apsw.Connection) -> None:
        """Start a checkpoint when the log is long; finish it when it is nearly done. On the writer's thread."""
        if not self.is_due:
            self._own_from = 0
            return
        if not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"checkpointer-{self._store}", daemon=True)
            self._begin()
        if self._rest >= 0 and self._pages - self._rest <= PAGES_TO_FINISH:
            self._rest = -1
            self._checkpoint(connection)
        elif self._trouble is not None and self._pages >= self._own_from:
            self._own_from = self._pages + PAGES_TO_START
            self._checkpoint(connection)
        elif not self._wanted.is_set():
            self._wanted.set()

    def may_copy(self, connection: apsw.Connection, *, pause: Pause | None = None) -> bool:
        """Whether the frames that are not in the store's file yet are what was written; raises apsw.Error.

        `pause`: as of `damage_in_use`.
        """
        if self.damage is None and self._log is None:
            self._log = LogFile(self._log_path)
        if self.damage is None and self._log is not None:
            found = damage_in_use(connection, self._log, copied_too=False, pause=pause)
            if found:
                self.damage = StoreCorruptError(self._store, found)
                self._note(self.damage)
                self._tell(self.damage)
        return self.damage is None

    def _checkpoint(self, connection: apsw.Connection, *, pause: Pause | None = None) -> int:
        """Copy what can be copied without waiting; returns the pages copied since the log began."""
        if not self._copying.acquire(blocking=False):
            return -1  # the other thread is at it
        try:
            if not self.may_copy(connection, pause=pause):
                return -1
            _, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            # What came meanwhile is compared, too, so that the writer need not.
            if pause is not None and not self.may_copy(connection, pause=pause):
                return -1
        except apsw.Error as error:
            # The log keeps everything; the next commit tries again.
            self._note(translate(self._store, error))
            return -1
        finally:
            self._copying.release()
        return copied

    def _note(self, trouble: GaterError | None) -> None:
        """Remember what is in the way, and log it when that is new."""
        before, self._trouble = self._trouble, trouble
        if trouble is not None and (before is None or str(before) != str(trouble)):
            log.warning("a checkpoint failed", extra={"store": self._store, "reason": str(trouble)})
        elif trouble is None and before is not None:
            log.warning("checkpoints go on", extra={"store": self._store})

    # --- in a thread of its own ---

    def _run(self) -> None:
        # Looked at after each `clear` too, for that may have taken back what `close` has set.
        while not self._closing.is_set():
            self._wanted.wait()
            if self._closing.is_set():
                break
            if not self._is_done() and self.damage is None:
                self._closing.wait(RETRY_SECONDS)
                continue
            self._wanted.clear()
        if self._connection is not None:
            self._connection.close()

    def _is_done(self) -> bool:
        """Carry out a checkpoint; whether that went well."""
        try:
            if self._connection is None:
                self._connection = open_file(self._path, cache_kib=SCAN_CACHE_KIB)
            self._rest = self._checkpoint(self._connection, pause=self._pause)
        except _GivenUpError:
            return False
        except apsw.Error as error:
            self._note(translate(self._store, error))
        except Exception as error:
            log.exception("a checkpoint met a defect", extra={"store": self._store})
            self._note(StoreUnavailableError(self._store, f"{type(error).__name__}: {error}"))
        else:
            if self._rest >= 0:
                self._note(None)
            return self._rest >= 0
        return False

    def _pause(self) -> None:
        """Leave Python's lock to the event loop for a moment; raises _GivenUpError when the store is closed."""
        if self._closing.is_set():
            raise _GivenUpError
        time.sleep(PAUSE_SECONDS)

    def close(self, last: apsw.Connection | None = None) -> None:
        """End the thread, and see to it that SQLite copies no damage when the last connection is closed."""
        self._closing.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        if last is not None:
            self._judge_for_the_last_time(last)
        if self._log is not None:
            self._log.close()
            self._log = None

    def _judge_for_the_last_time(self, last: apsw.Connection) -> None:
        try:
            sound = self.may_copy(last)
        except apsw.Error as error:
            self._note(translate(self._store, error))
            sound = False
        if not sound:
            with contextlib.suppress(apsw.ConnectionClosedError):
                last.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
