"""The commit log of a store on this node: one writer thread, one transaction and one fsync for all that waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

import apsw

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, InternalError, StoreUnavailableError
from gater.model.limits import Limits
from gater.store import queries
from gater.store.backlog import Backlog
from gater.store.checkpointing import Checkpointer
from gater.store.connection import translate
from gater.store.log import Committed, Done
from gater.store.machine import Applied, EventRow, Machine
from gater.store.watermark import Watermark

BATCH_COMMANDS: Final = 1_024
BATCH_BYTES: Final = 8 << 20
PROBE_SECONDS: Final = 1.0

LONELY_TURNS: Final = 4
"""Turns of the event loop in a row with a single command, after which such a command is applied on the loop."""
SLOW_SECONDS: Final = 0.005
"""A commit on the loop that took longer ends the practice for SLOW_TURNS turns with a single command."""
SLOW_TURNS: Final = 2_000

log = logging.getLogger(__name__)

Entry = tuple[AnyCommand, int, Done]
"""A command, the bytes of its payload, and who wants to know."""


class LocalLog:
    """Group commit: what arrives while one batch is synced to disk makes up the next.

    Commands of one turn of the event loop go to the writer together. A caller that is alone does not wait for two
    changes of thread: its command is applied on the loop, as long as the disk is quick.

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
        self._settled = machine.position
        """The newest position whose batch was answered."""
        self._watermark = watermark
        self._checkpointer = checkpointer
        self._backlog = Backlog(limits)
        self._committed = committed
        self._turn: list[Entry] = []
        self._lonely_turns = 0
        self._queue: SimpleQueue[list[Entry] | None] = SimpleQueue()
        self._rest: list[Entry] = []
        self._writing = threading.Lock()
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
            raise self._trouble.again()
        if self._closing:
            raise StoreUnavailableError(self._store, "the store is closing")
        self._backlog.admit(size)
        if not self._turn:
            self._loop.call_soon(self._end_turn)
        self._turn.append((command, size, done))

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        if not self._closing:
            self._closing = True
            self._end_turn()
            self._queue.put(None)
        await self._stopped.wait()
        self._thread.join()

    # --- on the event loop ---

    def _end_turn(self) -> None:
        """Have the commands of this turn applied: by the writer, or here when there is one and nothing else."""
        turn, self._turn = self._turn, []
        if not turn:
            return
        if len(turn) > 1 or self._backlog.commands > 1:
            self._lonely_turns = min(self._lonely_turns, 0)
        else:
            self._lonely_turns += 1
            if self._lonely_turns > LONELY_TURNS and self._trouble is None and self._writing.acquire(blocking=False):
                try:
                    applied = self._apply_here(turn[0][0])
                finally:
                    self._writing.release()
                self._answer(turn, applied)
                return
        self._queue.put(turn)

    def _apply_here(self, command: AnyCommand) -> Applied:
        started = time.perf_counter()
        applied = self._apply([command])
        if time.perf_counter() - started > SLOW_SECONDS:
            self._lonely_turns = -SLOW_TURNS
        if self._trouble is not None or self._checkpointer.is_due:
            self._queue.put([])
        return applied

    def _recovered(self, missed: list[EventRow]) -> None:
        self._trouble = None
        self._committed(missed, True)
        log.warning("the store takes writes again", extra={"store": self._store})

    def _answer(self, batch: list[Entry], applied: Applied) -> None:
        self._backlog.release(len(batch), sum([entry[1] for entry in batch]))
        if applied.events or applied.hides:
            self._committed(applied.events, applied.hides)
        answer_all(batch, applied.outcomes)

    # --- on the writer's thread ---

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                with self._writing:
                    self._write(batch)
        finally:
            self._checkpointer.close()
            self._machine.connection.close()
            self._watermark.close()
            self._call(self._stopped.set)

    def _next_batch(self) -> list[Entry] | None:
        """All that waits, up to the bounds of a batch; empty when there is other work to do; None at the end."""
        waiting = self._rest
        try:
            if not waiting:
                turn = self._queue.get(timeout=PROBE_SECONDS if self._may_recover() else None)
                if turn is None:
                    return None
                waiting = turn
            while len(waiting) < BATCH_COMMANDS:
                turn = self._queue.get_nowait()
                if turn is None:
                    self._queue.put(None)
                    break
                waiting = waiting + turn
        except Empty:
            pass
        return self._cut(waiting)

    def _cut(self, waiting: list[Entry]) -> list[Entry]:
        """As much as one batch holds; what is left over begins the next."""
        size = 0
        for count, entry in enumerate(waiting):
            if count == BATCH_COMMANDS or (size and size + entry[1] > BATCH_BYTES):
                self._rest = waiting[count:]
                return waiting[:count]
            size += entry[1]
        self._rest = []
        return waiting

    def _write(self, batch: list[Entry]) -> None:
        if batch:
            if self._trouble is None:
                applied = self._apply([entry[0] for entry in batch])
            else:
                applied = Applied([self._trouble] * len(batch), [])
            self._call(self._answer, batch, applied)
        elif self._may_recover():
            self._recover()
        if self._trouble is None:
            self._checkpointer.after_commit(self._machine.connection)

    # --- on either thread, one at a time ---

    def _apply(self, commands: list[AnyCommand]) -> Applied:
        try:
            applied = self._machine.apply(commands)
        except apsw.Error as error:
            return self._refuse_all(commands, translate(self._store, error))
        except Exception as error:
            # A defect: the transaction was rolled back, so the store is as it was.
            log.exception("a batch failed", extra={"store": self._store})
            return Applied([InternalError(message=f"{type(error).__name__}: {error}")] * len(commands), [])
        self._settled = self._machine.position
        self._watermark.write(self._machine.extent)
        return applied

    def _refuse_all(self, commands: list[AnyCommand], trouble: GaterError) -> Applied:
        log.error("the store refuses writes", extra={"store": self._store, "reason": str(trouble)})
        self._trouble = trouble
        return Applied([trouble] * len(commands), [])

    def _may_recover(self) -> bool:
        """Whether the trouble may pass by itself; damage does not."""
        return self._trouble is not None and self._trouble.retryable

    def _recover(self) -> None:
        """Open the file anew, which settles what the failed batch left behind, and see whether it takes writes."""
        with contextlib.suppress(apsw.Error):
            self._machine.connection.close(True)
        try:
            self._machine = self._open_machine()
            self._machine.probe()
            # The failed batch may be in the file all the same: its callers were told that they cannot know.
            missed: list[Any] = self._machine.connection.execute(queries.EVERY_EVENT_AFTER, (self._settled,)).fetchall()
        except (apsw.Error, GaterError) as error:
            log.warning("the store still refuses writes", extra={"store": self._store, "reason": str(error)})
            return
        self._settled = self._machine.position
        self._call(self._recovered, missed)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        # A loop that is closed has no callers left to answer.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


def answer_all(batch: list[Entry], outcomes: list[Any]) -> None:
    """Tell each caller its outcome; one that fails to listen harms no other."""
    for (_, _, done), outcome in zip(batch, outcomes, strict=True):
        try:
            if isinstance(outcome, GaterError):
                done(None, outcome)
            else:
                done(outcome, None)
        except Exception:
            log.exception("a caller failed to take its answer")
