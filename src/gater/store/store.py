"""One store, open: its log, its readers and its tail, behind one object."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import msgspec

from gater.model.commands import AnyCommand, Compact
from gater.model.errors import GaterError, StoreCorruptError, StoreNotFoundError, StoreUnavailableError
from gater.model.events import EventRow
from gater.model.limits import Limits
from gater.model.memory_budget import Share
from gater.model.outcome import Done
from gater.model.stores import StoreConfig, StoreStatus, VerifyReport
from gater.store import copying, opening, queries, verification
from gater.store.backlog import Backlog
from gater.store.checkpointing import Checkpointer
from gater.store.connection import READER_CACHE_KIB, close_failed, open_file, open_memory, translate, translated
from gater.store.counts import Counts
from gater.store.hidden import Hidden
from gater.store.history import History, new_history
from gater.store.local_log import LocalLog
from gater.store.log import CommitLog, resolve
from gater.store.log_stats import LogStats
from gater.store.machine import Machine
from gater.store.memory_log import MemoryLog
from gater.store.reader import Reader
from gater.store.recent import LAG, RecentPositions
from gater.store.store_files import StoreFiles
from gater.store.subscription_reader import SubscriptionReader
from gater.store.tail import Tail
from gater.store.watermark import Watermark
from gater.store.writer import Writer

Read = TypeVar("Read")

FILE_STORE: Final = "single"
MEMORY_STORE: Final = "memory"
COMPACTED_AT_ONCE: Final = 500
"""Hidden events that one slice of a compaction removes."""


class Store:
    """A store that is open on this node; all methods are called on the event loop."""

    def __init__(
        self,
        config: StoreConfig,
        files: StoreFiles | None,
        connection: apsw.Connection,
        feed: Feed,
        log: CommitLog,
        counts: Counts,
    ) -> None:
        """`counts` are those that the machine of the log keeps."""
        self.id = config.store_id
        self.config = config
        self.tail = feed.tail
        self._files = files
        self._connection = connection
        self._log = log
        self.reader = Reader(connection, feed.recent)
        self.subscriptions = SubscriptionReader(connection, counts)
        self.history = History(config.store_id, connection)
        self.subscribers = 0
        self._counts = counts
        self._damage: GaterError | None = None
        self._stopping = threading.Event()
        if counts.failure is not None:
            self.read_error(counts.failure)

    @property
    def durability(self) -> str:
        """The level that an answered write has reached."""
        return self._log.durability

    @property
    def log_stats(self) -> LogStats:
        """The figures of its log since the store was opened."""
        return self._log.stats

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Have a command ordered and applied (see CommitLog.submit)."""
        if self._damage is not None:
            raise self._damage.again()
        self._log.submit(command, size, done)

    async def run(self, command: AnyCommand, size: int = 0) -> Any:
        """The answer of a command, of which `size` bytes wait meanwhile; raises its error."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.submit(command, size, partial(resolve, future))
        return await future

    async def compact(self) -> int:
        """Give back the space of hidden events, in slices between which others have their turn; returns how many."""
        total = 0
        begin: int | None = 0
        while begin is not None:
            if self._stopping.is_set():
                raise StoreUnavailableError(self.id, "the store is closing")
            compacted = await self.run(Compact(COMPACTED_AT_ONCE, begin))
            total += compacted.removed
            begin = compacted.next
        return total

    def read_error(self, error: apsw.Error) -> GaterError:
        """The error of a failed read for its caller; damage is remembered, and ends writing."""
        meaning = translate(self.id, error)
        if isinstance(meaning, StoreCorruptError):
            self._damage = meaning
        return meaning

    def read(self, read: Callable[..., Read], *arguments: Any) -> Read:
        """The result of a read; SQLite's errors are translated (see `read_error`)."""
        try:
            return read(*arguments)
        except apsw.Error as error:
            raise self.read_error(error) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Let SQLite's errors of a read leave as what they mean to its caller (see `read_error`)."""
        try:
            yield
        except apsw.Error as error:
            raise self.read_error(error) from error

    @property
    def trouble(self) -> str:
        """The reason why it is not running; empty when it is."""
        trouble = self._trouble()
        return "" if trouble is None else str(trouble)

    def _trouble(self) -> GaterError | None:
        self._log.look()
        return self._damage or self._log.trouble

    @property
    def state(self) -> tuple[str, str]:
        """Its state as it was found last, without another look, and why it is not running."""
        trouble = self._damage or self._log.trouble
        if trouble is None:
            return "running", ""
        return ("corrupt" if isinstance(trouble, StoreCorruptError) else "read_only"), str(trouble)

    @property
    def concern(self) -> str:
        """The concern while it is running (see CommitLog.concern); empty when there is none."""
        return self._log.concern

    def status(self) -> StoreStatus:
        """The state of the store."""
        try:
            streams, types, size = self.reader.counts()
        except apsw.Error as error:
            self.read_error(error)
            streams = types = size = 0
        self._trouble()
        state, reason = self.state
        return StoreStatus(
            self.id,
            state,
            self.durability,
            self.tail.position,
            streams,
            types,
            self._counts.snapshots,
            size,
            self._log.waiting,
            self.subscribers,
            reason or self.concern,
            self.history.id,
        )

    async def verify(self) -> VerifyReport:
        """Check the whole store; on a file this runs beside everything else."""
        if self._files is None:
            return verification.verify_connection(self._connection, self.id)
        report = await asyncio.to_thread(_verify_in_place, self._files, self._stopping)
        if not report.ok and not self._files.guard.misplaced():
            self._damage = StoreCorruptError(self.id, report.problems[0])
        return report

    async def copy_to(self, target: Path) -> None:
        """Write a consistent copy to a new file."""
        if self._files is None:
            copying.copy_memory(self._connection, target, self.id)
            return
        if self._files.guard.misplaced():
            await copying.copy_open(self._connection, target, self.id)
            return
        given_up = threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(copying.copy_file, self._files.database, target, self.id, given_up)
        )
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # The caller will clear up behind the copy: not before it has ended.
            given_up.set()
            await asyncio.wait([work])
            work.exception()
            raise

    def stop(self) -> None:
        """End what would go on for long: followers, a compaction, a verification."""
        self._stopping.set()
        self.tail.watches.close()

    async def close(self, *, remove: bool = False) -> None:
        """Answer what was accepted and close the files; with `remove` delete them."""
        self.stop()
        async with contextlib.AsyncExitStack() as closing:  # each, whatever comes of the one before
            closing.callback(self._let_go, remove)
            closing.push_async_callback(self._log.close)
            if self._files is not None:
                self.reader.close()  # first: the writer, who may write, must be the last, for SQLite tidies up then

    def _let_go(self, remove: bool) -> None:
        if self._files is None:
            return
        if remove:
            self._files.remove()
        self._files.release()


def _verify_in_place(files: StoreFiles, given_up: threading.Event) -> VerifyReport:
    """Check the file, unless another than the open one is, or comes meanwhile, to its path."""
    lost = files.guard.misplaced()
    report = None if lost else verification.verify_file(files.database, files.store, given_up)
    if report is None or (lost := files.guard.misplaced()):
        return VerifyReport(files.store, 0, 0, 0, (lost,))
    return report


class Feed:
    """The newest events on the event loop, for readers and for followers."""

    def __init__(self, connection: apsw.Connection, position: int) -> None:
        self.tail = Tail(position)
        self.recent = RecentPositions()
        if newest := connection.execute(queries.NAMED_EVENTS_AFTER, (position - LAG,)).fetchall():
            self.recent.extend(newest)

    def committed(self, events: Sequence[EventRow], hides: Hidden) -> None:
        """Take in what a batch did (see log.Committed)."""
        try:
            if events:
                self.recent.extend(events)
        finally:
            self.tail.extend(events, hides)


def new_config(
    store: str, folder: Path, *, memory: bool, description: str = "", tags: tuple[str, ...] = ()
) -> StoreConfig:
    """The configuration of a store that is made now."""
    return StoreConfig(
        store_id=store,
        data_dir="" if memory else str(folder),
        db_type=MEMORY_STORE if memory else FILE_STORE,
        store_description=description,
        tags=tags,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def open_memory_store(config: StoreConfig, limits: Limits, requests: Share | None = None) -> Store:
    """A new store that lives in memory."""
    connection = open_memory()
    opening.create_content(connection, config, numbers=opening.random_number(), history=new_history())
    feed = Feed(connection, 0)
    machine = Machine(connection, MemoryLog.durability)
    log = MemoryLog(config.store_id, machine, Backlog(limits, requests), feed.committed)
    return Store(config, None, connection, feed, log, machine.counts)


async def open_file_store(
    folder: Path, store: str, limits: Limits, create: StoreConfig | None = None, requests: Share | None = None
) -> Store:
    """A store on its file in `folder`: opened, or with `create` made.

    `requests`: the share of the memory that holds the commands which wait.
    """
    files = StoreFiles(folder, store)
    if create is None and not files.database.exists() and not files.remains():
        raise StoreNotFoundError(store)
    if files.is_foreign:
        reason = f"{files.database} is not a store's file: move it away, or choose another name for the store"
        raise StoreCorruptError(store, reason)
    with contextlib.ExitStack() as undo:
        files.acquire()
        undo.callback(files.release)
        _finish_removal(files, make=create is not None)
        if create is not None and not files.database.exists() and not files.remains():
            undo.callback(files.discard)
        if create is None and not files.database.exists():
            files.refuse_loss()
        watermark = Watermark(files.watermark)
        undo.callback(watermark.close)
        counts = Counts()
        machine = await asyncio.to_thread(_open_machine, files, watermark, create, counts)
        undo.callback(close_failed, machine.connection)
        undo.callback(files.guard.let_go, machine.connection)
        with translated(store):
            reading = open_file(files.database, read_only=True, cache_kib=READER_CACHE_KIB)
            undo.callback(close_failed, reading)
            feed, kept = Feed(reading, machine.position), opening.read_config(reading)
        undo.pop_all()
    checkpointer = Checkpointer(store, files.database)
    checkpointer.watch(machine.connection)

    def reopen() -> Machine:
        machine = _open_machine(files, watermark, None, counts, again=True)
        checkpointer.watch(machine.connection)
        return machine

    writer = Writer(store, reopen, machine, watermark, files.guard, checkpointer)
    log = LocalLog(store, writer, Backlog(limits, requests), feed.committed)
    # The file may be a backup of a store of another name, of another folder, or of one in memory.
    config = msgspec.structs.replace(kept, store_id=store, data_dir=str(folder), db_type=FILE_STORE)
    return Store(config, files, reading, feed, log, counts)


def _finish_removal(files: StoreFiles, *, make: bool) -> None:
    """Delete what a removal that was cut short has left; StoreNotFoundError unless a store is to be made then."""
    if files.is_half_removed:
        files.remove()
        if not make:
            raise StoreNotFoundError(files.store)
        files.release()
        files.acquire()


def _open_machine(
    files: StoreFiles, watermark: Watermark, create: StoreConfig | None, counts: Counts, *, again: bool = False
) -> Machine:
    """The machine on a store's file, which is made or opened, or opened `again` by the log that had it open."""
    connection = opening.open_store(files) if create is None else opening.create_store(files, create)
    try:
        with translated(files.store):
            machine = Machine(connection, LocalLog.durability, counts)
            opening.check_watermark(machine.extent, watermark, files)
            copied_at = machine.position if create is None and not again else None
            if opening.settle_identity(connection, machine.extent, watermark, files, copied_at=copied_at):
                machine = Machine(connection, LocalLog.durability, counts)
            files.guard.hold()
    except BaseException:
        close_failed(connection)
        raise
    return machine
