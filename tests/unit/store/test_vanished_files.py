"""Files that are unlinked, moved or replaced under an open store: nothing is acknowledged into them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import gater
from gater import GaterApi, NewEvent, StoreCorruptError, StoreUnavailableError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.writer.PROBE_SECONDS", 0.02)
    monkeypatch.setattr("gater.monitoring.node_monitor.CHECK_SECONDS", 0.02)


async def append(api: GaterApi, count: int = 1) -> int:
    return (await api.append_events("s", "a", [NewEvent("T") for _ in range(count)])).position


async def in_state(api: GaterApi, state: str) -> str:
    """Wait until the store is in a state; the reason that it gives for it."""
    async with asyncio.timeout(10):
        while (await api.get_store_status("s")).state != state:
            await asyncio.sleep(0.005)
    return (await api.get_store_status("s")).reason


def damage(path: Path) -> None:
    path.write_bytes(b"")


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def move(path: Path) -> None:
    path.rename(path.with_name("moved"))


@pytest.mark.parametrize("how", [Path.unlink, replace])
@pytest.mark.parametrize("name", ["s.db", "s.db-wal"])
async def test_the_next_append_after_a_file_lost_its_name_is_not_acknowledged(
    tmp_path: Path, name: str, how: Callable[[Path], None]
) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api)
        how(tmp_path / name)
        with pytest.raises(StoreUnavailableError, match=f"{name} was removed, moved or replaced.*gater backup"):
            await append(api)
        status = await api.get_store_status("s")
        assert (status.state, name in status.reason) == ("read_only", True)
        with pytest.raises(StoreUnavailableError, match=name):
            await append(api)


@pytest.mark.parametrize(
    ("name", "how"),
    [(name, how) for name in ("s.db", "s.db-wal", "s.db-shm") for how in (Path.unlink, replace, move)],
)
async def test_a_store_without_writers_notices_it_as_well(
    tmp_path: Path, name: str, how: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        gater.open(tmp_path, stores=["s"]) as api,
        api.pubsub("alerts").subscribe("system_alerts:critical") as alerts,
    ):
        await append(api)
        how(tmp_path / name)
        async with asyncio.timeout(10):
            await anext(alerts)
        assert name in await in_state(api, "read_only")
        with pytest.raises(StoreUnavailableError, match=name):
            await append(api)
        assert not (await api.verify("s")).ok
        assert "the store refuses writes" in [record.message for record in caplog.records]


async def test_a_database_that_was_emptied_in_its_place_takes_no_more_writes(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api)
        os.truncate(tmp_path / "s.db", 0)
        async with asyncio.timeout(10):
            while (await api.get_store_status("s")).state == "running":
                await asyncio.sleep(0.005)
        with pytest.raises((StoreUnavailableError, StoreCorruptError)):
            await append(api)
    async with gater.open(tmp_path, stores=["s"]) as api:
        with pytest.raises(StoreCorruptError):
            await api.read_all("s")


async def test_a_file_that_comes_back_is_written_again(tmp_path: Path) -> None:
    async with gater.open(tmp_path / "data", stores=["s"]) as api:
        await append(api, 3)
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        await in_state(api, "read_only")
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        await in_state(api, "running")
        assert await append(api) == 4
    async with gater.open(tmp_path / "data") as api:
        assert len(await api.read_all("s")) == 4
        assert (await api.verify("s")).ok


@pytest.mark.parametrize("names", [("s.db",), ("s.db", "s.db-wal", "s.db-shm")])
async def test_a_store_whose_database_was_unlinked_can_still_be_read_and_backed_up(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        position = await append(api, 500)
        for name in names:
            (tmp_path / name).unlink()
        await in_state(api, "read_only")
        assert len(await api.read_all("s", 0, 1_000)) == position
        await api.backup("s", tmp_path / "copy")
    async with gater.open(tmp_path) as api:
        with pytest.raises(StoreCorruptError, match=r"s\.db is missing"):
            await api.read_all("s")
    (tmp_path / "s.db-wal").unlink(missing_ok=True)
    (tmp_path / "s.db-shm").unlink(missing_ok=True)
    (tmp_path / "copy").rename(tmp_path / "s.db")
    async with gater.open(tmp_path) as api:
        assert len(await api.read_all("s", 0, 1_000)) == position
        assert (await api.verify("s")).ok


async def test_a_log_that_was_unlinked_is_saved_into_the_database(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        position = await append(api, 500)
        (tmp_path / "s.db-wal").unlink()
        await in_state(api, "read_only")
    async with gater.open(tmp_path) as api:
        assert len(await api.read_all("s", 0, 1_000)) == position
        assert (await api.verify("s")).ok
        assert await append(api) == position + 1


async def test_a_file_that_was_put_in_the_place_of_the_open_one_is_left_alone(tmp_path: Path) -> None:
    async with gater.open(tmp_path / "other", stores=["s"]) as api:
        await append(api, 7)
    async with gater.open(tmp_path / "data", stores=["s"]) as api:
        await append(api)
        (tmp_path / "other" / "s.db").replace(tmp_path / "data" / "s.db")
        (tmp_path / "data" / "s.db-wal").unlink()
        (tmp_path / "data" / "s.db-wal").write_bytes(b"a log of its own")
        before = (tmp_path / "data" / "s.db").read_bytes()
        await in_state(api, "read_only")
    assert (tmp_path / "data" / "s.db").read_bytes() == before
    assert (tmp_path / "data" / "s.db-wal").read_bytes() == b"a log of its own"
    async with gater.open(tmp_path / "data") as api:
        with pytest.raises(StoreCorruptError, match="not the file that was here"):
            await api.read_all("s")


async def test_a_removed_store_whose_files_have_vanished_is_gone(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api)
        (tmp_path / "s.db").unlink()
        await in_state(api, "read_only")
        await api.remove_store("s")
        assert os.listdir(tmp_path) == []
        await api.create_store("s")
        assert await append(api) == 1


@pytest.mark.parametrize("how", [Path.unlink, move, replace, damage])
async def test_a_watermark_that_is_gone_is_written_anew(
    tmp_path: Path, how: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "s.watermark"
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api)
        before = mark.read_bytes()
        inode = os.stat(mark).st_ino
        how(mark)
        async with asyncio.timeout(10):
            while not caplog.records:
                await asyncio.sleep(0.005)
        assert mark.read_bytes() == before
        assert (os.stat(mark).st_ino == inode) == (how is damage)
        await append(api)
        assert mark.read_bytes() != before
        assert (await api.get_store_status("s")).reason == ""
    assert [record.message for record in caplog.records] == ["the watermark was gone, and is written anew"]
    async with gater.open(tmp_path) as api:
        assert await api.get_version("s", "a") == 1


async def test_a_watermark_that_cannot_be_written_anew_is_told_with_the_status(tmp_path: Path) -> None:
    mark = tmp_path / "s.watermark"
    async with gater.open(tmp_path, stores=["s"]) as api:
        await append(api)
        mark.unlink()
        mark.mkdir()
        status = await api.get_store_status("s")
        assert status.state == "running"
        assert "the watermark cannot be written" in status.reason
        mark.rmdir()
        assert (await api.get_store_status("s")).reason == ""
        assert mark.is_file()
