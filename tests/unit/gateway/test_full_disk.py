"""A disk without room: what is refused, what is served all the same, and how it ends. In process, on a real disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

import gater
from gater import GaterApi, NewEvent, StoreUnavailableError
from gater.api.pubsub_operations import PubSubMessage
from gater.messages.broadcast import current_messenger
from gater.messages.payloads.alerts import SystemAlert
from gater.messages.payloads.health import ComponentHealth
from gater.messages.payloads.lifecycle import ProcessLifecycle
from gater.messages.records import Record

DISK_BYTES = 24 << 20


class SmallDisk:
    """A disk whose free space can be taken and given back."""

    def __init__(self, path: Path) -> None:
        self.data = path / "data"
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Leave no room, not for a byte."""
        with self._ballast.open("ab", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.writer.PROBE_SECONDS", 0.05)


def large(count: int = 5) -> list[NewEvent]:
    return [NewEvent("T", bytes(100_000)) for _ in range(count)]


async def until_refused(api: GaterApi, write: Callable[[], Awaitable[object]]) -> int:
    """Write until the disk refuses; the writes that were taken."""
    for taken in range(1_000):
        (outcome,) = await asyncio.gather(write(), return_exceptions=True)
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, StoreUnavailableError), repr(outcome)
            assert (outcome.store, "disk" in outcome.reason) == ("s", True)
            return taken
    raise AssertionError("the disk took everything")


async def until_running(api: GaterApi) -> None:
    async with asyncio.timeout(20):
        while (await api.get_store_status("s")).state != "running":
            await asyncio.sleep(0.01)


async def test_writes_are_refused_and_reads_are_served_until_there_is_room(disk: SmallDisk) -> None:
    async with gater.open(disk.data, stores=["s"]) as api:
        await api.append_events("s", "a", large(3))
        disk.fill()
        taken = await until_refused(api, lambda: api.append_events("s", "a", large()))
        version = 2 + 5 * taken
        status = await api.get_store_status("s")
        assert (status.state, status.position) == ("read_only", version + 1)
        for call in (
            lambda: api.append_events("s", "b", large(1)),
            lambda: api.record_snapshot("s", "x", "y", 1, {"data": 1}),
            lambda: api.delete_stream("s", "a"),
            lambda: api.truncate_stream("s", "a", 1),
        ):
            with pytest.raises(StoreUnavailableError):
                await call()
        assert [event.version async for event in api.stream_forward("s", "a")] == list(range(version + 1))
        async with aclosing(api.subscribe("s")) as events:
            assert [(await anext(events)).version for _ in range(version + 1)] == list(range(version + 1))
            assert (await api.verify("s")).ok
            disk.free()
            await until_running(api)
            result = await api.append_events("s", "a", large(1), version)
            assert result.version == version + 1
            assert (await anext(events)).version == version + 1
        assert (await api.verify("s")).ok
    async with gater.open(disk.data) as api:
        assert await api.get_version("s", "a") == version + 1


async def test_a_refused_append_can_be_repeated_when_there_is_room(disk: SmallDisk) -> None:
    async with gater.open(disk.data, stores=["s"]) as api:
        disk.fill()
        await until_refused(api, lambda: api.append_events("s", "other", large()))
        appends = [large(2) for _ in range(5)]
        outcomes = await asyncio.gather(*[api.append_events("s", "a", e) for e in appends], return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
        disk.free()
        await until_running(api)
        results = [await api.append_events("s", "a", events) for events in appends]
        assert [result.version for result in results] == [1, 3, 5, 7, 9]
        assert [event.event_id for event in await api.get_events("s", "a")] == [
            e.event_id for es in appends for e in es
        ]


async def test_no_store_and_no_backup_is_made_without_room(disk: SmallDisk, tmp_path: Path) -> None:
    async with gater.open(disk.data, stores=["s"]) as api:
        await api.append_events("s", "a", large(5))
        disk.fill()
        with pytest.raises(gater.GaterError) as caught:
            await api.create_store("t")
        assert caught.value.code == "store_unavailable"
        with pytest.raises(gater.GaterError) as caught:
            await api.backup("s", tmp_path / "copy.db")
        assert caught.value.code == "store_unavailable"
        assert [info.store.store_id for info in await api.list_stores()] == ["s"]
        disk.free()
        await api.create_store("t")
        await api.append_events("t", "a", large(1))
        assert await api.backup("s", tmp_path / "copy.db") > 500_000
        await until_running(api)
    assert [name for name in os.listdir(disk.data) if name.startswith(".")] == []


async def test_opening_without_any_room_is_refused_and_harms_nothing(disk: SmallDisk) -> None:
    async with gater.open(disk.data, stores=["s"]) as api:
        await api.append_events("s", "a", large(10))
    disk.fill()
    for _ in range(3):
        with pytest.raises(StoreUnavailableError) as caught:
            async with gater.open(disk.data):
                raise AssertionError("opened without room")
        assert caught.value.store == "s"
    disk.free()
    async with gater.open(disk.data) as api:
        assert await api.get_version("s", "a") == 9
        assert (await api.verify("s")).ok
        await api.append_events("s", "a", large(1), 9)


async def test_closing_and_opening_while_the_disk_is_full_loses_nothing(disk: SmallDisk) -> None:
    written = 0
    for round_ in range(3):
        async with gater.open(disk.data, stores=["s"]) as api:
            assert await api.get_version("s", "a") == written - 1
            disk.fill()
            written += 5 * await until_refused(api, lambda: api.append_events("s", "a", large()))
        async with gater.open(disk.data) as api:
            assert await api.get_version("s", "a") == written - 1
            assert (await api.verify("s")).ok, round_
        disk.free()


async def test_a_store_that_takes_no_writes_is_told_and_so_is_its_recovery(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gater.monitoring.node_monitor.CHECK_SECONDS", 0.05)
    async with gater.open(disk.data, stores=["s"]) as api, AsyncExitStack() as stack:
        alerts, parts, processes = [
            await stack.enter_async_context(api.pubsub(instance).subscribe(topic))
            for instance, topic in (
                ("alerts", "system_alerts:critical"),
                ("health", "process_health:s"),
                ("lifecycle", "process_lifecycle:stores"),
            )
        ]
        disk.fill()
        await until_refused(api, lambda: api.append_events("s", "a", large()))
        alert, broken, crashed = [open_message(await anext(told)) for told in (alerts, parts, processes)]
        # Refused calls are alerts, too.
        while isinstance(alert, SystemAlert) and alert.category != "data":
            alert = open_message(await anext(alerts))
        assert isinstance(alert, SystemAlert)
        assert (alert.severity, alert.title, alert.source) == ("critical", "store s takes no writes", "s")
        assert "disk" in alert.description
        assert isinstance(broken, ComponentHealth)
        assert (broken.component, broken.status, "disk" in broken.details["reason"]) == ("s", "unhealthy", True)
        assert isinstance(crashed, ProcessLifecycle)
        assert (crashed.name, crashed.event) == ("s", "crashed")
        disk.free()
        sound, restarted = [open_message(await anext(told)) for told in (parts, processes)]
        assert isinstance(sound, ComponentHealth)
        assert (sound.status, sound.details["recovered_from"]) == ("healthy", broken.details["reason"])
        assert isinstance(restarted, ProcessLifecycle)
        assert restarted.event == "restarted"
        await api.append_events("s", "a", large(1))


def open_message(message: PubSubMessage) -> Record:
    return current_messenger().open(message.body)
