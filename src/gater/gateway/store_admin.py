"""Operations on whole stores: listing, making, removing, checking, compacting, sending backups."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any, Final

from gater.api import operations as op
from gater.gateway.handling import Handler, StoresContext, StreamHandler, in_task, reading
from gater.model.errors import StoreCorruptError
from gater.model.outcome import Done
from gater.model.stores import StoreInfo, VerifyReport
from gater.monitoring.lifecycle import announce_store


def status(context: StoresContext, operation: op.GetStoreStatus, done: Done) -> None:
    """The status of a store."""
    done(context.stores.status(operation.store), None)


def list_stores(context: StoresContext, operation: op.ListStores, done: Done) -> None:
    """The stores of this node."""
    stores = context.stores
    done([StoreInfo(stores.config(name), context.node) for name in stores.names()], None)


async def create(context: StoresContext, operation: op.CreateStore) -> Any:
    """Make a store."""
    made = await context.stores.create(
        operation.store, in_memory=operation.in_memory, description=operation.description, tags=operation.tags
    )
    announce_store(context.announcements, operation.store, "started")
    return made.config


async def remove(context: StoresContext, operation: op.RemoveStore) -> None:
    """Close a store and delete its files."""
    await context.stores.remove(operation.store)
    announce_store(context.announcements, operation.store, "stopped")


async def verify(context: StoresContext, operation: op.VerifyStore) -> VerifyReport:
    """Check a whole store; one that could not be opened for damage is reported as it was met."""
    started = time.perf_counter()
    refusal = context.stores.refusal(operation.store)
    if isinstance(refusal, StoreCorruptError):
        report = VerifyReport(operation.store, 0, 0, 0, (str(refusal),))
    else:
        report = await context.stores.get(operation.store).verify()
    context.components.verified(report, time.perf_counter() - started)
    return report


async def compact(context: StoresContext, operation: op.CompactStore) -> int:
    """Give back the space of hidden events; returns how many there were."""
    return await context.stores.get(operation.store).compact()


def backup(context: StoresContext, operation: op.BackupStore) -> AsyncGenerator[bytes, None]:
    """A consistent copy of a store's file, in chunks."""
    return context.backups.send(context.stores.get(operation.store))


HANDLERS: Final[dict[type, Handler]] = {
    op.GetStoreStatus: status,
    op.GetStoreConfig: reading(lambda store, _: store.config),
    op.ListStores: list_stores,
    op.CreateStore: in_task(create),
    op.RemoveStore: in_task(remove),
    op.VerifyStore: in_task(verify),
    op.CompactStore: in_task(compact),
}
STREAMS: Final[dict[type, StreamHandler]] = {op.BackupStore: backup}
