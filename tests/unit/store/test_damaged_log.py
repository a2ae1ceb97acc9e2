"""The write-ahead log of a killed process, damaged in every way: its end is missed, or nothing is."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gater
from gater.model.errors import StoreCorruptError

APPENDS = 60
WRITE_AND_DIE = """
import asyncio, os, signal, sys, gater
async def main():
    async with gater.open(sys.argv[1], stores=["s"]) as api:
        for number in range(int(sys.argv[2])):
            await api.append_events("s", f"a-{number % 5}", [gater.NewEvent("T", {"number": number})])
        print("written", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a process that was killed when it had been told that its appends were durable."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", WRITE_AND_DIE, str(folder), str(APPENDS)]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout == "written\n"
    return folder


@pytest.fixture
def copied(killed: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of these files."""

    def copy() -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(killed, tmp_path / "copy")
        return tmp_path / "copy"

    return copy


def used(log: Path) -> int:
    """Bytes of the log up to the last that is not zero."""
    return len(log.read_bytes().rstrip(b"\0"))


async def read(folder: Path) -> list[int]:
    """The numbers that are served; StoreCorruptError when damage is met."""
    async with gater.open(folder) as api:
        report = await api.verify("s")
        if not report.ok:
            raise StoreCorruptError("s", report.problems[0])
        return [event.data["number"] async for event in api.stream_all("s")]


async def is_met_or_harmless(folder: Path) -> bool:
    """Whether damage was met; AssertionError when something is missing or wrong without a word."""
    try:
        assert await read(folder) == list(range(APPENDS))
    except StoreCorruptError:
        return True
    return False


async def test_everything_acknowledged_is_in_an_undamaged_log(copied: Callable[[], Path]) -> None:
    folder = copied()
    assert used(folder / "s.db-wal") > 10_000
    assert await read(folder) == list(range(APPENDS))


async def test_every_flipped_bit_is_met_or_harmless(copied: Callable[[], Path]) -> None:
    rng = random.Random(11)
    length = used(copied() / "s.db-wal")
    met = 0
    for _ in range(80):
        folder = copied()
        log = bytearray((folder / "s.db-wal").read_bytes())
        log[rng.randrange(length)] ^= 1 << rng.randrange(8)
        (folder / "s.db-wal").write_bytes(log)
        met += await is_met_or_harmless(folder)
    assert met > 40


async def test_every_flipped_bit_of_its_header_is_met_or_harmless(copied: Callable[[], Path]) -> None:
    for place in range(0, 56, 3):
        folder = copied()
        log = bytearray((folder / "s.db-wal").read_bytes())
        log[place] ^= 1 << place % 8
        (folder / "s.db-wal").write_bytes(log)
        await is_met_or_harmless(folder)


async def test_every_missing_end_is_met(copied: Callable[[], Path]) -> None:
    length = used(copied() / "s.db-wal")
    for part in (0.0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        folder = copied()
        with (folder / "s.db-wal").open("r+b") as log:
            log.truncate(int(length * part))
        assert await is_met_or_harmless(folder), part


async def test_a_hole_of_zeros_is_met(copied: Callable[[], Path]) -> None:
    rng = random.Random(12)
    length = used(copied() / "s.db-wal")
    for _ in range(15):
        folder = copied()
        log = bytearray((folder / "s.db-wal").read_bytes())
        start = rng.randrange(length - 4_096)
        log[start : start + 4_096] = bytes(4_096)
        (folder / "s.db-wal").write_bytes(log)
        assert await is_met_or_harmless(folder), start


async def test_a_missing_log_is_met(copied: Callable[[], Path]) -> None:
    folder = copied()
    (folder / "s.db-wal").unlink()
    (folder / "s.db-shm").unlink(missing_ok=True)
    with pytest.raises(StoreCorruptError):
        await read(folder)


async def test_a_missing_index_of_the_log_is_made_anew(copied: Callable[[], Path]) -> None:
    folder = copied()
    (folder / "s.db-shm").unlink(missing_ok=True)
    assert await read(folder) == list(range(APPENDS))
    folder = copied()
    (folder / "s.db-shm").write_bytes(random.Random(13).randbytes(32_768))
    assert await read(folder) == list(range(APPENDS))


async def test_every_flipped_bit_of_the_file_under_the_log_is_met_or_harmless(copied: Callable[[], Path]) -> None:
    rng = random.Random(14)
    for _ in range(40):
        folder = copied()
        database = bytearray((folder / "s.db").read_bytes())
        database[rng.randrange(len(database))] ^= 1 << rng.randrange(8)
        (folder / "s.db").write_bytes(database)
        await is_met_or_harmless(folder)
