"""A mixed load under mixed faults: all changes to streams, all verbs of groups, restarts, files that vanish."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import gater
from gater.testing.server import GaterServer
from gater.testing.server_process import READY_SECONDS, ServerError
from tests.torture.mixed_groups import GroupActors, GroupHistory, group_violations
from tests.torture.mixed_streams import StreamsHistory, StreamWriter, persist, stream_violations
from tests.torture.report import Report
from tests.torture.workload import PATIENCE

STORE = "mixed"
WRITERS = 6
GROUPS = 3
PAUSE_SECONDS = 0.5
VANISH_SECONDS = 10.0
"""A node that lost its files may go on for so long before it has to refuse."""
UNREADY_SECONDS = 2.0
"""How long a node whose files are gone is asked whether it is ready, once it listens."""

FAULTS = {"kill": 40, "restart": 20, "pause": 15, "compact": 20, "vanish": 5}
"""What may be done to the node, and how often in proportion."""


async def mix_repeatedly(
    folder: Path, faults: int, seed: int, progress: Callable[[int, StreamsHistory], None] = lambda _done, _history: None
) -> Report:
    """Do `faults` things to a node under a mixed load; the report says what was violated."""
    rng = random.Random(seed)
    report, history = Report("mixed faults", seed, faults), StreamsHistory()
    groups = [GroupHistory(f"group-{number}") for number in range(GROUPS)]
    started = time.monotonic()
    async with GaterServer([STORE], data_dir=folder / "data") as node, gater.connect(node.url) as api:
        faulty = _Faults(node, api, report, history, rng)
        async with _load(api, history, groups, rng, report):
            for done in range(faults):
                await asyncio.sleep(rng.uniform(0.1, 0.6))
                await faulty.do_one()
                progress(done + 1, history)
        content = [event async for event in api.stream_all(STORE)]
        report.violations += stream_violations(history, content)
        for group in groups:
            parked = [entry.position for entry in await api.list_parked(STORE, group.name)]
            report.violations += group_violations(group, parked, content)
        report.violations += (await api.verify(STORE)).problems
        if (code := await asyncio.to_thread(node.stop)) != 0:
            report.violations.append(f"the node exited with {code} after SIGTERM")
    report.seconds = time.monotonic() - started
    report.events, report.errors_met = history.events, history.errors
    report.deliveries = sum(len(group.words) for group in groups)
    report.redeliveries = sum(group.redeliveries for group in groups)
    for operations in (history.operations, *(group.operations for group in groups)):
        for operation, count in operations.items():
            report.operations[operation] = report.operations.get(operation, 0) + count
    return report


@contextlib.asynccontextmanager
async def _load(
    api: gater.GaterApi, history: StreamsHistory, groups: list[GroupHistory], rng: random.Random, report: Report
) -> AsyncIterator[None]:
    """Write, follow and consume while the context lasts; leave it when every group has come to rest."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as writers, asyncio.TaskGroup() as consumers:
        follower = consumers.create_task(_follow(api, history))
        actors = [
            consumers.create_task(
                GroupActors(api, STORE, group, random.Random(rng.random()), history.errors).run(stopping)
            )
            for group in groups
        ]
        for number in range(WRITERS):
            writers.create_task(StreamWriter(api, STORE, number, history, random.Random(rng.random())).run(stopping))
        yield
        stopping.set()
        report.violations += [await _come_to_rest(api, group) for group in groups if not report.violations]
        await _followed_all(api, history)
        for task in (follower, *actors):
            task.cancel()
    report.violations = [violation for violation in report.violations if violation]


async def _follow(api: gater.GaterApi, history: StreamsHistory) -> None:
    """Follow the whole store; go on after the last event when the store was not to be had for a while."""
    while True:
        start_from = history.followed[-1][0] + 1 if history.followed else 0
        try:
            async with aclosing(api.subscribe(STORE, start_from=start_from)) as events:
                async for event in events:
                    history.followed.append((event.position, str(event.event_id)))
        except gater.StoreCorruptError as error:
            history.errors[error.code] = history.errors.get(error.code, 0) + 1
            await asyncio.sleep(0.05)


async def _followed_all(api: gater.GaterApi, history: StreamsHistory) -> None:
    """Wait until the subscriber has the last event that is visible."""
    last = await api.read_all(STORE, None, 1, "backward")
    async with asyncio.timeout(PATIENCE):
        while last and (not history.followed or history.followed[-1][0] < last[0].position):
            await asyncio.sleep(0.02)


async def _come_to_rest(api: gater.GaterApi, group: GroupHistory) -> str:
    """Wait until nothing of a group is left to deliver; what it is stuck at when that does not come."""
    info = None
    try:
        async with asyncio.timeout(PATIENCE):
            while info is None or info.lag or info.in_flight or info.retrying:
                await asyncio.sleep(0.05)
                info = None
                with contextlib.suppress(gater.NotFoundError):  # it was removed, and is about to be saved again
                    info = await api.get_subscription(STORE, group.name)
    except TimeoutError:
        return f"{group.name} never came to rest: {info}"
    return ""


class _Faults:
    """What is done to the node."""

    def __init__(
        self,
        node: GaterServer,
        api: gater.GaterApi,
        report: Report,
        history: StreamsHistory,
        rng: random.Random,
    ) -> None:
        self._node = node
        self._api = api
        self._report = report
        self._history = history
        self._rng = rng
        self._first = rng.sample(list(FAULTS), len(FAULTS))
        """The first of each kind, so that a short run has them all."""

    async def do_one(self) -> None:
        """Do one thing: each once, then what chance says; the node serves again afterwards."""
        if self._first:
            fault = self._first.pop()
        else:
            (fault,) = self._rng.choices(list(FAULTS), list(FAULTS.values()))
        self._report.killed[fault] = self._report.killed.get(fault, 0) + 1
        await getattr(self, f"_{fault}")()

    async def _kill(self) -> None:
        await asyncio.to_thread(self._node.kill)
        await self._start()

    async def _restart(self) -> None:
        if (code := await asyncio.to_thread(self._node.stop)) != 0:
            self._report.violations.append(f"the node exited with {code} after SIGTERM")
        await self._start()

    async def _start(self) -> None:
        started = time.monotonic()
        await asyncio.to_thread(self._node.start)
        self._report.recovery_seconds.append(time.monotonic() - started)

    async def _pause(self) -> None:
        os.kill(self._node.pid, signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        os.kill(self._node.pid, signal.SIGCONT)

    async def _compact(self) -> None:
        await persist(lambda: self._api.compact_store(STORE), self._history.errors, self._rng)

    async def _vanish(self) -> None:
        """Take the files of the store away under the running node: it refuses, then and after a start."""
        with _taken_away(self._node.data_dir, self._rng.choice(((".db",), (".db", ".db-wal", ".db-shm")))):
            if not await self._refuses():
                self._report.violations.append(f"the node took writes {VANISH_SECONDS} s after its files were gone")
            await asyncio.to_thread(self._node.kill)
            if await self._is_ready_without_files():
                self._report.violations.append("a node served an empty store in place of the one that is gone")
        await self._start()

    async def _refuses(self) -> bool:
        deadline = time.monotonic() + VANISH_SECONDS
        while time.monotonic() < deadline:
            try:
                await self._api.truncate_stream(STORE, "vanish-probe", 0)
            except gater.GaterError:
                return True
            await asyncio.sleep(0.05)
        return False

    async def _is_ready_without_files(self) -> bool:
        """Start the node without its files; returns whether it is ready all the same."""
        self._node.ready_seconds = UNREADY_SECONDS
        try:
            await asyncio.to_thread(self._node.start)
        except ServerError:
            return False
        finally:
            self._node.ready_seconds = READY_SECONDS
        await asyncio.to_thread(self._node.kill)
        return True


@contextlib.contextmanager
def _taken_away(folder: Path, endings: tuple[str, ...]) -> Iterator[None]:
    """The files of the store under other names while the context lasts; as they were after it."""
    moved = [(folder / f"{STORE}{ending}", folder.parent / f"{STORE}{ending}") for ending in endings]
    moved = [(path, place) for path, place in moved if path.exists()]
    for path, place in moved:
        path.rename(place)
    try:
        yield
    finally:
        for path, place in moved:
            place.rename(path)
