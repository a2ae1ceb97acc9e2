"""Backups that are being sent: each a whole copy on disk, so there are few at once, and none stays without a reader."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import BinaryIO, Final

from gater.api.files import to_the_end
from gater.gateway.stores import BACKUP_FOLDER
from gater.model.errors import OverloadedError, StoreUnavailableError
from gater.store.store import Store

MOST_BACKUPS: Final = 4
"""Backups of all stores of a node that are sent at once."""
STALLED_SECONDS: Final = 30.0
"""How long the reader of a backup may leave a part of it unread; after that the copy is removed."""
CHUNK_BYTES: Final = 1 << 20

log = logging.getLogger(__name__)


class Backups:
    """The backups of one node; used on the event loop only."""

    def __init__(self, folder: Path) -> None:
        """The copies lie in the `folder` while they are sent, if there is such a folder."""
        self._folder = folder
        self._under_way = 0

    async def send(self, store: Store) -> AsyncGenerator[bytes, None]:
        """A consistent copy of a store's file, in chunks.

        OverloadedError when there are MOST_BACKUPS already; StoreUnavailableError when it cannot be made, or when it
        was removed because it was not read.
        """
        if self._under_way >= MOST_BACKUPS:
            raise OverloadedError("backups", MOST_BACKUPS)
        self._under_way += 1
        try:
            copy = _Copy(store.id, self._folder, self._ended)
        except OSError as error:
            self._ended()
            raise _failed(store, error) from error
        try:
            await store.copy_to(copy.path)
            with copy.path.open("rb") as file:
                while chunk := [await to_the_end(file.read, CHUNK_BYTES)]:
                    if not chunk[0]:
                        return
                    copy.expect_reader(file)
                    yield chunk.pop()
                    copy.was_read()
        except OSError as error:
            raise _failed(store, error) from error
        finally:
            copy.remove()

    def _ended(self) -> None:
        self._under_way -= 1


class _Copy:
    """One copy on disk, in a folder of its own."""

    def __init__(self, store: str, folder: Path, removed: Callable[[], None]) -> None:
        self._store = store
        self._folder = tempfile.TemporaryDirectory(prefix=BACKUP_FOLDER, dir=folder if folder.is_dir() else None)
        self._removed: Callable[[], None] | None = removed
        self._timer: asyncio.TimerHandle | None = None
        self.path = Path(self._folder.name) / "copy"

    def expect_reader(self, file: BinaryIO) -> None:
        """Expect the reader, which was given a part, to ask for the next one in time."""
        self._timer = asyncio.get_running_loop().call_later(STALLED_SECONDS, self._give_up, file)

    def was_read(self) -> None:
        """The reader asks for more; StoreUnavailableError when there is nothing left to read."""
        if self._timer is not None:
            self._timer.cancel()
        if self._removed is None:
            raise StoreUnavailableError(self._store, f"the backup was not read for {STALLED_SECONDS:g} s")

    def _give_up(self, file: BinaryIO) -> None:
        log.warning("a backup is not read, and removed", extra={"store": self._store})
        file.close()  # else its space would not be free
        self.remove()

    def remove(self) -> None:
        """Remove it; again, that is nothing."""
        if self._timer is not None:
            self._timer.cancel()
        if self._removed is not None:
            removed, self._removed = self._removed, None
            try:
                self._folder.cleanup()
            finally:
                removed()


def _failed(store: Store, error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(store.id, f"no backup can be made: {error.strerror}")
