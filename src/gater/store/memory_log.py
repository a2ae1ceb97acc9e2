"""The commit log of a store in memory: commands of one turn of the event loop are applied together, on the loop."""

from __future__ import annotations

import asyncio
import logging
import time

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, InternalError, StoreUnavailableError
from gater.store.answering import Entry, finish_batch
from gater.store.backlog import Backlog
from gater.store.log import Committed, Done
from gater.store.log_stats import LogStats
from gater.store.machine import Applied, Machine

log = logging.getLogger(__name__)


class MemoryLog:
    """No thread and no disk: what a test wants."""

    durability = "memory"
    trouble: GaterError | None = None
    concern = ""

    def __init__(self, store: str, machine: Machine, backlog: Backlog, committed: Committed) -> None:
        self._store = store
        self._machine = machine
        self._backlog = backlog
        self.stats = LogStats()
        self._committed = committed
        self._batch: list[Entry] = []
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._backlog.commands

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Accept a command (see CommitLog)."""
        if self._closed:
            raise StoreUnavailableError(self._store, "the store is closed")
        self._backlog.admit(size)
        if not self._batch:
            self._loop.call_soon(self._apply)
        self._batch.append((command, size, done))

    def _apply(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        started = time.perf_counter()
        try:
            applied = self._machine.apply([command for command, _, _ in batch])
            self.stats.committed(len(batch), time.perf_counter() - started)
        except Exception as error:
            # A defect: the transaction was rolled back, so the store is as it was.
            log.exception("a batch failed", extra={"store": self._store})
            applied = Applied([InternalError(message=f"{type(error).__name__}: {error}")] * len(batch), [])
        self._backlog.release(len(batch), sum([size for _, size, _ in batch]))
        finish_batch(self._store, batch, applied, self._committed)

    def look(self) -> None:
        """Nothing: memory stays where it is."""

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        if not self._closed:
            self._closed = True
            self._apply()
            self._machine.connection.close()
