"""Writers and a subscriber that go on through every fault, and write down what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import gater
from tests.torture.history import Acknowledged, History

PATIENCE = 60.0
"""Seconds after which a writer that still gets no answer gives up: then the run has failed."""


class Workload:
    """Some writers, each with streams of its own, and a subscriber to everything."""

    def __init__(self, api: gater.GaterApi, store: str, history: History, rng: random.Random) -> None:
        self._api = api
        self._store = store
        self._history = history
        self._rng = rng
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self, writers: int) -> AsyncIterator[None]:
        """Write and follow until the context ends; whatever a writer cannot explain ends it with an error."""
        async with asyncio.TaskGroup() as group:
            for number in range(writers):
                group.create_task(self._write(number))
            follower = group.create_task(self._follow())
            try:
                yield
            finally:
                self._stopping = True
                await self._caught_up()
                follower.cancel()

    async def _write(self, number: int) -> None:
        """Append to this writer's streams, at exact versions, in turn; repeat what got no answer until it gets one."""
        versions: dict[str, int] = {}
        while not self._stopping:
            stream_id = f"writer-{number}-{self._rng.randrange(3)}"
            count = self._rng.choice((1, 1, 1, 2, 10))
            events = [gater.NewEvent("Happened", {"by": number, "n": n}) for n in range(count)]
            ids = tuple(str(event.event_id) for event in events)
            self._history.attempted.update(dict.fromkeys(ids, stream_id))
            result = await self._append(stream_id, events, versions.get(stream_id, gater.NO_STREAM))
            versions[stream_id] = result.version
            self._history.acknowledged.append(Acknowledged(stream_id, ids, result.version, result.position))

    async def _append(self, stream_id: str, events: list[gater.NewEvent], expected: int) -> gater.WriteResult:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return await self._api.append_events(self._store, stream_id, events, expected)
                except gater.TransientError as error:
                    self._history.count_error(error.code)
                    await asyncio.sleep(self._rng.uniform(0.01, 0.1))

    async def _follow(self) -> None:
        async for event in self._api.subscribe(self._store, start_from=0):
            self._history.followed.append((event.position, str(event.event_id)))

    async def _caught_up(self) -> None:
        """Wait until the subscriber has everything that was acknowledged."""
        async with asyncio.timeout(PATIENCE):
            while len(self._history.followed) < max((e.position for e in self._history.acknowledged), default=0):
                await asyncio.sleep(0.02)
