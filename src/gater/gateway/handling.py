"""Handlers of operations: the context that they work in, and the ways in which they answer.

Each module of handlers has a table, HANDLERS or STREAMS, from the type of an operation to the function that carries it
out. A handler answers before it returns, when its batch is durable, or from a task of its own (`in_task`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeAlias

from gater.gateway import histories
from gater.gateway.backups import Backups
from gater.gateway.stores import Stores
from gater.model.errors import GaterError, InternalError, RequestTimeoutError
from gater.model.limits import Limits
from gater.model.outcome import Done
from gater.monitoring.announcements import Announcements
from gater.monitoring.component_monitor import ComponentMonitor
from gater.store.store import Store
from gater.subscriptions.catch_up import reached

Handler: TypeAlias = Callable[[Any, Any, Done], None]
"""Takes its context and an operation; the last argument is called once with the answer or the error."""
StreamHandler: TypeAlias = Callable[[Any, Any], AsyncGenerator[Any, None]]
"""Takes its context and a streaming operation; gives the items."""

log = logging.getLogger(__name__)


class StoresContext:
    """The stores of a node and what their handlers need beside them."""

    def __init__(
        self, node: str, stores: Stores, limits: Limits, announcements: Announcements, components: ComponentMonitor
    ) -> None:
        self.node = node
        self.stores = stores
        self.limits = limits
        self.announcements = announcements
        self.components = components
        self.backups = Backups(stores.folder)
        self.tasks: set[asyncio.Task[None]] = set()
        """Operations under way that have a task."""

    def spawn(self, work: Coroutine[Any, Any, Any], done: Done) -> None:
        """Run an operation in a task of its own."""
        task = asyncio.get_running_loop().create_task(_finish(work, done))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def bound(handlers: Mapping[type, Callable[..., Any]], context: Any) -> dict[type, Callable[..., Any]]:
    """The handlers of a table with their context."""
    return {kind: partial(handler, context) for kind, handler in handlers.items()}


def in_task(work: Callable[[StoresContext, Any], Coroutine[Any, Any, Any]]) -> Handler:
    """A handler that answers from a task: the operation waits or takes long."""

    def handle(context: StoresContext, operation: Any, done: Done) -> None:
        context.spawn(work(context, operation), done)

    return handle


def reading(read: Callable[[Store, Any], Any]) -> Handler:
    """A handler that reads at once, or when the store has reached the operation's `after_position`."""

    def handle(context: StoresContext, operation: Any, done: Done) -> None:
        store = histories.same_history(context.stores.get(operation.store), operation)
        if getattr(operation, "after_position", 0) > store.tail.position:
            context.spawn(_read_later(read, store, operation), done)
        else:
            done(store.read(read, store, operation), None)

    return handle


async def _read_later(read: Callable[[Store, Any], Any], store: Store, operation: Any) -> Any:
    try:
        async with asyncio.timeout(operation.timeout):
            await reached(store, operation.after_position)
    except TimeoutError:
        raise RequestTimeoutError(operation.name, operation.timeout) from None
    return store.read(read, store, operation)


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
