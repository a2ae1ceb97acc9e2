"""Files of stores are checked without being changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import gater
from gater import StoreNotFoundError, StoreUnavailableError
from gater.store.checking import check_at_rest
from tests.unit.store.test_migrations import copied


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def filled(folder: Path) -> None:
    async with gater.open(folder, stores=["s"]) as api:
        for number in range(20):
            await api.append_events("s", f"a-{number % 3}", [gater.NewEvent("T", number)])


@pytest.mark.parametrize("schema", [1, 2])
def test_a_file_of_an_earlier_schema_stays_as_it_is(tmp_path: Path, schema: int) -> None:
    before = contents(copied(schema, tmp_path))
    report = check_at_rest(tmp_path, "s")
    assert (report.ok, report.events) == (True, 5)
    assert contents(tmp_path) == before


async def test_files_stay_as_they_are(tmp_path: Path) -> None:
    await filled(tmp_path)
    before = contents(tmp_path)
    report = check_at_rest(tmp_path, "s")
    assert (report.ok, report.events, report.streams, report.position) == (True, 20, 3, 20)
    assert contents(tmp_path) == before


async def test_damage_is_told_and_left(tmp_path: Path) -> None:
    await filled(tmp_path)
    database = bytearray((tmp_path / "s.db").read_bytes())
    database[len(database) // 2] ^= 255
    (tmp_path / "s.db").write_bytes(database)
    before = contents(tmp_path)
    assert not check_at_rest(tmp_path, "s").ok
    assert contents(tmp_path) == before


async def test_missing_writes_are_told(tmp_path: Path) -> None:
    await filled(tmp_path)
    older = (tmp_path / "s.db").read_bytes()
    await filled(tmp_path)
    (tmp_path / "s.db").write_bytes(older)
    (problem,) = check_at_rest(tmp_path, "s").problems
    assert problem.startswith("acknowledged writes are missing")


async def test_an_open_store_is_not_checked_behind_its_back(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=["s"]):
        with pytest.raises(StoreUnavailableError):
            check_at_rest(tmp_path, "s")
    with pytest.raises(StoreNotFoundError):
        check_at_rest(tmp_path, "t")
