"""A store whose files are missing, or are not those that were there, is told of and never replaced by an empty one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gater
from gater import NewEvent, StoreCorruptError, StoreNotFoundError
from gater.model.limits import Limits
from gater.store.opening import StoreFiles
from gater.store.store import new_config, open_file_store
from gater.store.store_files import REMOVED, stores_in

EVENTS = 5
WRITE_AND_DIE = """
import asyncio, os, signal, sys, gater
async def main():
    async with gater.open(sys.argv[1], stores=["s"]) as api:
        for number in range(int(sys.argv[2])):
            await api.append_events("s", "a", [gater.NewEvent("T", {"number": number})])
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def make(folder: Path, events: int = EVENTS, store: str = "s") -> None:
    async with gater.open(folder, stores=[store]) as api:
        for number in range(events):
            await api.append_events(store, "a", [NewEvent("T", {"number": number})])


def make_and_die(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(folder), str(EVENTS)], check=False)
    assert (folder / "s.db-wal").stat().st_size > 0


async def read(folder: Path, store: str = "s") -> list[int]:
    async with gater.open(folder) as api:
        return [event.data["number"] for event in await api.read_all(store)]


async def is_refused(folder: Path, store: str = "s") -> str:
    """The reason that a store of that name is neither served nor made, whichever way that is tried."""
    reasons = set()
    async with gater.open(folder, stores=[store, "other"]) as api:
        assert (await api.get_store_status(store)).state == "corrupt"
        assert [info.store.status for info in await api.list_stores()] == ["active", "corrupt"]
        for call in (
            lambda: api.append_events(store, "a", [NewEvent("T")]),
            lambda: api.read_all(store),
            lambda: api.create_store(store),
        ):
            with pytest.raises(StoreCorruptError) as caught:
                await call()
            reasons.add(str(caught.value.reason))
        await api.append_events("other", "a", [NewEvent("T")])
    with pytest.raises(StoreCorruptError) as caught:
        await open_file_store(folder, store, Limits(), new_config(store, folder, memory=False))
    reasons.add(str(caught.value.reason))
    (reason,) = reasons
    assert not (folder / f"{store}.db").exists()
    return reason


@pytest.mark.parametrize("left", [("s.watermark",), ("s.lock",), ("s.watermark", "s.lock")])
async def test_a_missing_database_is_told_and_not_replaced(
    tmp_path: Path, left: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    await make(tmp_path)
    (tmp_path / "s.db").rename(tmp_path / "aside")
    for name in {"s.watermark", "s.lock"} - set(left):
        (tmp_path / name).unlink()
    reason = await is_refused(tmp_path)
    assert "s.db is missing" in reason
    assert all(name in reason for name in left)
    assert "a store cannot be opened" in [record.message for record in caplog.records]
    (tmp_path / "aside").rename(tmp_path / "s.db")
    assert await read(tmp_path) == list(range(EVENTS))


@pytest.mark.parametrize("left", [("s.db-wal",), ("s.db-shm",), ("s.db-wal", "s.db-shm", "s.watermark", "s.lock")])
async def test_a_log_without_its_database_is_told_and_kept(tmp_path: Path, left: tuple[str, ...]) -> None:
    make_and_die(tmp_path)
    (tmp_path / "aside").mkdir()
    aside = [name for name in os.listdir(tmp_path) if name not in (*left, "aside")]
    for name in aside:
        (tmp_path / name).rename(tmp_path / "aside" / name)
    before = {name: (tmp_path / name).read_bytes() for name in left if "db" in name}
    reason = await is_refused(tmp_path)
    assert all(name in reason for name in left)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    for name in aside:
        (tmp_path / "aside" / name).replace(tmp_path / name)
    assert await read(tmp_path) == list(range(EVENTS))


async def test_a_store_without_events_is_missed_too(tmp_path: Path) -> None:
    await make(tmp_path, 0)
    (tmp_path / "s.db").unlink()
    assert "s.watermark" in await is_refused(tmp_path)


async def test_a_missing_store_can_be_removed_and_made_anew(tmp_path: Path) -> None:
    await make(tmp_path)
    (tmp_path / "s.db").unlink()
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.remove_store("s")
        assert os.listdir(tmp_path) == []
        await api.create_store("s")
        assert await api.read_all("s") == []
    assert await read(tmp_path) == []


async def test_a_missing_store_can_be_restored_from_a_backup(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "a", [NewEvent("T", {"number": 0})])
        await api.backup("s", tmp_path / "copy")
    (tmp_path / "s.db").unlink()
    shutil.copy(tmp_path / "copy", tmp_path / "s.db")
    assert await read(tmp_path) == [0]


async def test_files_of_which_none_is_left_leave_the_name_free(tmp_path: Path) -> None:
    await make(tmp_path)
    for name in os.listdir(tmp_path):
        (tmp_path / name).unlink()
    await make(tmp_path, 1)
    assert await read(tmp_path) == [0]


@pytest.mark.parametrize("left", ["s.lock", "s.watermark"])
async def test_a_making_that_was_cut_short_before_the_file_was_there_is_made_again(tmp_path: Path, left: str) -> None:
    (tmp_path / left).touch()
    async with gater.open(tmp_path) as api:
        assert await api.list_stores() == []
        await api.create_store("s")


@pytest.mark.parametrize("gone", [(), ("s.db",), ("s.db", "s.db-wal", "s.db-shm", "s.watermark")])
async def test_a_removal_that_was_cut_short_is_finished(tmp_path: Path, gone: tuple[str, ...]) -> None:
    make_and_die(tmp_path)
    for name in gone:
        (tmp_path / name).unlink()
    (tmp_path / "s.lock").write_bytes(REMOVED)
    async with gater.open(tmp_path) as api:
        assert await api.list_stores() == []
        assert set(os.listdir(tmp_path)) <= {"s.lock"}
        with pytest.raises(StoreNotFoundError):
            await api.read_all("s")
        await api.create_store("s")
        assert await api.read_all("s") == []
    assert await read(tmp_path) == []


async def test_the_file_of_another_store_is_not_taken_for_the_one_that_was_here(tmp_path: Path) -> None:
    await make(tmp_path, 3, "one")
    await make(tmp_path, 9, "two")
    shutil.copy(tmp_path / "two.db", tmp_path / "one.db")
    async with gater.open(tmp_path) as api:
        with pytest.raises(StoreCorruptError, match=r"one\.db is not the file that was here.*one\.watermark"):
            await api.read_all("one")
        assert len(await api.read_all("two")) == 9
    (tmp_path / "one.watermark").unlink()
    assert len(await read(tmp_path, "one")) == 9


async def test_a_copy_that_went_its_own_way_is_not_taken_for_its_original(tmp_path: Path) -> None:
    await make(tmp_path)
    shutil.copy(tmp_path / "s.db", tmp_path / "t.db")
    await make(tmp_path, 10, "t")
    assert len(await read(tmp_path, "t")) == EVENTS + 10
    shutil.copy(tmp_path / "t.db", tmp_path / "s.db")
    with pytest.raises(StoreCorruptError, match="not the file that was here"):
        await read(tmp_path)


async def test_a_refused_file_is_left_without_a_log_that_would_meet_its_successor(tmp_path: Path) -> None:
    await make(tmp_path, 3, "one")
    await make(tmp_path, 9, "two")
    shutil.copy(tmp_path / "two.db", tmp_path / "one.db")
    async with gater.open(tmp_path) as api:
        with pytest.raises(StoreCorruptError):
            await api.read_all("one")
        left = {name for name in os.listdir(tmp_path) if name.startswith("one")}
        assert left == {"one.db", "one.lock", "one.watermark"}


async def test_names_are_found_by_whatever_is_left_of_a_store(tmp_path: Path) -> None:
    for name in ("editor.lock", "x.watermark", "-.db-wal", ".db-wal"):
        (tmp_path / name).write_bytes(b"of another program")
    await make(tmp_path / "made", 1, "a.b")
    for name in ("watermark", "lock"):
        shutil.copy(tmp_path / "made" / f"a.b.{name}", tmp_path)
    assert stores_in(tmp_path) == ["a.b"]
    assert StoreFiles(tmp_path, "a.b").remains() == ["a.b.watermark", "a.b.lock"]
    assert stores_in(tmp_path / "none") == []
