"""A store in memory with durable subscriptions at work, whose writes a test can have refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from gater.model.commands import AnyCommand
from gater.model.errors import StoreUnavailableError
from gater.model.outcome import Done
from gater.model.selectors import Selector, by_stream
from gater.store.store import Store
from gater.subscriptions.channels import NOWHERE, Channels
from gater.subscriptions.consumer import Consumer
from gater.subscriptions.durable import Delivery, DurableSubscription
from gater.subscriptions.durables import Durables
from tests.unit.store.stores import event_of, memory_store, write

NAME = "billing"
QUICK = {"checkpoint_interval": 0.01, "backoff": [0.01]}
WAIT_SECONDS = 10.0


class Writes:
    """Stands between a store and its log: notes each command, and refuses or holds back those of some kinds."""

    def __init__(self, store: Store) -> None:
        self.made: list[AnyCommand] = []
        self.refused: tuple[type, ...] = ()
        """Kinds of commands that fail, as those of a store do that is read-only."""
        self.overloaded: tuple[type, ...] = ()
        """Kinds of commands that are not even taken in."""
        self.held_back: tuple[type, ...] = ()
        """Kinds of commands that are not carried out until `let_go`."""
        self._submit = store.submit
        self._waiting: list[Callable[[], None]] = []
        store.submit = self.submit  # type: ignore[method-assign]

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Do with a command what the test wants."""
        self.made.append(command)
        if isinstance(command, self.overloaded):
            raise StoreUnavailableError("s", "overloaded")
        if isinstance(command, self.refused):
            done(None, StoreUnavailableError("s", "read-only"))
        elif isinstance(command, self.held_back):
            self._waiting.append(lambda: self._submit(command, size, done))
        else:
            self._submit(command, size, done)

    def let_go(self) -> None:
        """Carry out what was held back."""
        waiting, self._waiting, self.held_back = self._waiting, [], ()
        for submit in waiting:
            submit()

    def of(self, kind: type) -> list[Any]:
        """The commands of one kind."""
        return [command for command in self.made if isinstance(command, kind)]


@asynccontextmanager
async def at_work(channels: Channels = NOWHERE) -> AsyncGenerator[tuple[Store, Durables], None]:
    """A store and its subscriptions."""
    async with memory_store() as store:
        durables = Durables(store, channels)
        try:
            yield store, durables
        finally:
            await durables.close()


async def made(
    durables: Durables, selector: Selector | None = None, name: str = NAME, start_from: int = 0, **settings: Any
) -> DurableSubscription:
    """A subscription, by default to the whole store."""
    wanted = by_stream() if selector is None else selector
    await durables.save(wanted, name, start_from, {**QUICK, **settings})
    return durables.get(name)


async def fill(store: Store, *streams: str) -> None:
    """One event to each of these streams."""
    for stream in streams:
        await write(store, stream, event_of())


def attached(durable: DurableSubscription, prefetch: int = 1_000) -> Consumer:
    """A consumer."""
    consumer = Consumer(prefetch)
    durable.attach(consumer)
    return consumer


async def taken(durable: DurableSubscription, consumer: Consumer, count: int) -> list[Delivery]:
    """The next so many deliveries, once they are there."""
    found: list[Delivery] = []

    def are_there() -> bool:
        found.extend(durable.take(consumer, count - len(found)))
        return len(found) >= count

    await until(are_there)
    return found


def settle(durable: DurableSubscription, *deliveries: Delivery) -> None:
    """Acknowledge deliveries."""
    for event, _, receipt in deliveries:
        durable.ack(event[2], receipt)
    durable.after_settling()


def park(durable: DurableSubscription, *deliveries: Delivery) -> None:
    """Have deliveries parked."""
    for event, _, receipt in deliveries:
        durable.nack(event[2], receipt, "park", None, "bad")
    durable.after_settling()


def positions(deliveries: list[Delivery]) -> list[int]:
    """The positions of deliveries."""
    return [event[2] for event, _, _ in deliveries]


def kept(store: Store) -> int:
    """The checkpoint that the store has."""
    saved = store.subscriptions.get(NAME)
    assert saved is not None
    return saved.checkpoint


def parked(store: Store) -> list[int]:
    """The positions that are parked in the store."""
    return [row.position for row in store.subscriptions.parked(NAME, 0, 1_000)]


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; fails when that takes too long."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


async def turns(count: int = 10) -> None:
    """Let the event loop turn: what is to happen at once has happened."""
    for _ in range(count):
        await asyncio.sleep(0)
