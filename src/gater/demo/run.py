"""The demo: a node on SQLite, producers that append to it over the network, and an observer that watches."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from gater.api.gater_api import GaterApi
from gater.client.connecting import connect
from gater.config.settings import Settings
from gater.demo.greenhouse import stream_of
from gater.demo.observer import Observer
from gater.demo.producer import Producer
from gater.demo.screen import Screen, Summary
from gater.model.commands import WriteResult
from gater.model.events import Event
from gater.node import Node

STORE: Final = "reg_gh"
"""Regulate greenhouses."""
PERIOD: Final = 0.2
"""Seconds, ten times as quick as a producer's own: someone is watching."""
CATCH_UP_SECONDS: Final = 2.0
"""How long the observer may take at the end to see what was appended."""
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Demo:
    """Greenhouses 1 to `producers` at work on a node with its files in `data_dir`, until a signal or a time."""

    def __init__(self, data_dir: Path, port: int, producers: int, *, screen: Screen, random: Random) -> None:
        self._settings = Settings(data_dir=data_dir, port=port, stores=(STORE,))
        self._producers = producers
        self._screen = screen
        self._random = random
        self._appended = self._seen = 0
        self._last_appended = self._last_seen = 0
        self._progress = asyncio.Event()

    async def run(self, seconds: float | None = None) -> Summary:
        """Work for so many seconds, or until SIGINT or SIGTERM; tells what came of it.

        Raises MisconfiguredError when the port is taken, StoreUnavailableError when the files are in use.
        """
        stop = asyncio.Event()
        async with self._api() as api:
            begin = (await api.get_store_status(STORE)).position + 1
            started = time.monotonic()
            with _stopping_on_signals(stop):
                await self._work(api, begin, seconds, stop)
            summary = Summary(self._appended, self._seen, time.monotonic() - started)
            self._screen.summary(summary)
        return summary

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[GaterApi]:
        """The node, and a client of it over the network."""
        async with Node(self._settings) as node, connect(node.url) as api:
            self._screen.welcome(node.url, STORE, self._settings.data_dir)
            yield api

    async def _work(self, api: GaterApi, begin: int, seconds: float | None, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            observing = group.create_task(Observer(api, STORE, self._on_seen, start_from=begin).run())
            producing = [group.create_task(producer.run(stop)) for producer in self._all_producers(api)]
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()
            stop.set()
            await asyncio.wait(producing)
            await self._catch_up()
            observing.cancel()

    def _all_producers(self, api: GaterApi) -> Iterator[Producer]:
        for number in range(1, self._producers + 1):
            random = Random(self._random.random())
            yield Producer(api, STORE, stream_of(number), self._on_appended, random=random, period=PERIOD)

    async def _catch_up(self) -> None:
        """Wait, not for long, until the observer has seen the last event that was appended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while self._last_seen < self._last_appended:
                    self._progress.clear()
                    await self._progress.wait()

    def _on_appended(self, stream_id: str, count: int, result: WriteResult) -> None:
        self._appended += count
        self._last_appended = max(self._last_appended, result.position)

    def _on_seen(self, event: Event) -> None:
        self._seen += 1
        self._last_seen = event.position
        self._progress.set()
        self._screen.seen(event)


@contextmanager
def _stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on the first SIGINT or SIGTERM; a second one is handled as if this were not here."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        restore()
