"""Carrying out operations on the stores of this node.

Reads and writes run without a task of their own: a read is answered before `dispatch` returns, a write when its batch
is durable. Only what takes long (making stores, verification, backup, waiting for a position) gets a task.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import apsw

from gater.api import operations as op
from gater.api.arguments import check_start_version
from gater.gateway import reads, scans
from gater.gateway.admission import admit_append, admit_import, admit_snapshot
from gater.gateway.stores import Stores
from gater.model import commands as c
from gater.model.errors import (
    GaterError,
    InternalError,
    InvalidArgumentError,
    RequestTimeoutError,
    StoreUnavailableError,
)
from gater.model.expected_version import parse_expected_version
from gater.model.identifiers import check_stream_id
from gater.model.limits import Limits
from gater.model.snapshots import check_snapshot_version
from gater.model.stores import StoreInfo, StoreStatus, VerifyReport
from gater.store.log import Done
from gater.store.store import Store

COMPACT_STEP: Final = 1_000
"""Hidden events that one compaction command removes."""

log = logging.getLogger(__name__)


class Gateway:
    """The stores of this node behind the operations of the API; all methods are called on the event loop."""

    def __init__(
        self, data_dir: Path, *, limits: Limits | None = None, node: str = "gater@localhost", memory: bool = False
    ) -> None:
        self.limits = limits or Limits()
        self.node = node
        self._stores = Stores(data_dir, self.limits, memory=memory)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = True
        self._handlers: dict[type, Callable[[Any, Done], None]] = {
            op.AppendStreams: self._append,
            op.ImportPage: self._import,
            op.DeleteStreamOperation: self._delete_stream,
            op.TruncateStreamOperation: self._truncate_stream,
            op.RecordSnapshotOperation: self._record_snapshot,
            op.DeleteSnapshotOperation: self._delete_snapshot,
            op.ReadStream: self._reading(reads.read_stream),
            op.ReadAll: self._reading(reads.read_all),
            op.GetVersion: self._reading(reads.get_version),
            op.GetStreams: self._reading(reads.get_streams),
            op.LiveStart: self._reading(reads.live_start),
            op.ReadSnapshot: self._reading(reads.read_snapshot),
            op.ListSnapshots: self._reading(reads.list_snapshots),
            op.GetStoreStatus: lambda operation, done: done(self._status(operation.store), None),
            op.GetStoreConfig: self._reading(lambda store, _: store.config),
            op.ListStores: self._list_stores,
            op.CreateStore: self._in_task(self._create_store),
            op.RemoveStore: self._in_task(self._remove_store),
            op.VerifyStore: self._in_task(self._verify),
            op.CompactStore: self._in_task(self._compact),
        }

    async def start(self) -> None:
        """Open every store of the data folder; raises what makes one of them impossible to open."""
        await self._stores.open_all()
        self._closed = False

    async def close(self) -> None:
        """Answer everything accepted, then close the stores."""
        self._closed = True
        self._stores.stop_following()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._stores.close()

    async def ensure_stores(self, names: Sequence[str]) -> None:
        """Make those of these stores that are missing."""
        await self._stores.ensure(tuple(names))

    def statuses(self) -> list[StoreStatus]:
        """How each store is doing, the damaged ones included, ordered by name."""
        return [self._status(name) for name in self._stores.names()]

    def _status(self, store: str) -> StoreStatus:
        damage = self._stores.damage(store)
        if damage is None:
            return self._stores.get(store).status()
        return StoreStatus(store, "corrupt", "", 0, 0, 0, 0, 0, 0, 0, str(damage))

    def dispatch(self, operation: op.Operation[Any], done: Done) -> None:
        """Carry out an operation; `done(answer, error)` is called once, on the loop, maybe before this returns.

        The answer encodes as `operation.answer`; events are rows in the field order of Event.
        """
        try:
            if self._closed:
                raise StoreUnavailableError(reason="the node is stopping")
            self._handlers[type(operation)](operation, done)
        except GaterError as error:
            done(None, error)

    def stream(self, operation: op.StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation; they encode as `operation.answer`."""
        if self._closed:
            raise StoreUnavailableError(reason="the node is stopping")
        match operation:
            case op.ScanStream():
                return scans.scan_stream(self._stores.get(operation.store), operation)
            case op.ScanAll():
                return scans.scan_all(self._stores.get(operation.store), operation)
            case op.SubscribeOperation():
                return scans.subscribe(self._stores.get(operation.store), operation)
            case op.BackupStore():
                return scans.backup(self._stores.get(operation.store), self._stores.folder)
        raise InvalidArgumentError("operation", f"{operation.name} is not a stream")

    # --- writes ---

    def _append(self, operation: op.AppendStreams, done: Done) -> None:
        store = self._stores.get(operation.store)
        size = admit_append(operation.writes, operation.guards, self.limits)
        store.submit(c.Append(time.time_ns() // 1_000, operation.writes, operation.guards), size, done)

    def _import(self, operation: op.ImportPage, done: Done) -> None:
        store = self._stores.get(operation.store)
        size = admit_import(operation.events, self.limits)
        store.submit(c.ImportEvents(operation.events), size, done)

    def _delete_stream(self, operation: op.DeleteStreamOperation, done: Done) -> None:
        expected = parse_expected_version(operation.expected_version)
        command = c.DeleteStream(check_stream_id(operation.stream_id), expected, operation.tombstone)
        self._stores.get(operation.store).submit(command, 0, done)

    def _truncate_stream(self, operation: op.TruncateStreamOperation, done: Done) -> None:
        before = check_start_version(operation.before_version)
        command = c.TruncateStream(check_stream_id(operation.stream_id), before)
        self._stores.get(operation.store).submit(command, 0, done)

    def _record_snapshot(self, operation: op.RecordSnapshotOperation, done: Done) -> None:
        store = self._stores.get(operation.store)
        size = admit_snapshot(operation.snapshot, self.limits)
        store.submit(c.RecordSnapshot(operation.snapshot), size, done)

    def _delete_snapshot(self, operation: op.DeleteSnapshotOperation, done: Done) -> None:
        version = check_snapshot_version(operation.version)
        command = c.DeleteSnapshot(operation.source_uuid, operation.stream_uuid, version)
        self._stores.get(operation.store).submit(command, 0, done)

    # --- reads ---

    def _reading(self, read: Callable[[Store, Any], Any]) -> Callable[[Any, Done], None]:
        """A handler that answers at once, or when the replica has reached `after_position`."""

        def handle(operation: Any, done: Done) -> None:
            store = self._stores.get(operation.store)
            if getattr(operation, "after_position", 0) > store.tail.position:
                self._spawn(self._read_later(read, store, operation), done)
            else:
                done(_read(read, store, operation), None)

        return handle

    async def _read_later(self, read: Callable[[Store, Any], Any], store: Store, operation: Any) -> Any:
        try:
            async with asyncio.timeout(operation.timeout):
                await reads.reached(store, operation.after_position)
        except TimeoutError:
            raise RequestTimeoutError(operation.name, operation.timeout) from None
        return _read(read, store, operation)

    def _list_stores(self, operation: op.ListStores, done: Done) -> None:
        done([StoreInfo(self._stores.config(name), self.node) for name in self._stores.names()], None)

    # --- what takes long ---

    def _in_task(self, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Callable[[Any, Done], None]:
        return lambda operation, done: self._spawn(work(operation), done)

    def _spawn(self, work: Coroutine[Any, Any, Any], done: Done) -> None:
        task = asyncio.get_running_loop().create_task(_finish(work, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _create_store(self, operation: op.CreateStore) -> Any:
        made = await self._stores.create(
            operation.store, in_memory=operation.in_memory, description=operation.description, tags=operation.tags
        )
        return made.config

    async def _remove_store(self, operation: op.RemoveStore) -> None:
        await self._stores.remove(operation.store)

    async def _verify(self, operation: op.VerifyStore) -> Any:
        damage = self._stores.damage(operation.store)
        if damage is not None:
            return VerifyReport(operation.store, 0, 0, 0, (str(damage),))
        return await self._stores.get(operation.store).verify()

    async def _compact(self, operation: op.CompactStore) -> int:
        """Hidden events are removed in steps, between which other writers have their turn."""
        store = self._stores.get(operation.store)
        total = 0
        while removed := await store.run(c.Compact(COMPACT_STEP)):
            total += removed
        return total


def _read(read: Callable[[Store, Any], Any], store: Store, operation: Any) -> Any:
    try:
        return read(store, operation)
    except apsw.Error as error:
        raise store.read_error(error) from error


async def _finish(work: Coroutine[Any, Any, Any], done: Done) -> None:
    try:
        answer = await work
    except GaterError as error:
        done(None, error)
    except Exception as error:
        log.exception("an operation failed")
        done(None, InternalError(message=f"{type(error).__name__}: {error}"))
    else:
        done(answer, None)
