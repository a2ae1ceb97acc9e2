"""Appends at a fixed rate, whether or not earlier ones were answered: a slow server meets as many as a quick one."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import gater
from bench.servers import STORE

WARM_UP_SECONDS: Final = 0.5
"""Appends of so long after the beginning are not counted."""


class Pace:
    """Appends single events at `rate` a second, and notes when each was sent and acknowledged."""

    def __init__(
        self,
        api: gater.GaterApi,
        rate: float,
        stream_of: Callable[[int], str],
        event_of: Callable[[int], gater.NewEvent],
    ) -> None:
        """`stream_of` and `event_of`: what the append of a number is, counted from 0."""
        self.acked: dict[UUID, float] = {}
        """When each append that counts was acknowledged, by event id."""
        self.latencies: list[float] = []
        """Seconds from sending to acknowledgement, of each that counts."""
        self._api = api
        self._rate = rate
        self._stream_of = stream_of
        self._event_of = event_of
        self._begin = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Append while the context lasts; ends when all that was sent is answered."""
        async with asyncio.TaskGroup() as group:
            stopped = asyncio.Event()
            group.create_task(self._run(group, stopped))
            try:
                yield
            finally:
                stopped.set()

    async def _run(self, group: asyncio.TaskGroup, stopped: asyncio.Event) -> None:
        started, sent = time.perf_counter(), 0
        self._begin = started + WARM_UP_SECONDS
        while not stopped.is_set():
            due = int((time.perf_counter() - started) * self._rate) + 1
            for number in range(sent, due):
                group.create_task(self._append(number))
            sent = max(sent, due)
            await asyncio.sleep(max(started + sent / self._rate - time.perf_counter(), 0))

    async def _append(self, number: int) -> None:
        event = self._event_of(number)
        sent_at = time.perf_counter()
        await self._api.append_events(STORE, self._stream_of(number), [event])
        if sent_at >= self._begin:
            acked_at = time.perf_counter()
            assert isinstance(event.event_id, UUID)  # which the client has made
            self.acked[event.event_id] = acked_at
            self.latencies.append(acked_at - sent_at)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The 50th, 99th and 99.9th percentile in milliseconds, each the smallest value that so many do not exceed."""
    if not seconds:
        raise RuntimeError("nothing was measured")
    ordered = sorted(seconds)
    return {
        name: ordered[math.ceil(len(ordered) * share) - 1] * 1_000
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }
