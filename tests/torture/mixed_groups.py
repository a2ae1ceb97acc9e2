"""Consumer groups of which every verb is used, which are rewound, removed and saved again under load."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gater
from gater import Event
from tests.torture.mixed_streams import persist

T = TypeVar("T")

CONSUMERS = 2
SETTLING = frozenset({"ack", "skip", "park"})
"""Words after which an event does not come again by itself."""
SETTINGS: dict[str, Any] = {
    "ack_timeout": 3.0,
    "backoff": [0.01, 0.05],
    "max_retries": 1_000,
    "checkpoint_interval": 0.05,
}


@dataclass(frozen=True)
class Word:
    """What a consumer said of a delivery."""

    position: int
    action: str
    given: int
    """When the consumer was given it: nanoseconds of the monotonic clock."""


@dataclass
class GroupHistory:
    """What happened to one group."""

    name: str
    words: list[Word] = field(default_factory=list)
    run_began: int = 0
    """When the last run was asked for: nanoseconds of the monotonic clock."""
    run_after: int = 0
    """The last run begins after this position."""
    made: int = 0
    """When the group was saved last after it was removed."""
    moved_parked: bool = False
    """Whether parked events were replayed or discarded in the last run."""
    discarded: set[int] = field(default_factory=set)
    """Positions of parked events that were discarded, ever: no run delivers them while they are parked."""
    operations: dict[str, int] = field(default_factory=dict)

    @property
    def redeliveries(self) -> int:
        """Deliveries that were not the first of their event, those of a new run included."""
        return len(self.words) - len({word.position for word in self.words})

    def begin_run(self, after: int, *, anew: bool = False) -> None:
        """Note, before it is asked for, that a run begins after a position."""
        self.run_began, self.run_after, self.moved_parked = time.monotonic_ns(), after, False
        if anew:
            self.made = self.run_began

    def count(self, operation: str) -> None:
        """Note that an operation was answered."""
        self.operations[operation] = self.operations.get(operation, 0) + 1


class GroupActors:
    """The consumers of one group, and its operator, until they are told to stop."""

    def __init__(
        self, api: gater.GaterApi, store: str, history: GroupHistory, rng: random.Random, errors: dict[str, int]
    ) -> None:
        self._api = api
        self._store = store
        self._history = history
        self._rng = rng
        self._errors = errors
        self._steady = False
        """Whether consumers only acknowledge: at the end, so that the group comes to rest."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume, pull and operate; after `stopping`, acknowledge what is left until cancelled."""
        await self._save()
        async with asyncio.TaskGroup() as group:
            for _ in range(CONSUMERS):
                group.create_task(self._consume())
            group.create_task(self._pull(stopping))
            await self._operate(stopping)
            self._steady = True

    async def _consume(self) -> None:
        while True:
            try:
                prefetch = self._rng.choice((1, 10, 100))
                async with aclosing(self._api.consume(self._store, self._history.name, prefetch=prefetch)) as given:
                    async for delivery in given:
                        if await self._settle(delivery):
                            break
            except (gater.TransientError, gater.NotFoundError, gater.StoreCorruptError) as error:
                self._errors[error.code] = self._errors.get(error.code, 0) + 1
            await asyncio.sleep(0.01)

    async def _settle(self, delivery: gater.Delivery) -> bool:
        """Say something of a delivery; returns whether the consumer leaves now."""
        given = time.monotonic_ns()
        action = "ack" if self._steady else self._choose()
        self._note(delivery, action, given)
        if action == "ack":
            await delivery.ack()
        else:
            await delivery.nack(action, reason="mixed")
        return action == "stop"

    def _choose(self) -> str:
        (action,) = self._rng.choices(("ack", "retry", "park", "skip", "stop"), (88, 5, 3, 3, 1))
        return action

    def _note(self, delivery: gater.Delivery, action: str, given: int) -> None:
        self._history.words.append(Word(delivery.event.position, action, given))

    async def _pull(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                pulled = await self._api.pull_events(self._store, self._history.name, 20, wait=0.05)
                given = time.monotonic_ns()
                for delivery in pulled:
                    await delivery.ack()
                    self._note(delivery, "ack", given)
            except (gater.TransientError, gater.NotFoundError, gater.StoreCorruptError) as error:
                self._errors[error.code] = self._errors.get(error.code, 0) + 1
            await asyncio.sleep(self._rng.uniform(0.05, 0.3))

    async def _operate(self, stopping: asyncio.Event) -> None:
        """Now and then do to the group what an operator may do."""
        steps = (self._rewind, self._save_again, self._replay, self._discard)
        while not stopping.is_set():
            await asyncio.sleep(self._rng.uniform(0.1, 0.8))
            await self._rng.choice(steps)()

    async def _save(self) -> None:
        self._history.begin_run(0, anew=True)
        await self._persist(
            "save", lambda: self._api.save_subscription(self._store, name=self._history.name, **SETTINGS)
        )

    async def _save_again(self) -> None:
        name = self._history.name
        await self._persist("remove", lambda: self._api.remove_subscription(self._store, name=name))
        await self._save()

    async def _rewind(self) -> None:
        info = await self._persist("look", lambda: self._api.get_subscription(self._store, self._history.name))
        position = self._rng.randint(1, info.checkpoint + 1)
        self._history.begin_run(position - 1)
        await self._persist("rewind", lambda: self._api.rewind_subscription(self._store, self._history.name, position))

    async def _replay(self) -> None:
        self._history.moved_parked = True
        await self._persist("replay", lambda: self._api.replay_parked(self._store, self._history.name))

    async def _discard(self) -> None:
        name = self._history.name
        self._history.moved_parked = True
        parked = await self._persist("list parked", lambda: self._api.list_parked(self._store, name, limit=20))
        positions = [entry.position for entry in parked]
        self._history.discarded.update(positions)
        with suppress(gater.NotFoundError):  # settled meanwhile by a replay, or discarded by a call without an answer
            await self._persist("discard", lambda: self._api.discard_parked(self._store, name, positions))

    async def _persist(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        answer = await persist(call, self._errors, self._rng)
        self._history.count(operation)
        return answer


def group_violations(history: GroupHistory, parked: Iterable[int], content: Sequence[Event]) -> list[str]:
    """What contradicts the promises of a group that has come to rest; `content` is what readers of the store see."""
    parked = set(parked)
    return [*_all_settled(history, parked, content), *_parked_is_listed(history, parked, content)]


def _all_settled(history: GroupHistory, parked: set[int], content: Sequence[Event]) -> Iterable[str]:
    """Whatever the last run had to deliver was given to a consumer in that run, and settled by it."""
    settled = {word.position for word in history.words if word.given >= history.run_began and word.action in SETTLING}
    explained = settled | parked | history.discarded
    missing = [
        event.position for event in content if event.position > history.run_after and event.position not in explained
    ]
    if missing:
        yield f"{history.name}: {len(missing)} events were passed over in the last run, the first at {missing[0]}"


def _parked_is_listed(history: GroupHistory, parked: set[int], content: Sequence[Event]) -> Iterable[str]:
    """What was only ever parked is parked; what is parked was said to be."""
    said: dict[int, set[str]] = {}
    for word in history.words:
        if word.given >= history.made and word.action in SETTLING:
            said.setdefault(word.position, set()).add(word.action)
    never = sorted(position for position in parked if "park" not in said.get(position, set()))
    if never:
        yield f"{history.name}: position {never[0]} is parked, which no consumer has asked for"
    if history.moved_parked or history.run_began != history.made:
        return
    lost = [
        event.position for event in content if said.get(event.position) == {"park"} and event.position not in parked
    ]
    if lost:
        yield f"{history.name}: position {lost[0]} was parked, it is not listed"
