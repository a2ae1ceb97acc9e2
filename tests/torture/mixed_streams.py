"""Writers that change their streams in every way, and know what each stream must hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import gater
from gater import Event
from tests.torture.workload import PATIENCE

PREFIXES = 3
"""Streams that a writer has at once."""
MOST_READ = 10_000

T = TypeVar("T")


@dataclass
class StreamModel:
    """What a stream must hold, by what its only writer was told."""

    stream_id: str
    event_ids: list[str] = field(default_factory=list)
    """By version."""
    positions: list[int] = field(default_factory=list)
    """By version; only the last of an append is told, the others follow from it."""
    first: int = 0
    """The oldest version that readers see."""
    closed: bool = False
    """Tombstoned."""

    @property
    def version(self) -> int:
        """The version of the last event; -1 when there is none."""
        return len(self.event_ids) - 1

    @property
    def visible(self) -> list[tuple[int, str]]:
        """Version and event id of what readers see."""
        return [] if self.closed else list(enumerate(self.event_ids))[self.first :]

    def appended(self, event_ids: Iterable[str], last_position: int) -> None:
        """Note an append that was answered."""
        new = list(event_ids)
        self.event_ids += new
        self.positions += range(last_position - len(new) + 1, last_position + 1)


@dataclass
class StreamsHistory:
    """All streams of a mixed run, and what contradicted them while it went on."""

    streams: dict[str, StreamModel] = field(default_factory=dict)
    attempted: dict[str, str] = field(default_factory=dict)
    """Event id to stream, noted before the event is first sent."""
    followed: list[tuple[int, str]] = field(default_factory=list)
    """Position and event id of what a subscriber to the whole store was given, in order."""
    contradictions: list[str] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """Events acknowledged so far, those that were hidden since included."""
        return sum(len(model.event_ids) for model in self.streams.values())

    def count(self, operation: str) -> None:
        """Note that an operation was answered."""
        self.operations[operation] = self.operations.get(operation, 0) + 1


class StreamWriter:
    """One writer: appends, truncates, deletes, revives, closes and reads its streams until it is told to stop."""

    def __init__(
        self, api: gater.GaterApi, store: str, number: int, history: StreamsHistory, rng: random.Random
    ) -> None:
        self._api = api
        self._store = store
        self._number = number
        self._history = history
        self._rng = rng
        self._made = 0
        self._models = [self._new_stream() for _ in range(PREFIXES)]

    async def run(self, stopping: asyncio.Event) -> None:
        """Change streams one step after the other; what has no answer is repeated until it has one."""
        steps = (self._append, self._truncate, self._delete, self._close, self._read)
        weights = (70, 6, 4, 2, 18)
        while not stopping.is_set():
            place = self._rng.randrange(PREFIXES)
            (step,) = self._rng.choices(steps, weights)
            await step(self._models[place])
            if self._models[place].closed:
                self._models[place] = self._new_stream()

    def _new_stream(self) -> StreamModel:
        self._made += 1
        model = StreamModel(f"mixed-{self._number}-{self._made}")
        self._history.streams[model.stream_id] = model
        return model

    async def _append(self, model: StreamModel) -> None:
        events = [
            gater.NewEvent(f"T{n % 3}", {"n": n}, {"by": self._number}) for n in range(self._rng.choice((1, 1, 2, 9)))
        ]
        ids = [str(event.event_id) for event in events]
        self._history.attempted.update(dict.fromkeys(ids, model.stream_id))
        expected = model.version
        result = await self._answered(
            "append", lambda: self._api.append_events(self._store, model.stream_id, events, expected)
        )
        if result.version != expected + len(ids):
            self._contradict(f"{model.stream_id}: append after {expected} answered version {result.version}")
        model.appended(ids, result.position)

    async def _truncate(self, model: StreamModel) -> None:
        before = self._rng.randint(model.first, model.version + 1)
        await self._answered("truncate", lambda: self._api.truncate_stream(self._store, model.stream_id, before))
        model.first = max(model.first, before)

    async def _delete(self, model: StreamModel) -> None:
        await self._answered("delete", lambda: self._api.delete_stream(self._store, model.stream_id))
        model.first = model.version + 1

    async def _close(self, model: StreamModel) -> None:
        await self._answered("tombstone", lambda: self._api.delete_stream(self._store, model.stream_id, tombstone=True))
        model.closed = True
        await self._answered("append to closed", lambda: self._refused(model))

    async def _refused(self, model: StreamModel) -> None:
        try:
            await self._api.append_events(self._store, model.stream_id, [gater.NewEvent("Late", {})])
        except gater.StreamDeletedError:
            return
        self._contradict(f"{model.stream_id}: an append to a closed stream was answered")

    async def _read(self, model: StreamModel) -> None:
        events = await self._answered(
            "read", lambda: self._api.get_events(self._store, model.stream_id, model.first, MOST_READ)
        )
        found = [(event.version, str(event.event_id)) for event in events]
        if found != model.visible:
            self._contradict(f"{model.stream_id}: {_difference(found, model.visible)}")

    async def _answered(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        answer = await persist(call, self._history.errors, self._rng)
        self._history.count(operation)
        return answer

    def _contradict(self, words: str) -> None:
        self._history.contradictions.append(words)


def _difference(found: list[tuple[int, str]], expected: list[tuple[int, str]]) -> str:
    lost, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    return f"a read lacks {lost[:3]} and has {more[:3]} too many, of {len(expected)} events"


async def persist(call: Callable[[], Awaitable[T]], errors: dict[str, int], rng: random.Random) -> T:
    """The answer of a call, repeated while the node is away, restarts, or has lost its files for a while."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except (gater.TransientError, gater.StoreCorruptError) as error:
                errors[error.code] = errors.get(error.code, 0) + 1
                await asyncio.sleep(rng.uniform(0.01, 0.1))


def stream_violations(history: StreamsHistory, content: list[Event]) -> list[str]:
    """What contradicts the models in the content of the whole store, the first of each kind."""
    return [
        *history.contradictions[:5],
        *_positions_rise(content),
        *_as_modelled(history, content),
        *_followed(history, content),
    ]


def _positions_rise(content: list[Event]) -> Iterable[str]:
    last = 0
    for event in content:
        if event.position <= last:
            yield f"position {event.position} comes after {last}"
            return
        last = event.position


def _as_modelled(history: StreamsHistory, content: list[Event]) -> Iterable[str]:
    """Every stream shows what its writer was told; ids, versions and positions included."""
    found: dict[str, list[tuple[int, str]]] = {}
    for event in content:
        found.setdefault(event.stream_id, []).append((event.version, str(event.event_id)))
        model = history.streams.get(event.stream_id)
        if model is not None and event.version <= model.version and model.positions[event.version] != event.position:
            yield f"{event} was acknowledged at position {model.positions[event.version]}"
            return
    for stream_id, model in history.streams.items():
        if found.pop(stream_id, []) != model.visible:
            yield f"the content of {stream_id} is not what its writer was told"
            return
    if found:
        yield f"streams were never written: {sorted(found)[:3]}"


def _followed(history: StreamsHistory, content: list[Event]) -> Iterable[str]:
    """The subscriber had everything that is there, in order and once; what was hidden in time may be missing."""
    last = 0
    for position, event_id in history.followed:
        if position <= last:
            yield f"the subscriber was given position {position} after {last}"
            return
        if event_id not in history.attempted:
            yield f"the subscriber was given event {event_id}, which was never sent"
            return
        last = position
    given = {position for position, _ in history.followed}
    missing = [event.position for event in content if event.position not in given]
    if missing:
        yield f"the subscriber was never given {len(missing)} events, the first at position {missing[0]}"
