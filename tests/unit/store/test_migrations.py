"""Files that older versions wrote are brought up when they are opened, whole or not at all."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import NotFoundError

FILES = Path(__file__).parent / "files"
PULLED = [(1, 1795844598459915), (2, 1795844598459916), (3, 1795844598459917)]
"""Positions and receipts that were delivered of the file of schema 2, of which the first was acknowledged."""
KILLED_AT_STATEMENT = """
import asyncio, os, sys
from pathlib import Path
from gater.model.limits import Limits
from gater.store import migrations
from gater.store.store import open_file_store

statements = migrations._RUNS_OF_3.split(";")
migrations._RUNS_OF_3 = ";".join(statements[: int(sys.argv[2])])

def die(connection):
    connection.execute(migrations._RUNS_OF_3, {"1": migrations.AFTER_CLOCKS})
    os._exit(9)

from gater.store import opening
opening.MIGRATIONS[2] = die
asyncio.run(open_file_store(Path(sys.argv[1]), "s", Limits()))
"""


def copied(schema: int, folder: Path) -> Path:
    """The folder, with a file of an older schema as the store `s`."""
    shutil.copy(FILES / f"schema_{schema}.db", folder / "s.db")
    return folder


def rows(folder: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(folder / "s.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


async def test_a_file_of_schema_1_gets_subscriptions_with_runs(tmp_path: Path) -> None:
    async with gater.open(copied(1, tmp_path)) as api:
        assert [event.data["number"] for event in await api.read_all("s")] == list(range(5))
        await api.save_subscription("s", name="billing")
        assert [delivery.event.position for delivery in await api.pull_events("s", "billing", 9)] == [1, 2]
        assert (await api.verify("s")).ok
    assert rows(tmp_path, "PRAGMA user_version") == [(3,)]


async def test_a_file_of_schema_2_keeps_its_subscriptions_and_gives_each_a_run(tmp_path: Path) -> None:
    before = rows(copied(2, tmp_path), "SELECT name, selector, settings, checkpoint, ahead FROM subscriptions")
    parked = rows(tmp_path, "SELECT * FROM parked")
    async with gater.open(tmp_path) as api:
        assert [event.data["number"] for event in await api.read_all("s")] == list(range(5))
        assert [info.name for info in await api.get_subscriptions("s")] == ["billing", "mailing"]
        assert [one.position for one in await api.list_parked("s", "billing")] == [2]
        assert (await api.verify("s")).ok
    assert rows(tmp_path, "SELECT name, selector, settings, checkpoint, ahead FROM subscriptions") == before
    assert rows(tmp_path, "SELECT * FROM parked") == parked
    [(last,)] = rows(tmp_path, "SELECT value FROM meta WHERE name = 'numbers'")
    assert last > (1 << 51) + 2, "a file without a watermark begins another history, beyond the numbers of this one"
    assert rows(tmp_path, "SELECT made, run FROM subscriptions") == [(last - 1, last - 1), (last, last)]


async def test_receipts_that_an_older_version_gave_settle_nothing(tmp_path: Path) -> None:
    async with gater.open(copied(2, tmp_path)) as api:
        for position, receipt in PULLED:
            delivery = type("Old", (), {"event": type("Event", (), {"position": position}), "receipt": receipt})
            with pytest.raises(NotFoundError) as caught:
                await api.ack_event("s", "billing", delivery)  # type: ignore[arg-type]
            assert caught.value.details["why"] == "stale"
        assert [one.event.position for one in await api.pull_events("s", "billing", 9)] == [3, 4, 5]


@pytest.mark.parametrize("statements", [1, 3, 5, 6])
async def test_a_migration_that_is_killed_half_way_begins_again(tmp_path: Path, statements: int) -> None:
    copied(2, tmp_path)
    program = [sys.executable, "-c", KILLED_AT_STATEMENT, str(tmp_path), str(statements)]
    killed = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True, timeout=60)
    assert killed.returncode == 9, killed.stderr
    assert rows(tmp_path, "PRAGMA user_version") == [(2,)]
    async with gater.open(tmp_path) as api:
        assert [info.name for info in await api.get_subscriptions("s")] == ["billing", "mailing"]
        assert [one.event.position for one in await api.pull_events("s", "billing", 9)] == [3, 4, 5]
    assert rows(tmp_path, "SELECT count(*) FROM sqlite_schema WHERE name = 'subscriptions_of_2'") == [(0,)]
