"""The writer of a store on a file: the thread that puts plans on the disk, one transaction and one sync each.

It knows nothing of the commands that wait, or of an order among them: that is the log's part.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

import apsw

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, StoreUnavailableError
from gater.model.events import EventRow, WeighedRows
from gater.store import queries
from gater.store.answering import defect
from gater.store.checkpointing import Checkpointer
from gater.store.connection import translate
from gater.store.file_guard import FileGuard
from gater.store.handover import Handover
from gater.store.log_stats import LogStats
from gater.store.machine import Machine
from gater.store.plan import Plan
from gater.store.watermark import Watermark

PROBE_SECONDS: Final = 1.0

Written: TypeAlias = Callable[[Plan], None]
"""Takes a plan when it is durable, or a plan of refusals in its place, on the event loop."""

log = logging.getLogger(__name__)


class Writer:
    """Owns the machine of a store, which is in the hands of its thread while a plan is written.

    When the disk fails, the plan is refused with StoreUnavailableError, every later one at once, and each second the
    file is opened again and written to; when that works the store takes writes again.
    """

    def __init__(
        self,
        store: str,
        open_machine: Callable[[], Machine],
        machine: Machine,
        watermark: Watermark,
        guard: FileGuard,
        checkpointer: Checkpointer,
    ) -> None:
        self._store = store
        self._open_machine = open_machine
        self._machine = machine
        self._watermark = watermark
        self._guard = guard
        self._checkpointer = checkpointer
        self.stats = LogStats()
        self.on_free: Callable[[], None] = _do_nothing
        """Called when it can take the next plan; set by the log."""
        self.on_recovered: Callable[[Sequence[EventRow]], None] = _do_nothing
        """Takes the events that are in the file although their plan was refused; set by the log."""
        self.trouble: GaterError | None = None
        """The reason why writes are refused at the moment; None when they are not."""
        self.is_busy = False
        """Whether the machine is in the hands of the thread."""
        self._settled = machine.position
        """The newest position that was answered."""
        self._in_hand: tuple[Sequence[AnyCommand], Written] | None = None
        """What the thread has, until it is answered."""
        self._closing = False
        self._ended = False
        """Whether the thread has closed the files, and has nothing more to do."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._closed = asyncio.Event()
        checkpointer.tell_damage_to(partial(self._call, self._damaged))
        self._thread = self._new_thread()
        self._thread.start()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run_jobs, name=f"writer-{self._store}", daemon=True)

    @property
    def concern(self) -> str:
        """The concern while writes are taken (see CommitLog)."""
        return "; ".join(filter(None, [self._checkpointer.concern, self._guard.concern, self._watermark.concern]))

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether the next write may take longer, for a checkpoint."""
        return self._checkpointer.is_due

    # --- on the event loop ---

    def plan(self, commands: Sequence[AnyCommand]) -> Plan:
        """Decide what commands do; a plan of refusals while there is trouble."""
        if self.trouble is not None:
            return Plan([self.trouble] * len(commands))
        try:
            return self._machine.plan(commands)
        except apsw.Error as error:
            return self._refuse_all(len(commands), translate(self._store, error))
        except Exception as error:
            log.exception("a batch cannot be planned", extra={"store": self._store})
            return defect(len(commands), error)

    def write(self, commands: Sequence[AnyCommand], plan: Plan | None, written: Written) -> None:
        """Have the thread write a plan, the newest; without one it plans itself, as large commands want it."""
        self._in_hand = commands, written
        self._hand_over(partial(self._write_plan, commands, plan, written))

    def write_beside(self, commands: Sequence[AnyCommand], plan: Plan, written: Written, seconds: float) -> bool:
        """The same, and wait for it here; whether it came within so many seconds. If not, it is answered later."""
        handover: Handover[Plan] = Handover()
        self._in_hand = commands, written
        self._hand_over(partial(self._write_plan, commands, plan, written, handover))
        result = handover.wait(seconds)
        if result is None:
            return False
        self._answer(result, written)
        return True

    def unless_lost(self, plan: Plan) -> Plan:
        """The plan, or refusals when a file has no name any more: then it ends with this process."""
        return self._refuse_lost(len(plan.outcomes), lost) if (lost := self._guard.unlinked()) else plan

    def look(self) -> None:
        """Refuse writes when the files are no longer in their place (see CommitLog)."""
        self._guard.look()
        if self.trouble is not None or self._closing:
            return
        if lost := self._guard.misplaced():
            self._refuse_lost(0, lost)
        else:
            self._watermark.look()

    async def close(self) -> None:
        """Close the files; nothing may be under way. Twice is once."""
        self._closing = True
        if not self._closed.is_set():
            self._jobs.put(None)
            if not self._thread.is_alive() and not self._ended:
                self._run_jobs()  # the thread was lost; nothing but to close the files is left to do
            await self._closed.wait()
            self._thread.join()

    def end_recovery(self) -> None:
        """Try no longer to open the file again: the store is being closed."""
        self._closing = True

    def _hand_over(self, job: Callable[[], None]) -> None:
        self.is_busy = True
        self._jobs.put(job)
        if not self._thread.is_alive():
            log.error("the writer's thread has ended and is begun again", extra={"store": self._store})
            self._thread = self._new_thread()
            self._thread.start()

    def _answer(self, plan: Plan, written: Written) -> None:
        self.is_busy = False
        self._in_hand = None
        written(self.unless_lost(plan))  # asked as late as can be
        if type(plan.events) is WeighedRows:
            self._jobs.put(plan.free)
        self.on_free()

    # --- trouble, on the event loop ---

    def _refuse_all(self, count: int, trouble: GaterError) -> Plan:
        log.error("the store refuses writes", extra={"store": self._store, "reason": str(trouble)})
        self.trouble = trouble
        if trouble.retryable:  # damage does not pass by itself
            self._call(self._recover_later)
        return Plan([trouble] * count)

    def _damaged(self, damage: GaterError) -> None:
        """Take no more writes: a checkpoint met damage."""
        if self.trouble is None or self.trouble.retryable:
            self._refuse_all(0, damage)

    def _job_failed(self, error: BaseException) -> None:
        """Refuse a plan of which the thread cannot say what became; opening the file again will tell."""
        if self.trouble is None:
            self._refuse_all(0, StoreUnavailableError(self._store, f"{type(error).__name__}: {error}"))
        else:
            self._recover_later()
        if self._in_hand is None:
            self.is_busy = False
            self.on_free()
        else:
            commands, written = self._in_hand
            self._answer(self.plan(commands), written)

    def _refuse_lost(self, count: int, lost: str) -> Plan:
        """Acknowledge nothing: what was written ends with this process."""
        if self.trouble is None:
            return self._refuse_all(count, StoreUnavailableError(self._store, lost))
        return Plan([self.trouble] * count)

    def _recover_later(self) -> None:
        if not self._closing and self.trouble is not None and self.trouble.retryable:
            self._loop.call_later(PROBE_SECONDS, self._try_to_recover)

    def _try_to_recover(self) -> None:
        if self.is_busy:
            self._recover_later()
        elif not self._closing and self.trouble is not None and self.trouble.retryable:
            self._hand_over(self._recover)

    def _recovered(self, missed: list[EventRow]) -> None:
        self.is_busy = False
        self.trouble = None
        self._settled = self._machine.position
        self.on_recovered(missed)
        log.warning("the store takes writes again", extra={"store": self._store})
        self.on_free()

    def _not_recovered(self, trouble: GaterError) -> None:
        self.is_busy = False
        if str(trouble) != str(self.trouble):
            log.warning("the store still refuses writes", extra={"store": self._store, "reason": str(trouble)})
        self.trouble = trouble
        self._recover_later()
        self.on_free()

    # --- on the thread ---

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

    def _write_plan(
        self,
        commands: Sequence[AnyCommand],
        plan: Plan | None,
        written: Written,
        handover: Handover[Plan] | None = None,
    ) -> None:
        if plan is None:
            plan = self.plan(commands)
            plan.weigh()
        trouble = self.trouble  # it may have come since the plan was made, so that it is not written
        result = self._write(plan) if trouble is None else Plan([trouble] * len(plan.outcomes))
        if self.trouble is None and self._checkpointer.is_due:
            try:
                self._checkpointer.after_commit(self._machine.connection)
            except Exception:  # the batch is durable all the same
                log.exception("a checkpoint met a defect", extra={"store": self._store})
        if handover is None or not handover.give(result):
            self._call(self._answer, result, written)

    def _write(self, plan: Plan) -> Plan:
        """Put a plan on the disk; refusals in its place when that fails."""
        started = time.perf_counter()
        try:
            self._machine.write(plan)
        except apsw.Error as error:
            return self._refuse_all(len(plan.outcomes), translate(self._store, error))
        except Exception as error:
            log.exception("a batch cannot be written", extra={"store": self._store})
            return defect(len(plan.outcomes), error)
        self._settled = self._machine.position
        self._watermark.write(self._machine.extent)
        self.stats.committed(len(plan.outcomes), time.perf_counter() - started)
        self.stats.log_pages = self._checkpointer.pages
        if self._checkpointer.is_full and self.trouble is None:
            self._refuse_all(0, StoreUnavailableError(self._store, self._checkpointer.concern))
        return plan

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


def _do_nothing(*_: Any) -> None:
    """Nothing is to be called yet."""
