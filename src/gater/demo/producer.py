"""A producer: appends generated events to one greenhouse at irregular moments, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from gater.api.gater_api import GaterApi
from gater.demo.greenhouse import generate
from gater.model.commands import WriteResult

BATCH_SIZE: Final = 1
PERIOD: Final = 2.0
"""Seconds; a pause lasts up to PAUSE_FACTOR times as long."""
PAUSE_FACTOR: Final = 5

OnAppended = Callable[[str, int, WriteResult], None]
"""Told the stream, the number of events and the answer of each append."""


class Producer:
    """Appends `batch_size` events to `stream_id`, waits, and begins again."""

    def __init__(
        self,
        api: GaterApi,
        store: str,
        stream_id: str,
        on_appended: OnAppended,
        *,
        random: Random,
        batch_size: int = BATCH_SIZE,
        period: float = PERIOD,
    ) -> None:
        self._api = api
        self._store = store
        self._stream_id = stream_id
        self._on_appended = on_appended
        self._random = random
        self._batch_size = batch_size
        self._period = period

    async def run(self, stop: asyncio.Event) -> None:
        """Append at once, then after random pauses of up to `period` × PAUSE_FACTOR seconds, until `stop` is set.

        It never stops between an append and its answer, so that all that was appended has been told.
        """
        version = await self._api.get_version(self._store, self._stream_id)
        while not stop.is_set():
            version = await self.append_once(version)
            await _pause(self._random.uniform(0.001, self._period * PAUSE_FACTOR), stop)

    async def append_once(self, version: int) -> int:
        """Append one batch to the stream, which is at `version`; returns the version it has then."""
        events = generate(self._random, version, self._batch_size)
        result = await self._api.append_events(self._store, self._stream_id, events)
        self._on_appended(self._stream_id, len(events), result)
        return result.version


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def appended_line(stream_id: str, count: int, result: WriteResult) -> str:
    """The line for an append of a producer."""
    return f'APPENDED ["{stream_id}" {count} (v{result.version})]'
