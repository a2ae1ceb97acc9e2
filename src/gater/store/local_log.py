"""The commit log of a store on this node: one writer thread, one transaction and one fsync for all that waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

import apsw

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, StoreUnavailableError
from gater.model.events import EventRow, WeighedRows, weigh_rows
from gater.model.outcome import Done
from gater.store import queries
from gater.store.answering import Entry, defect, finish_batch, shielded
from gater.store.backlog import Backlog
from gater.store.batches import take_batch, takes_long
from gater.store.checkpointing import Checkpointer
from gater.store.connection import translate
from gater.store.file_guard import FileGuard
from gater.store.handover import Handover
from gater.store.log import Committed
from gater.store.log_stats import LogStats
from gater.store.machine import Applied, Machine
from gater.store.rows import free
from gater.store.watermark import Watermark

PROBE_SECONDS: Final = 1.0

LONELY_BATCHES: Final = 4
"""Batches of a single command in a row after which the event loop waits for such a batch."""
SLOW_SECONDS: Final = 0.005
"""How long it waits; a write that takes longer ends the practice for SLOW_BATCHES batches of a single command."""
SLOW_BATCHES: Final = 2_000

log = logging.getLogger(__name__)


class LocalLog:
    """Group commit: what arrives while one batch is synced to disk makes up the next.

    What a batch does is decided on the event loop, in memory; the writer's thread puts it on the disk, and the loop
    goes on meanwhile. A command that is larger than a batch is planned on that thread, too. For a caller that is alone
    the loop itself waits, as long as the disk is quick: to come back to the loop would take longer.

    When the disk fails, the callers of that batch get StoreUnavailableError, every later command is refused at
    once, and each second the file is opened again and written to; when that works the store serves again.
    """

    durability = "fsync"

    def __init__(
        self,
        store: str,
        open_machine: Callable[[], Machine],
        machine: Machine,
        watermark: Watermark,
        guard: FileGuard,
        checkpointer: Checkpointer,
        backlog: Backlog,
        committed: Committed,
    ) -> None:
        self._store = store
        self._open_machine = open_machine
        self._machine = machine
        self._settled = machine.position
        """The newest position whose batch was answered."""
        self._watermark = watermark
        self._guard = guard
        self._checkpointer = checkpointer
        self._backlog = backlog
        self.stats = LogStats()
        self._committed = committed
        self._waiting: deque[Entry] = deque()
        self._scheduled = False
        self._busy = False
        """Whether the machine is in the hands of the writer's thread."""
        self._lonely_batches = 0
        self._trouble: GaterError | None = None
        self._closing = False
        self._ended = False
        """Whether the thread has closed the files, and has nothing more to do."""
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._in_hand: list[Entry] = []
        """The batch that the writer's thread has, until it is answered."""
        self._closed = asyncio.Event()
        checkpointer.tell_damage_to(partial(self._call, self._damaged))
        self._thread = self._new_thread()
        self._thread.start()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run_jobs, name=f"writer-{self._store}", daemon=True)

    @property
    def trouble(self) -> GaterError | None:
        """The reason why writes are refused at the moment; None when they are not."""
        return self._trouble

    @property
    def concern(self) -> str:
        """The concern while writes are taken (see CommitLog)."""
        return "; ".join(filter(None, [self._checkpointer.concern, self._guard.concern, self._watermark.concern]))

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._backlog.commands

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Accept a command (see CommitLog)."""
        if self._trouble is not None:
            raise self._trouble.again()
        if self._closing:
            raise StoreUnavailableError(self._store, "the store is closing")
        self._backlog.admit(size)
        self._waiting.append((command, size, done))
        if not self._busy and not self._scheduled:
            self._begin_soon()

    def look(self) -> None:
        """Refuse writes when the files are no longer in their place (see CommitLog)."""
        self._guard.look()
        if self._trouble is not None or self._closing:
            return
        if lost := self._guard.misplaced():
            self._refuse_lost(0, lost)
        else:
            self._watermark.look()

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        self._closing = True
        while self._waiting or self._busy:
            self._idle.clear()
            await self._idle.wait()
        if not self._closed.is_set():
            self._jobs.put(None)
            if not self._thread.is_alive() and not self._ended:
                self._run_jobs()  # the thread was lost; nothing but to close the files is left to do
            await self._closed.wait()
            self._thread.join()

    # --- batches, on the event loop ---

    def _begin_soon(self) -> None:
        """Begin the next batch when this turn of the event loop ends: who else submits in it is in the batch."""
        self._scheduled = True
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        if self._busy:
            return
        if not self._waiting:
            self._idle.set()
            return
        batch = take_batch(self._waiting)
        # To plan a long one here would keep the loop from everything else.
        applied = None if takes_long(batch[-1]) else self._plan([entry[0] for entry in batch])
        if applied is not None and (self._trouble is not None or not self._machine.must_write):
            self._answer(batch, self._unless_lost(applied))
        else:
            self._in_hand = batch
            if applied is None or not self._is_lonely(batch):
                self._hand_over(partial(self._write_batch, batch, applied))
            else:
                self._write_beside(batch, applied)
            return
        self._begin_soon()

    def _plan(self, commands: list[AnyCommand]) -> Applied:
        if self._trouble is not None:
            return Applied([self._trouble] * len(commands), [])
        try:
            return self._machine.plan(commands)
        except apsw.Error as error:
            return self._refuse_all(len(commands), translate(self._store, error))
        except Exception as error:
            log.exception("a batch cannot be planned", extra={"store": self._store})
            return defect(len(commands), error)

    def _is_lonely(self, batch: list[Entry]) -> bool:
        if len(batch) > 1 or self._waiting:
            self._lonely_batches = min(self._lonely_batches, 0)
            return False
        self._lonely_batches += 1
        return self._lonely_batches > LONELY_BATCHES and not self._checkpointer.is_due

    def _write_beside(self, batch: list[Entry], applied: Applied) -> None:
        """Have the thread write, and wait for it here; when that takes long, go on meanwhile."""
        handover: Handover[Applied] = Handover()
        self._hand_over(partial(self._write_batch, batch, applied, handover))
        written = handover.wait(SLOW_SECONDS)
        if written is None:
            self._lonely_batches = -SLOW_BATCHES
        else:
            self._written(batch, written)

    def _hand_over(self, job: Callable[[], None]) -> None:
        self._busy = True
        self._jobs.put(job)
        if not self._thread.is_alive():
            log.error("the writer's thread has ended and is begun again", extra={"store": self._store})
            self._thread = self._new_thread()
            self._thread.start()

    def _written(self, batch: list[Entry], applied: Applied) -> None:
        self._busy = False
        self._in_hand = []
        self._answer(batch, applied)
        if type(applied.events) is WeighedRows:
            self._jobs.put(partial(free, applied.events))
        self._begin_soon()

    def _answer(self, batch: list[Entry], applied: Applied) -> None:
        self._backlog.release(len(batch), sum([entry[1] for entry in batch]))
        finish_batch(self._store, batch, applied, self._committed)

    # --- trouble, on the event loop ---

    def _refuse_all(self, count: int, trouble: GaterError) -> Applied:
        log.error("the store refuses writes", extra={"store": self._store, "reason": str(trouble)})
        self._trouble = trouble
        if trouble.retryable:  # damage does not pass by itself
            self._call(self._recover_later)
        return Applied([trouble] * count, [])

    def _damaged(self, damage: GaterError) -> None:
        """Take no more writes: a checkpoint met damage."""
        if self._trouble is None or self._trouble.retryable:
            self._refuse_all(0, damage)

    def _job_failed(self, error: BaseException) -> None:
        """Answer a batch of which the writer's thread cannot say what became; opening the file again will tell."""
        self._busy = False
        batch, self._in_hand = self._in_hand, []
        if self._trouble is None:
            self._refuse_all(0, StoreUnavailableError(self._store, f"{type(error).__name__}: {error}"))
        else:
            self._recover_later()
        self._answer(batch, self._unless_lost(self._plan([entry[0] for entry in batch])))
        self._begin_soon()

    def _unless_lost(self, applied: Applied) -> Applied:
        """The result of a batch, or a refusal when a file has no name any more: it ends with this process."""
        return self._refuse_lost(len(applied.outcomes), lost) if (lost := self._guard.unlinked()) else applied

    def _refuse_lost(self, count: int, lost: str) -> Applied:
        """Acknowledge nothing: what was written ends with this process."""
        if self._trouble is None:
            return self._refuse_all(count, StoreUnavailableError(self._store, lost))
        return Applied([self._trouble] * count, [])

    def _recover_later(self) -> None:
        if not self._closing and self._trouble is not None and self._trouble.retryable:
            self._loop.call_later(PROBE_SECONDS, self._try_to_recover)

    def _try_to_recover(self) -> None:
        if self._busy:
            self._recover_later()
        elif not self._closing and self._trouble is not None and self._trouble.retryable:
            self._hand_over(self._recover)

    def _recovered(self, missed: list[EventRow]) -> None:
        self._busy = False
        self._trouble = None
        self._settled = self._machine.position
        shielded(self._store, lambda: self._committed(missed, None))
        log.warning("the store takes writes again", extra={"store": self._store})
        self._begin_soon()

    def _not_recovered(self, trouble: GaterError) -> None:
        self._busy = False
        if str(trouble) != str(self._trouble):
            log.warning("the store still refuses writes", extra={"store": self._store, "reason": str(trouble)})
        self._trouble = trouble
        self._recover_later()
        self._begin_soon()

    # --- on the writer's thread ---

    def _run_jobs(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException as error:  # the thread outlives whatever a job meets
                log.exception("the writer's thread met a defect", extra={"store": self._store})
                self._call(self._job_failed, error)
        for close in (self._close_checkpointer, self._close_connection, self._watermark.close):
            try:
                close()
            except Exception:
                log.exception("a file cannot be closed", extra={"store": self._store})
        self._ended = True
        self._call(self._closed.set)

    def _close_checkpointer(self) -> None:
        self._checkpointer.close(self._machine.connection)

    def _close_connection(self) -> None:
        connection = self._machine.connection
        self._guard.let_go(connection, sound=self._checkpointer.damage is None)
        connection.close()

    def _write_batch(
        self, batch: list[Entry], applied: Applied | None, handover: Handover[Applied] | None = None
    ) -> None:
        if applied is None:
            applied = self._write_long(batch)
        elif self._trouble is None:
            applied = self._write(applied)
        applied = self._unless_lost(applied)
        if self._trouble is None and self._checkpointer.is_due:
            try:
                self._checkpointer.after_commit(self._machine.connection)
            except Exception:  # the batch is durable all the same
                log.exception("a checkpoint met a defect", extra={"store": self._store})
        if handover is None or not handover.give(applied):
            self._call(self._written, batch, applied)

    def _write_long(self, batch: list[Entry]) -> Applied:
        applied = self._plan([entry[0] for entry in batch])
        weighed = applied._replace(events=weigh_rows(applied.events))
        if self._trouble is None:
            weighed = self._write(weighed)
        self._machine.free()
        free(applied.events)
        return weighed

    def _recover(self) -> None:
        """Open the file anew, which settles the failed batch, and try whether it takes writes."""
        try:
            missed = self._reopen()
        except GaterError as trouble:
            self._call(self._not_recovered, trouble)
        except apsw.Error as error:
            self._call(self._not_recovered, translate(self._store, error))
        except Exception as error:
            log.exception("the file cannot be opened again", extra={"store": self._store})
            reason = f"{type(error).__name__}: {error}"
            self._call(self._not_recovered, StoreUnavailableError(self._store, reason))
        else:
            self._call(self._recovered, missed)

    def _reopen(self) -> list[Any]:
        """The events that were not followed yet, of a machine that takes writes."""
        self._refuse_lost_files()
        with contextlib.suppress(apsw.Error):
            if not self._checkpointer.may_copy(self._machine.connection) and self._checkpointer.damage is not None:
                raise self._checkpointer.damage
        with contextlib.suppress(apsw.Error):
            self._machine.connection.close(True)
        self._machine = self._open_machine()
        if self._checkpointer.is_full:
            raise StoreUnavailableError(self._store, self._checkpointer.concern)
        self._machine.probe()
        # The failed batch may be in the file all the same: its callers were told that they cannot know.
        return self._machine.connection.execute(queries.EVERY_EVENT_AFTER, (self._settled,)).fetchall()

    def _refuse_lost_files(self) -> None:
        """StoreUnavailableError when other files than the open ones are at the paths; a log that is lost is saved."""
        if lost := self._guard.misplaced():
            with contextlib.suppress(apsw.ConnectionClosedError):
                if self._checkpointer.may_copy(self._machine.connection):
                    self._guard.save(self._machine.connection)
            raise StoreUnavailableError(self._store, lost)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        # A loop that is closed has no callers left to answer.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _write(self, applied: Applied) -> Applied:
        """Put what was planned on the disk; what the callers are to be told."""
        started = time.perf_counter()
        try:
            self._machine.write()
        except apsw.Error as error:
            return self._refuse_all(len(applied.outcomes), translate(self._store, error))
        except Exception as error:
            log.exception("a batch cannot be written", extra={"store": self._store})
            return defect(len(applied.outcomes), error)
        self._settled = self._machine.position
        self._watermark.write(self._machine.extent)
        self.stats.committed(len(applied.outcomes), time.perf_counter() - started)
        self.stats.log_pages = self._checkpointer.pages
        if self._checkpointer.is_full and self._trouble is None:
            self._refuse_all(0, StoreUnavailableError(self._store, self._checkpointer.concern))
        return applied
