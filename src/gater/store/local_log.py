"""The commit log of a store on this node: what arrives while one batch is synced to disk makes up the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError, StoreUnavailableError
from gater.model.events import EventRow
from gater.model.outcome import Done
from gater.store.answering import Entry, finish_batch, shielded
from gater.store.backlog import Backlog
from gater.store.batches import take_batch, takes_long
from gater.store.log import Committed
from gater.store.log_stats import LogStats
from gater.store.lone_caller import SLOW_SECONDS, LoneCaller
from gater.store.plan import Plan
from gater.store.writer import Writer


class LocalLog:
    """Group commit: one transaction and one fsync for all that waits.

    A batch is planned on the event loop, in memory; the writer's thread puts the plan on the disk, and the loop goes on
    meanwhile. A command that is larger than a batch is planned on that thread, too. For a caller that is alone the loop
    itself waits, as long as the disk is quick.
    """

    durability = "fsync"

    def __init__(self, store: str, writer: Writer, backlog: Backlog, committed: Committed) -> None:
        self._store = store
        self._writer = writer
        writer.on_free, writer.on_recovered = self._begin_soon, self._recovered
        self._backlog = backlog
        self._committed = committed
        self._waiting: deque[Entry] = deque()
        self._scheduled = False
        self._lone_caller = LoneCaller()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def trouble(self) -> GaterError | None:
        """The reason why writes are refused at the moment; None when they are not."""
        return self._writer.trouble

    @property
    def concern(self) -> str:
        """The concern while writes are taken (see CommitLog)."""
        return self._writer.concern

    @property
    def stats(self) -> LogStats:
        """The figures of the log since it was opened."""
        return self._writer.stats

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        return self._backlog.commands

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Accept a command (see CommitLog)."""
        writer = self._writer
        if writer.trouble is not None:
            raise writer.trouble.again()
        if self._closing:
            raise StoreUnavailableError(self._store, "the store is closing")
        self._backlog.admit(size)
        self._waiting.append((command, size, done))
        if not writer.is_busy and not self._scheduled:
            self._begin_soon()

    def look(self) -> None:
        """Refuse writes when the files are no longer in their place (see CommitLog)."""
        self._writer.look()

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        self._closing = True
        self._writer.end_recovery()
        while self._waiting or self._writer.is_busy:
            self._idle.clear()
            await self._idle.wait()
        await self._writer.close()

    def _begin_soon(self) -> None:
        """Begin the next batch when this turn of the event loop ends: who else submits in it is in the batch."""
        self._scheduled = True
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        writer = self._writer
        if writer.is_busy:
            return
        if not self._waiting:
            self._idle.set()
            return
        batch = take_batch(self._waiting)
        commands, answer = [entry[0] for entry in batch], partial(self._answer, batch)
        # To plan a long one here would keep the loop from everything else.
        plan = None if takes_long(batch[-1]) else writer.plan(commands)
        if plan is None:
            writer.write(commands, None, answer)
        elif not plan.must_write:
            answer(writer.unless_lost(plan))
            self._begin_soon()
        elif self._waits_for(batch):
            if not writer.write_beside(commands, plan, answer, SLOW_SECONDS):
                self._lone_caller.was_slow()
        else:
            writer.write(commands, plan, answer)

    def _waits_for(self, batch: list[Entry]) -> bool:
        """Whether the loop waits for a batch to be written."""
        alone = len(batch) == 1 and not self._waiting
        return self._lone_caller.is_waited_for(alone=alone) and not self._writer.is_checkpoint_due

    def _answer(self, batch: list[Entry], plan: Plan) -> None:
        self._backlog.release(len(batch), sum([entry[1] for entry in batch]))
        finish_batch(self._store, batch, plan, self._committed)

    def _recovered(self, missed: Sequence[EventRow]) -> None:
        """Have those who follow the store read events whose callers were told that they cannot know."""
        shielded(self._store, lambda: self._committed(missed, None))
