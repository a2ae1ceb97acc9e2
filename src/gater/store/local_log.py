"""The commit log of a store on this node: one writer thread, one transaction and one fsync for all that waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

import apsw

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, InternalError, StoreUnavailableError
from gater.model.limits import Limits
from gater.store.backlog import Backlog
from gater.store.checkpointing import Checkpointer
from gater.store.connection import translate
from gater.store.log import Committed, Done
from gater.store.machine import Applied, Machine
from gater.store.watermark import Watermark

BATCH_COMMANDS: Final = 1_024
BATCH_BYTES: Final = 8 << 20
PROBE_SECONDS: Final = 1.0

log = logging.getLogger(__name__)

_Entry = tuple[AnyCommand, int, Done]


class LocalLog:
    """Group commit: what arrives while one batch is synced to disk makes up the next.

    When the disk fails, the callers of that batch get StoreUnavailableError, every later command is refused at
    once, and the writer tries each second to open the file again and to write; when that works it serves again.
    """

    durability = "fsync"

    def __init__(
        self,
        store: str,
        open_machine: Callable[[], Machine],
        machine: Machine,
        watermark: Watermark,
        checkpointer: Checkpointer,
        limits: Limits,
        committed: Committed,
    ) -> None:
        self._store = store
        self._open_machine = open_machine
        self._machine = machine
        self._watermark = watermark
        self._checkpointer = checkpointer
        self._backlog = Backlog(limits)
        self._committed = committed
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._trouble: GaterError | None = None
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"writer-{store}", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> GaterError | None:
        """Why writes are refused at the moment; None when they are not."""
        return self._trouble

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._backlog.commands

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Accept a command (see CommitLog)."""
        if self._trouble is not None:
            raise self._trouble
        if self._closing:
            raise StoreUnavailableError(self._store, "the store is closing")
        self._backlog.admit(size)
        self._queue.put((command, size, done))

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await self._stopped.wait()
        self._thread.join()

    # --- on the writer's thread ---

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                if batch:
                    self._write(batch)
                elif self._trouble is not None:
                    self._recover()
        finally:
            self._checkpointer.close()
            self._machine.connection.close()
            self._watermark.close()
            self._call(self._stopped.set)

    def _next_batch(self) -> list[_Entry] | None:
        """All that waits, up to the bounds of a batch; empty after a second of trouble; None at the end."""
        queue = self._queue
        try:
            entry = queue.get(timeout=PROBE_SECONDS if self._trouble is not None else None)
        except Empty:
            return []
        if entry is None:
            return None
        batch, size = [entry], entry[1]
        try:
            while len(batch) < BATCH_COMMANDS and size < BATCH_BYTES:
                entry = queue.get_nowait()
                if entry is None:
                    queue.put(None)
                    break
                batch.append(entry)
                size += entry[1]
        except Empty:
            return batch
        return batch

    def _write(self, batch: list[_Entry]) -> None:
        if self._trouble is not None:
            applied = Applied([self._trouble] * len(batch), [])
        else:
            applied = self._apply([entry[0] for entry in batch])
        self._call(self._answer, batch, applied)
        if self._trouble is None:
            self._checkpointer.after_commit(self._machine.connection)

    def _apply(self, commands: list[AnyCommand]) -> Applied:
        try:
            applied = self._machine.apply(commands)
        except apsw.Error as error:
            return self._refuse_all(commands, translate(self._store, error))
        except Exception as error:
            # A defect: the transaction was rolled back, so the store is as it was.
            log.exception("a batch failed", extra={"store": self._store})
            return Applied([InternalError(message=f"{type(error).__name__}: {error}")] * len(commands), [])
        self._watermark.write(self._machine.applied)
        return applied

    def _refuse_all(self, commands: list[AnyCommand], trouble: GaterError) -> Applied:
        log.error("the store refuses writes", extra={"store": self._store, "reason": str(trouble)})
        self._trouble = trouble
        return Applied([trouble] * len(commands), [])

    def _recover(self) -> None:
        """Open the file anew, which settles what the failed batch left behind, and see whether it takes writes."""
        with contextlib.suppress(apsw.Error):
            self._machine.connection.close(True)
        try:
            self._machine = self._open_machine()
            self._machine.probe()
        except (apsw.Error, GaterError) as error:
            log.warning("the store still refuses writes", extra={"store": self._store, "reason": str(error)})
            return
        self._call(self._recovered)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        # A loop that is closed has no callers left to answer.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    # --- on the event loop ---

    def _recovered(self) -> None:
        self._trouble = None
        log.warning("the store takes writes again", extra={"store": self._store})

    def _answer(self, batch: list[_Entry], applied: Applied) -> None:
        self._backlog.release(len(batch), sum([entry[1] for entry in batch]))
        if applied.events:
            self._committed(applied.events)
        answer_all(batch, applied.outcomes)


def answer_all(batch: list[_Entry], outcomes: list[Any]) -> None:
    """Tell each caller its outcome; one that fails to listen harms no other."""
    for (_, _, done), outcome in zip(batch, outcomes, strict=True):
        try:
            if isinstance(outcome, GaterError):
                done(None, outcome)
            else:
                done(outcome, None)
        except Exception:
            log.exception("a caller failed to take its answer")
