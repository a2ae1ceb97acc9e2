"""Making and opening the files of a store: one process at a time, every damage met, older schemas brought up."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import gater
from gater.model.errors import (
    AlreadyExistsError,
    GaterError,
    IntegrityError,
    MisconfiguredError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreUnavailableError,
)
from gater.model.limits import Limits
from gater.store import opening
from gater.store.connection import open_file
from gater.store.store import Store, new_config, open_file_store
from gater.store.watermark import Watermark

HOLD = """
import asyncio, sys, gater
async def main():
    async with gater.open(sys.argv[1], stores=["s"]) as api:
        await api.append_events("s", "a", [gater.NewEvent("T")])
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


async def make(folder: Path, events: int = 3) -> None:
    async with gater.open(folder, stores=["s"]) as api:
        for number in range(events):
            await api.append_events("s", f"a-{number % 3}", [gater.NewEvent("T", {"number": number})])


async def opened(folder: Path, store: str = "s") -> Store:
    return await open_file_store(folder, store, Limits())


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.stdin.close()


async def test_a_second_process_is_refused_until_the_first_is_gone(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    for _ in range(2):
        with pytest.raises(StoreUnavailableError) as caught:
            async with gater.open(tmp_path):
                raise AssertionError("opened twice")
        assert caught.value.store == "s"
        assert caught.value.reason == "another process has it open"
        assert caught.value.details["path"] == str(tmp_path / "s.db")
    holder.kill()
    holder.wait()
    async with gater.open(tmp_path) as api:
        assert await api.get_version("s", "a") == 0


async def test_a_store_is_open_once_in_a_process_too(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]):
        with pytest.raises(StoreUnavailableError):
            async with gater.open(tmp_path):
                raise AssertionError("opened twice")
    async with gater.open(tmp_path) as api:
        assert [info.store.store_id for info in await api.list_stores()] == ["s"]


async def test_what_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    await make(tmp_path / "held")
    await make(tmp_path / "damaged")
    with (tmp_path / "damaged" / "s.db").open("r+b") as file:
        file.truncate(5_000)
    holding = await opened(tmp_path / "held")
    counts = []
    for _ in range(20):
        counts.append(len(os.listdir("/proc/self/fd")))
        for folder, kind in (
            ("held", StoreUnavailableError),
            ("damaged", StoreCorruptError),
            ("none", StoreNotFoundError),
        ):
            with pytest.raises(kind):
                await opened(tmp_path / folder)
    assert counts[-1] <= counts[5]
    await holding.close()


async def test_closed_stores_leave_no_file_open(tmp_path: Path) -> None:
    await make(tmp_path)
    counts = []
    for _ in range(15):
        await (await opened(tmp_path)).close()
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[-1] <= counts[5]


async def test_a_cleanly_closed_store_is_one_file_that_can_be_copied(tmp_path: Path) -> None:
    await make(tmp_path)
    assert not (tmp_path / "s.db-wal").exists()
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "s.db", tmp_path / "other" / "renamed.db")
    async with gater.open(tmp_path / "other") as api:
        assert len(await api.read_all("renamed")) == 3
        assert (await api.get_store_config("renamed")).store_id == "renamed"


async def test_a_file_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    await make(tmp_path)
    connection = open_file(tmp_path / "s.db", cache_kib=100)
    connection.pragma("user_version", opening.SCHEMA_VERSION + 1)
    connection.close()
    with pytest.raises(MisconfiguredError, match="newer Gater") as caught:
        await opened(tmp_path)
    assert caught.value.setting == "data_dir"


async def test_a_file_from_before_subscriptions_gets_them(tmp_path: Path) -> None:
    await make(tmp_path, 7)
    connection = open_file(tmp_path / "s.db", cache_kib=100)
    with connection:
        connection.execute("DROP TABLE subscriptions; DROP TABLE parked")
        connection.pragma("user_version", 1)
    connection.close()
    async with gater.open(tmp_path) as api:
        assert [event.data["number"] for event in await api.read_all("s")] == list(range(7))
        assert await api.get_subscriptions("s") == []
        await api.save_subscription("s", name="billing", start_from=3)
        (delivery, *_) = await api.pull_events("s", "billing")
        await delivery.nack("park", reason="bad")
    async with gater.open(tmp_path) as api:
        assert [parked.position for parked in await api.list_parked("s", "billing")] == [3]
        assert (await api.verify("s")).ok
    store = await opened(tmp_path)
    assert store.reader._connection.pragma("user_version") == opening.SCHEMA_VERSION
    await store.close()


async def test_a_file_of_an_older_schema_is_brought_up_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(tmp_path)
    version = opening.SCHEMA_VERSION
    steps = []

    def add_colour(connection: apsw.Connection) -> None:
        steps.append(connection.pragma("user_version"))
        connection.execute("CREATE TABLE colours (name TEXT)")

    def fill_colour(connection: apsw.Connection) -> None:
        steps.append(connection.pragma("user_version"))
        connection.execute("INSERT INTO colours VALUES ('red')")

    monkeypatch.setattr(opening, "SCHEMA_VERSION", version + 2)
    monkeypatch.setattr(opening, "MIGRATIONS", {version: add_colour, version + 1: fill_colour})
    for _ in range(2):
        store = await opened(tmp_path)
        assert len(store.reader.read_all(0, 10, 10).events) == 3
        await store.close()
    assert steps == [version, version + 1]
    connection = open_file(tmp_path / "s.db", cache_kib=100)
    assert connection.pragma("user_version") == version + 2
    assert connection.execute("SELECT name FROM colours").fetchall() == [("red",)]
    connection.close()


async def test_a_migration_that_fails_changes_nothing_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(tmp_path)
    version = opening.SCHEMA_VERSION

    def fail(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE colours (name TEXT)")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    with monkeypatch.context() as patch:
        patch.setattr(opening, "SCHEMA_VERSION", version + 1)
        patch.setattr(opening, "MIGRATIONS", {version: fail})
        with pytest.raises(GaterError):
            await opened(tmp_path)
    store = await opened(tmp_path)
    assert len(store.reader.read_all(0, 10, 10).events) == 3
    await store.close()
    connection = open_file(tmp_path / "s.db", cache_kib=100)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'colours'").fetchall() == [(0,)]
    connection.close()


@pytest.mark.parametrize("kind", ["text", "zeros", "another database"])
async def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s.db"
    if kind == "another database":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE mine (x)")
        other.commit()
        other.close()
    else:
        path.write_bytes(b"this is no database " * 500 if kind == "text" else bytes(8_192))
    before = path.read_bytes()
    async with gater.open(tmp_path, stores=["s", "fine"]) as api:
        with pytest.raises(StoreCorruptError):
            await api.get_version("s", "a")
        with pytest.raises(AlreadyExistsError):
            await api.create_store("s")
        assert await api.get_version("fine", "a") == -1
    assert path.read_bytes() == before


async def test_a_store_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    """The process died after the file was there and before anything was in it: nobody was told of a store."""
    for left_behind in ("nothing", "a header"):
        folder = tmp_path / left_behind
        folder.mkdir()
        path = folder / "s.db"
        path.touch()
        (folder / "s.lock").touch()
        if left_behind == "a header":
            connection = open_file(path, create=True, cache_kib=100)
            connection.pragma("auto_vacuum", "incremental")
            connection.close()
            assert path.stat().st_size > 0
        async with gater.open(folder) as api:
            assert await api.list_stores() == []
            with pytest.raises(StoreNotFoundError):
                await api.get_version("s", "a")
            await api.create_store("s")
            await api.append_events("s", "a", [gater.NewEvent("T")])
        async with gater.open(folder, stores=["s"]) as api:
            assert await api.get_version("s", "a") == 0


async def test_an_emptied_file_is_damage_and_not_a_new_store(tmp_path: Path) -> None:
    await make(tmp_path)
    (tmp_path / "s.db").write_bytes(b"")
    async with gater.open(tmp_path, stores=["s"]) as api:
        with pytest.raises(StoreCorruptError):
            await api.get_version("s", "a-0")
        with pytest.raises(AlreadyExistsError):
            await api.create_store("s")


async def test_a_store_put_in_the_folder_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    await make(tmp_path / "one")
    async with gater.open(tmp_path / "two") as api:
        (tmp_path / "two").mkdir(exist_ok=True)
        for name in ("s.db", "s.watermark"):
            shutil.copy(tmp_path / "one" / name, tmp_path / "two" / name)
        with pytest.raises(AlreadyExistsError):
            await api.create_store("s")
    async with gater.open(tmp_path / "two") as api:
        assert len(await api.read_all("s")) == 3


async def test_an_older_file_under_a_newer_watermark_is_damage(tmp_path: Path) -> None:
    await make(tmp_path)
    shutil.copy(tmp_path / "s.db", tmp_path / "older")
    await make(tmp_path)
    shutil.copy(tmp_path / "older", tmp_path / "s.db")
    with pytest.raises(StoreCorruptError, match=r"acknowledged writes are missing.*s\.watermark"):
        await opened(tmp_path)
    (tmp_path / "s.watermark").unlink()
    store = await opened(tmp_path)
    assert store.tail.position == 3
    await store.close()


async def test_a_watermark_that_is_behind_or_damaged_harms_nothing(tmp_path: Path) -> None:
    await make(tmp_path)
    for damage in (b"", b"garbage", bytes(20), os.urandom(500)):
        (tmp_path / "s.watermark").write_bytes(damage)
        store = await opened(tmp_path)
        assert store.tail.position == 3
        await store.close()
        (tmp_path / "s.watermark").unlink()
    watermark = Watermark(tmp_path / "s.watermark")
    watermark.write(1)
    watermark.close()
    await (await opened(tmp_path)).close()


@pytest.mark.timeout(240)
async def test_every_flipped_bit_of_the_header_is_met(tmp_path: Path) -> None:
    """The first hundred bytes say how all others are read: whatever they become, nothing wrong is served."""
    await make(tmp_path / "sound", 60)
    sound = (tmp_path / "sound" / "s.db").read_bytes()
    for bit in range(100 * 8):
        folder = tmp_path / "damaged"
        folder.mkdir()
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        (folder / "s.db").write_bytes(damaged)
        assert await is_met(folder), f"byte {bit // 8}, bit {bit % 8}"
        shutil.rmtree(folder)


async def is_met(folder: Path) -> bool:
    """Whether damage is told of; AssertionError when something wrong is served."""
    try:
        async with gater.open(folder) as api:
            events = await api.read_all("s", 0, 1_000)
            assert [event.data["number"] for event in events] == list(range(60))
            return not (await api.verify("s")).ok
    except (IntegrityError, StoreNotFoundError, MisconfiguredError):
        return True


async def test_a_write_ahead_log_of_another_file_is_met_or_left_out(tmp_path: Path) -> None:
    """An older copy of the file under the log of a killed process: pages of two times, each of them sound."""
    rng = random.Random(5)
    await make(tmp_path / "store", 40)
    older = (tmp_path / "store" / "s.db").read_bytes()
    for _ in range(5):
        await make(tmp_path / "store", rng.randrange(20, 200))
    await asyncio.to_thread(write_and_die, tmp_path / "store")
    assert (tmp_path / "store" / "s.db-wal").stat().st_size > 0
    (tmp_path / "store" / "s.db").write_bytes(older)
    async with gater.open(tmp_path / "store") as api:
        with pytest.raises(StoreCorruptError):
            await api.read_all("s")


def write_and_die(folder: Path) -> None:
    """Write in another process, which is killed then: the log stays."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        process.kill()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GaterError):
        async with gater.open(tmp_path / "file" / "data", stores=["s"]):
            raise AssertionError("opened in a file")


async def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "s.db").mkdir()
    with pytest.raises(StoreCorruptError, match=r"s\.db is not a store's file"):
        await opened(tmp_path)


async def test_what_a_removed_store_leaves_behind_is_nothing(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]) as api:
        await api.append_events("s", "a", [gater.NewEvent("T")])
        await api.remove_store("s")
        assert os.listdir(tmp_path) == []


async def test_a_damaged_store_can_be_removed(tmp_path: Path) -> None:
    await make(tmp_path)
    (tmp_path / "s.db").write_bytes(b"damaged " * 1_000)
    async with gater.open(tmp_path) as api:
        assert (await api.get_store_status("s")).state == "corrupt"
        await api.remove_store("s")
        await api.create_store("s")
        assert await api.read_all("s") == []


def test_making_a_store_in_memory_takes_its_config() -> None:
    config = new_config("s", Path("/data"), memory=True, description="d", tags=("t",))
    assert (config.db_type, config.data_dir, config.store_description, config.tags) == ("memory", "", "d", ("t",))
    assert new_config("s", Path("/data"), memory=False).data_dir == "/data"
