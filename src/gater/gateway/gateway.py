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
from gater.api import subscription_operations as sub
from gater.api import telemetry_operations as tel
from gater.api.arguments import check_start_version
from gater.api.operation import Operation, StreamingOperation
from gater.api.pubsub_operations import CheckedPublish, GetPubSub, Listen, Publish
from gater.gateway import histories, reads, scans, speaking
from gater.gateway.admission import admit_append, admit_import, admit_snapshot
from gater.gateway.backups import Backups
from gater.gateway.store_figures import StoreFigures
from gater.gateway.stores import Stores, state_of
from gater.gateway.subscribing import Subscribing
from gater.gateway.witness import Witness
from gater.messages.signing import Keyring
from gater.model import commands as c
from gater.model.errors import (
    GaterError,
    InternalError,
    InvalidArgumentError,
    RequestTimeoutError,
    StoreCorruptError,
    StoreUnavailableError,
)
from gater.model.expected_version import parse_expected_version
from gater.model.identifiers import check_stream_id
from gater.model.limits import Limits
from gater.model.memory_budget import MemoryBudget
from gater.model.selectors import Selector
from gater.model.snapshots import check_snapshot_version
from gater.model.stores import StoreInfo, StoreStatus, VerifyReport
from gater.monitoring.announcements import Announcements
from gater.monitoring.component_monitor import ComponentMonitor
from gater.monitoring.node_monitor import NodeMonitor
from gater.monitoring.node_pubsub import NodePubSub
from gater.monitoring.pubsub_monitor import PubSubMonitor
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from gater.store.log import Done
from gater.store.store import Store
from gater.subscriptions.catch_up import reached
from gater.subscriptions.channels import Channels
from gater.telemetry.metrics import Metrics
from gater.telemetry.sources import Sources

CHANNELS: Final = (Instance.EVENTS, Instance.HEALTH, Instance.METRICS)
"""The instances on which stores publish, in the order of Channels."""

log = logging.getLogger(__name__)


class Gateway:
    """The operations of the API on the stores of this node; all methods are called on the event loop."""

    def __init__(
        self,
        data_dir: Path,
        *,
        limits: Limits | None = None,
        node: str = "gater@localhost",
        memory: bool = False,
        is_embedded: bool = False,
        keyring: Keyring | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        """With `is_embedded` its callers are in this process; `keyring`: what signs its announcements; `adapter`: what
        carries messages to other processes, if any.
        """
        self.limits = limits or Limits()
        self.memory = MemoryBudget(self.limits.max_memory, self.limits.max_request_bytes)
        """Bytes that the node may hold of each kind."""
        self.node = node
        self._stores = Stores(data_dir, self.limits, memory=memory, budget=self.memory, is_embedded=is_embedded)
        self._subscribing = Subscribing(self._stores)
        self._backups = Backups(data_dir)
        self._node_pubsub = NodePubSub(node, keyring, adapter)
        self.witness = Witness(lambda: self.announcements)
        self.metrics = Metrics(node, self._sources(), tell=self._node_pubsub.tell)
        self._monitor: NodeMonitor | None = None
        self._components: ComponentMonitor | None = None
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
            op.GetStreams: self._in_task(self._get_streams),
            op.ReadSnapshot: self._reading(reads.read_snapshot),
            op.ListSnapshots: self._reading(reads.list_snapshots),
            op.GetStoreStatus: lambda operation, done: done(self._status(operation.store), None),
            op.GetStoreConfig: self._reading(lambda store, _: store.config),
            op.ListStores: self._list_stores,
            op.CreateStore: self._in_task(self._create_store),
            op.RemoveStore: self._in_task(self._remove_store),
            op.VerifyStore: self._in_task(self._verify),
            op.CompactStore: self._in_task(self._compact),
            Publish: self._publish,
            CheckedPublish: self._publish,
            GetPubSub: lambda _, done: done(speaking.stats(self.pubsub), None),
            tel.GetMetrics: lambda _, done: done(self.metrics.get_metrics(), None),
            tel.ResetMetrics: self._reset_metrics,
            tel.GetHealth: lambda _, done: done(self.metrics.get_health(), None),
            tel.GetWorkerPoolStatus: lambda _, done: done(self.metrics.get_worker_pool_status(), None),
            **self._subscribing.handlers(self._in_task),
        }

    async def start(self) -> None:
        """Open every store of the data folder; raises what makes one of them impossible to open."""
        await self._node_pubsub.join()
        self.pubsub.share.limit = self.memory.messages_bytes
        self._stores.channels = Channels(*map(self.pubsub.instance, CHANNELS))
        self.announcements.node_state("starting")
        try:
            await self._stores.open_all()
        except BaseException:
            await self._node_pubsub.leave()
            raise
        self._closed = False
        folder = None if self._stores.memory else self._stores.folder
        self._components = ComponentMonitor(self.announcements, self.metrics, self._stores.concerns)
        watches = (PubSubMonitor(self.pubsub, self.announcements), self._components)
        self._monitor = NodeMonitor(self.announcements, self.metrics, self._stores.troubles, folder, watches)
        for store in self._stores.open():
            self.announcements.store_state(store.id, "started")
        self.announcements.node_state("started")

    async def close(self) -> None:
        """Answer everything accepted, then close the stores."""
        self.say_stopping()
        if self._monitor is not None:
            self._monitor.close()
        self._closed = True
        self._stores.stop_following()
        if self._tasks:
            await asyncio.wait(self._tasks)
        names = [store.id for store in self._stores.open()]
        await self._stores.close()
        if self._node_pubsub.has_joined:
            for name in names:
                self.announcements.store_state(name, "stopped")
            self.announcements.node_state("stopped")
            await self._node_pubsub.leave()

    def say_stopping(self) -> bool:
        """Announce, once, that the node is about to stop; whether there were subscribers."""
        return not self._closed and self._node_pubsub.say_stopping()

    @property
    def announcements(self) -> Announcements:
        """The announcements of the node; only after it was started."""
        return self._node_pubsub.announcements

    @property
    def pubsub(self) -> PubSub:
        """The pub/sub system that this gateway shares with all others of its process."""
        return self._node_pubsub.pubsub

    async def ensure_stores(self, names: Sequence[str]) -> None:
        """Make those of these stores that are missing."""
        for name in await self._stores.ensure(names):
            self.announcements.store_state(name, "started")

    def statuses(self) -> list[StoreStatus]:
        """The status of each store, the damaged ones included, ordered by name."""
        return [self._status(name) for name in self._stores.names()]

    def states(self) -> dict[str, tuple[str, str]]:
        """The state of each store as it was found last, and why it is not running."""
        return self._stores.states()

    def _status(self, store: str) -> StoreStatus:
        refusal = self._stores.refusal(store)
        if refusal is None:
            return self._stores.get(store).status()
        return StoreStatus(store, state_of(refusal), "", 0, 0, 0, 0, 0, 0, 0, str(refusal))

    def selector_of(self, store: str, subscription: str) -> Selector:
        """The selector of a durable subscription; raises StoreNotFoundError or SubscriptionNotFoundError."""
        return self._stores.durables(store).config(subscription).selector

    def dispatch(self, operation: Operation[Any], done: Done) -> None:
        """Carry out an operation; `done(answer, error)` is called once, on the loop, maybe before this returns.

        The answer encodes as `operation.answer`; events are rows in the field order of Event.
        """
        done = self.metrics.calls.counted(operation.name, done)
        try:
            if self._closed:
                raise StoreUnavailableError(reason="the node is stopping")
            self._handlers[type(operation)](operation, done)
        except GaterError as error:
            done(None, error)
        except Exception as defect:
            log.exception("an operation failed", extra={"operation": operation.name})
            done(None, InternalError(message=f"{type(defect).__name__}: {defect}"))

    def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation; they encode as `operation.answer`."""
        if self._closed:
            raise StoreUnavailableError(reason="the node is stopping")
        try:
            items = self._stream(operation)
        except GaterError as error:
            self.metrics.calls.close_stream(self.metrics.calls.open_stream(operation.name), error.code)
            raise
        return self._counted(operation.name, items)

    async def _counted(self, operation: str, items: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """The items of a stream, which is counted as long as it is open."""
        calls, code = self.metrics.calls.open_stream(operation), None
        try:
            while (item := [await anext(items, None)]) != [None]:  # a suspended stream must hold no page
                yield item.pop()
        except GaterError as error:
            code = error.code
            raise
        except Exception:
            code = InternalError.code
            raise
        finally:
            self.metrics.calls.close_stream(calls, code)
            await items.aclose()

    def _stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        match operation:
            case op.ScanStream():
                return scans.scan_stream(self._stores.get(operation.store), operation)
            case op.ScanAll():
                return scans.scan_all(self._stores.get(operation.store), operation)
            case sub.SubscribeOperation():
                return self._subscribing.subscribe(operation)
            case Listen():
                return speaking.listen(self.pubsub, operation)
            case sub.Consume():
                return self._subscribing.consume(operation)
            case op.BackupStore():
                return self._backups.send(self._stores.get(operation.store))
        raise InvalidArgumentError("operation", f"{operation.name} is not a stream")

    def _publish(self, operation: Publish, done: Done) -> None:
        speaking.publish(self.pubsub, operation, done)

    # --- telemetry ---

    def _sources(self) -> Sources:
        """The sources of the node's metrics."""
        figures = StoreFigures(self._stores)
        refusals = self.witness.refusals.by_reason.as_dict
        return figures.sources(self.statuses, self._node_pubsub, lambda: [*self.memory, self.pubsub.share], refusals)

    def _reset_metrics(self, _: tel.ResetMetrics, done: Done) -> None:
        self.metrics.reset_metrics()
        done(None, None)

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
        command = c.DeleteStream(check_stream_id(operation.stream_id), expected, operation.tombstone, operation.again)
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
            store = histories.same_history(self._stores.get(operation.store), operation)
            if getattr(operation, "after_position", 0) > store.tail.position:
                self._spawn(self._read_later(read, store, operation), done)
            else:
                done(_read(read, store, operation), None)

        return handle

    async def _read_later(self, read: Callable[[Store, Any], Any], store: Store, operation: Any) -> Any:
        try:
            async with asyncio.timeout(operation.timeout):
                await reached(store, operation.after_position)
        except TimeoutError:
            raise RequestTimeoutError(operation.name, operation.timeout) from None
        return _read(read, store, operation)

    def _list_stores(self, operation: op.ListStores, done: Done) -> None:
        done([StoreInfo(self._stores.config(name), self.node) for name in self._stores.names()], None)

    # --- what takes long ---

    async def _get_streams(self, operation: op.GetStreams) -> list[str]:
        return await reads.get_streams(self._stores.get(operation.store), operation)

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
        self.announcements.store_state(operation.store, "started")
        return made.config

    async def _remove_store(self, operation: op.RemoveStore) -> None:
        await self._stores.remove(operation.store)
        self.announcements.store_state(operation.store, "stopped")

    async def _verify(self, operation: op.VerifyStore) -> Any:
        began = time.perf_counter()
        refusal = self._stores.refusal(operation.store)
        if isinstance(refusal, StoreCorruptError):
            report = VerifyReport(operation.store, 0, 0, 0, (str(refusal),))
        else:
            report = await self._stores.get(operation.store).verify()
        if self._components is not None:
            self._components.verified(report.ok)
        facts = {"events": report.events, "problems": list(report.problems)}
        self.announcements.checked(f"verify:{operation.store}", report.ok, time.perf_counter() - began, facts)
        return report

    async def _compact(self, operation: op.CompactStore) -> int:
        return await self._stores.get(operation.store).compact()


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
