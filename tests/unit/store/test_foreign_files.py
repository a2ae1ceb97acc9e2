"""Files of other programs in a data folder are passed over and never changed; a failed making leaves no files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

import gater
from gater import NewEvent, StoreCorruptError, StoreNotFoundError, StoreUnavailableError
from gater.store import opening
from gater.store.file_guard import FileGuard


def make_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (number INTEGER)")
        connection.commit()


def make_logged_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE orders (number INTEGER)")


def make_marked_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 42")


def make_text(path: Path) -> None:
    path.write_text("no database")


KINDS: list[Callable[[Path], None]] = [
    make_database,
    make_logged_database,
    make_marked_database,
    make_text,
    Path.touch,
    Path.mkdir,
]
foreign = pytest.mark.parametrize("put", KINDS)


def content(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


@foreign
async def test_a_file_of_another_program_is_no_store(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "mine.db")
    before = content(tmp_path)
    async with gater.open(tmp_path) as api:
        assert await api.list_stores() == []
        with pytest.raises(StoreNotFoundError):
            await api.read_all("mine")
        with pytest.raises(StoreNotFoundError):
            await api.remove_store("mine")
        with pytest.raises(StoreCorruptError, match="not a store's file"):
            await api.create_store("mine")
    assert content(tmp_path) == before


@foreign
async def test_a_store_that_is_wanted_in_its_place_is_refused_and_the_others_are_served(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(tmp_path / "mine.db")
    before = content(tmp_path)
    async with gater.open(tmp_path, stores=["mine", "orders"]) as api:
        assert (await api.get_store_status("mine")).state == "corrupt"
        with pytest.raises(StoreCorruptError, match="not a store's file"):
            await api.remove_store("mine")
        await api.append_events("orders", "a", [NewEvent("T")])
        await api.remove_store("orders")
    assert content(tmp_path) == before


async def test_a_copy_of_a_store_by_an_illegal_name_is_passed_over(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["orders"]) as api:
        await api.backup("orders", tmp_path / "orders copy.db")
    async with gater.open(tmp_path) as api:
        assert [info.store.store_id for info in await api.list_stores()] == ["orders"]
    assert sorted(os.listdir(tmp_path)) == ["orders copy.db", "orders.db", "orders.lock", "orders.watermark"]


@pytest.mark.parametrize("place", [(opening, "create_content"), (FileGuard, "hold"), (FileGuard, "fill_log")])
async def test_a_making_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[object, str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise apsw.FullError("a test")

    async with gater.open(tmp_path) as api:
        with monkeypatch.context() as patch:
            patch.setattr(*place, fail)
            with pytest.raises(StoreUnavailableError):
                await api.create_store("orders")
        assert os.listdir(tmp_path) == []
        await api.create_store("orders")
        await api.append_events("orders", "a", [NewEvent("T")])
    async with gater.open(tmp_path) as api:
        assert await api.get_version("orders", "a") == 0
