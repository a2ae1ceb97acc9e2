"""The operations of the API on one node."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import Origin
from gater.gateway import pubsub, telemetry
from gater.gateway.audit import AuditTrail
from gater.gateway.door import Door
from gater.gateway.handling import StoresContext, bound
from gater.gateway.store_figures import StoreFigures
from gater.gateway.stores import Stores
from gater.gateway.worker import Worker
from gater.messages.signing import Keyring
from gater.model.errors import GaterError, InternalError, InvalidArgumentError, StoreUnavailableError
from gater.model.limits import Limits
from gater.model.memory_budget import MemoryBudget
from gater.model.outcome import Done
from gater.model.selectors import Selector
from gater.model.stores import StoreStatus
from gater.monitoring.announcements import Announcements
from gater.monitoring.call_monitor import CallMonitor
from gater.monitoring.component_monitor import ComponentMonitor
from gater.monitoring.lifecycle import announce_node, announce_store
from gater.monitoring.node_monitor import NodeMonitor
from gater.monitoring.node_pubsub import NodePubSub
from gater.monitoring.pubsub_monitor import PubSubMonitor
from gater.pubsub.adapters.port import Adapter
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from gater.subscriptions.channels import Channels
from gater.subscriptions.confinement import confined
from gater.telemetry.metrics import Metrics

CHANNELS: Final = (Instance.EVENTS, Instance.HEALTH, Instance.METRICS)
"""The instances on which stores publish, in the order of Channels."""

log = logging.getLogger(__name__)


class Gateway:
    """Dispatches operations to the worker of the stores, to pub/sub and to the metrics of a node, and counts them.

    It is made by `open_gateway`; all methods are called on the event loop.
    """

    def __init__(
        self, node: str, stores: Stores, node_pubsub: NodePubSub, limits: Limits, memory: MemoryBudget
    ) -> None:
        """The stores are open, the node has joined pub/sub; both are closed with the gateway."""
        self.limits = limits
        self.memory = memory
        """Bytes that the node may hold of each kind."""
        self.announcements: Announcements = node_pubsub.announcements
        self.pubsub: PubSub = node_pubsub.pubsub
        """The pub/sub system that this gateway shares with all others of its process."""
        self.audit = AuditTrail(self.announcements)
        self.door = Door(self, self.audit, self.selector_of)
        """The way in for all callers."""
        self._stores = stores
        self._node_pubsub = node_pubsub
        self._closed = False
        sources = StoreFigures(stores).sources(
            stores.statuses, node_pubsub, self._shares, self.audit.refusals.by_reason.as_dict
        )
        self.metrics = Metrics(
            node, sources, tell=node_pubsub.publish_metrics, on_trouble=CallMonitor(self.announcements).report
        )
        self._components = ComponentMonitor(self.announcements, self.metrics, stores.concerns)
        self._worker = Worker(StoresContext(node, stores, limits, self.announcements, self._components))
        self._handlers = {
            **self._worker.handlers,
            **bound(pubsub.HANDLERS, self.pubsub),
            **bound(telemetry.HANDLERS, self.metrics),
        }
        self._streams = {**self._worker.streams, **bound(pubsub.STREAMS, self.pubsub)}
        parts = (PubSubMonitor(self.pubsub, self.announcements), self._components)
        folder = None if stores.memory else stores.folder
        self._monitor = NodeMonitor(self.announcements, self.metrics, stores.troubles, folder, parts)

    def _shares(self) -> list[Any]:
        """The shares of the memory of the node."""
        return [*self.memory, self.pubsub.share]

    async def close(self) -> None:
        """Answer everything accepted, then close the stores and leave pub/sub. Twice is once."""
        if self._closed:
            return
        self.announce_stopping()
        self._monitor.close()
        self._closed = True
        self._stores.stop_following()
        await self._worker.idle()
        names = [store.id for store in self._stores.open()]
        await self._stores.close()
        for name in names:
            announce_store(self.announcements, name, "stopped")
        announce_node(self.announcements, "stopped")
        await self._node_pubsub.leave()

    def announce_stopping(self) -> bool:
        """Announce, once, that the node is about to stop; whether the announcement had subscribers."""
        return not self._closed and self._node_pubsub.announce_stopping()

    def statuses(self) -> list[StoreStatus]:
        """The status of each store, the damaged ones included, ordered by name."""
        return self._stores.statuses()

    def states(self) -> dict[str, tuple[str, str]]:
        """The state of each store as it was found last, and why it is not running."""
        return self._stores.states()

    def selector_of(self, store: str, subscription: str) -> Selector:
        """The selector of a durable subscription; StoreNotFoundError or SubscriptionNotFoundError without one."""
        return self._stores.durables(store).config(subscription).selector

    def dispatch(self, operation: Operation[Any], origin: Origin, done: Done) -> None:
        """Carry out an operation (see Dispatcher); whether its origin may do it was decided at the door."""
        done = self.metrics.calls.counted(operation.name, done)
        try:
            if self._closed:
                raise StoreUnavailableError(reason="the node is stopping")
            if origin.stream_prefix:
                with confined(origin.stream_prefix):
                    self._handlers[type(operation)](operation, done)
            else:
                self._handlers[type(operation)](operation, done)
        except GaterError as error:
            done(None, error)
        except Exception as defect:
            log.exception("an operation failed", extra={"operation": operation.name})
            done(None, InternalError(message=f"{type(defect).__name__}: {defect}"))

    def stream(self, operation: StreamingOperation[Any], origin: Origin) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation (see Dispatcher)."""
        if self._closed:
            raise StoreUnavailableError(reason="the node is stopping")
        stream = self._streams.get(type(operation))
        try:
            if stream is None:
                raise InvalidArgumentError("operation", f"{operation.name} is not a stream")
            items = stream(operation)
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


async def open_gateway(
    folder: Path,
    *,
    stores: Sequence[str] = (),
    limits: Limits | None = None,
    node: str = "gater@localhost",
    memory: bool = False,
    is_embedded: bool = False,
    keyring: Keyring | None = None,
    adapter: Adapter | None = None,
) -> Gateway:
    """Open every store of the data folder, make those of `stores` that are missing, and announce the node.

    With `memory` all stores live in memory, with `is_embedded` the callers are in this process. `keyring` signs the
    announcements, `adapter` carries messages to other processes. Raises what keeps the adapter from starting, and what
    makes every store impossible to open.
    """
    limits = limits or Limits()
    budget = MemoryBudget(limits.max_memory, limits.max_request_bytes)
    node_pubsub = await NodePubSub.join(node, keyring, adapter)
    announcements, system = node_pubsub.announcements, node_pubsub.pubsub
    system.share.limit = budget.messages_bytes
    announce_node(announcements, "starting")
    channels = Channels(*map(system.instance, CHANNELS))
    opened = Stores(folder, limits, channels, memory=memory, budget=budget, is_embedded=is_embedded)
    try:
        await opened.open_all()
        await opened.ensure(stores)
    except BaseException:
        await opened.close()
        await node_pubsub.leave()
        raise
    for store in opened.open():
        announce_store(announcements, store.id, "started")
    gateway = Gateway(node, opened, node_pubsub, limits, budget)
    announce_node(announcements, "started")
    return gateway
