"""A worker: carries out operations on the stores of this node.

Reads and writes run without a task of their own: a read is answered before `dispatch` returns, a write when its batch
is durable. Only what takes long (making stores, verification, waiting for a position) gets a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from gater.api.operation import Operation, StreamingOperation
from gater.gateway import reads, scans, store_admin, subscriptions, writes
from gater.gateway.handling import StoresContext, bound
from gater.model.outcome import Done


class Worker:
    """The handlers of all operations on stores, bound to the stores of a node; used on the event loop only."""

    def __init__(self, context: StoresContext) -> None:
        self._context = context
        tables = (writes.HANDLERS, reads.HANDLERS, subscriptions.HANDLERS, store_admin.HANDLERS)
        self.handlers = {kind: handler for table in tables for kind, handler in bound(table, context).items()}
        """By the type of an operation; each takes the operation and the callback of its answer."""
        streams = (scans.STREAMS, subscriptions.STREAMS, store_admin.STREAMS)
        self.streams = {kind: handler for table in streams for kind, handler in bound(table, context).items()}
        """By the type of a streaming operation."""

    def dispatch(self, operation: Operation[Any], done: Done) -> None:
        """Carry out an operation (see Gateway.dispatch); raises its error when that is known at once."""
        self.handlers[type(operation)](operation, done)

    def stream(self, operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation."""
        items: AsyncGenerator[Any, None] = self.streams[type(operation)](operation)
        return items

    async def idle(self) -> None:
        """Return when no operation has a task any more."""
        if self._context.tasks:
            await asyncio.wait(self._context.tasks)
