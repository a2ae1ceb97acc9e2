"""The commit log of a store in memory: commands that wait are applied in batches, each in a turn of the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Final

from gater.model.commands import AnyCommand, Append, ImportEvents
from gater.model.errors import GaterError, RequestTooLargeError, StoreUnavailableError
from gater.model.limits import check_number
from gater.model.outcome import Done
from gater.store.answering import Entry, defect, finish_batch
from gater.store.backlog import Backlog
from gater.store.batches import take_batch
from gater.store.log import Committed
from gater.store.log_stats import LogStats
from gater.store.machine import Machine

MOST_MEMORY_EVENTS: Final = 5_000
"""Events, and as many streams and guards, of one append to a store in memory, or events of one page of an import."""
MOST_MEMORY_BYTES: Final = 4 << 20
"""What the events of such a command may weigh."""

log = logging.getLogger(__name__)


class MemoryLog:
    """No thread and no disk: what a test wants.

    The event loop does all the work, so a command is smaller than for a store on a file.
    """

    durability = "memory"
    trouble: GaterError | None = None
    concern = ""

    def __init__(self, store: str, machine: Machine, backlog: Backlog, committed: Committed) -> None:
        self._store = store
        self._machine = machine
        self._backlog = backlog
        self.stats = LogStats()
        self._committed = committed
        self._waiting: deque[Entry] = deque()
        self._scheduled = False
        self._closed = False
        self._idle = asyncio.Event()
        """Set when all that was accepted before the end is answered."""
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._backlog.commands

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Accept a command (see CommitLog)."""
        if self._closed:
            raise StoreUnavailableError(self._store, "the store is closed")
        _check_size(command, size)
        self._backlog.admit(size)
        self._waiting.append((command, size, done))
        self._apply_soon()

    def _apply_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._apply)

    def _apply(self) -> None:
        self._scheduled = False
        batch = take_batch(self._waiting)
        started = time.perf_counter()
        try:
            plan = self._machine.apply([command for command, _, _ in batch])
            self.stats.committed(len(batch), time.perf_counter() - started)
        except Exception as error:
            log.exception("a batch failed", extra={"store": self._store})
            plan = defect(len(batch), error)
        self._backlog.release(len(batch), sum([size for _, size, _ in batch]))
        finish_batch(self._store, batch, plan, self._committed)
        if self._waiting:
            self._apply_soon()
        elif self._closed:
            self._idle.set()

    def look(self) -> None:
        """Nothing: memory stays where it is."""

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        if self._closed:
            return
        self._closed = True
        if self._waiting:
            await self._idle.wait()
        self._machine.connection.close()


def _check_size(command: AnyCommand, size: int) -> None:
    """Raise RequestTooLargeError when a command would keep the event loop for long."""
    if type(command) is Append:
        check_number("streams", len(command.writes), MOST_MEMORY_EVENTS)
        check_number("guards", len(command.guards), MOST_MEMORY_EVENTS)
        check_number("events", sum([len(write.events) for write in command.writes]), MOST_MEMORY_EVENTS)
    elif type(command) is ImportEvents:
        check_number("events", len(command.events), MOST_MEMORY_EVENTS)
    else:
        return
    if size > MOST_MEMORY_BYTES:
        raise RequestTooLargeError(size, MOST_MEMORY_BYTES)
