"""A disk that is full: clear refusals, reads as before, nothing acknowledged lost, and recovery by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import gater
from gater.testing.server import GaterServer
from tests.torture.checker import violations
from tests.torture.history import Acknowledged, History

STORE = "torture"
DISK_BYTES = 48 << 20
BALLAST_BYTES = 24 << 20
"""More than the write-ahead log may hold: its pages need room in the file before it is used from its beginning."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.torture
@pytest.mark.timeout(180)
async def test_a_full_disk_refuses_writes_and_recovers(small_disk: Path) -> None:
    history = History()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    async with GaterServer([STORE], data_dir=small_disk / "data") as node, gater.connect(node.url) as api:
        refusal = await _append_until_refused(api, history)
        assert isinstance(refusal, gater.StoreUnavailableError)
        status = await api.get_store_status(STORE)
        assert (status.state, status.position >= history.events) == ("read_only", True)
        assert len(await api.get_events(STORE, "stream-0")) > 0
        ballast.unlink()
        await _append_when_recovered(api, history)
        assert (await api.get_store_status(STORE)).state == "running"
        content = [event async for event in api.stream_all(STORE)]
        assert violations(history, content) == []
        assert (await api.verify(STORE)).problems == ()
        assert await asyncio.to_thread(node.stop) == 0


async def _append(api: gater.GaterApi, history: History, number: int) -> None:
    stream_id = f"stream-{number % 5}"
    events = [gater.NewEvent("Filled", {"text": "x" * 20_000}) for _ in range(5)]
    ids = tuple(str(event.event_id) for event in events)
    history.attempted.update(dict.fromkeys(ids, stream_id))
    result = await api.append_events(STORE, stream_id, events)
    history.acknowledged.append(Acknowledged(stream_id, ids, result.version, result.position))


async def _append_until_refused(api: gater.GaterApi, history: History) -> gater.GaterError:
    for number in range(2 * DISK_BYTES // 100_000):
        try:
            await _append(api, history, number)
        except gater.GaterError as refusal:
            return refusal
    raise AssertionError("the disk was never full")


async def _append_when_recovered(api: gater.GaterApi, history: History) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await _append(api, history, 0)
            except gater.StoreUnavailableError:
                await asyncio.sleep(0.1)
