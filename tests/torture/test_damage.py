"""Damage to a store's files is met with an error, at open, by `verify` or when it is read; never served as if sound."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gater

STORE = "s"
EVENTS = 3_000
FLIPS = 150

WRITE_AND_DIE = """
import asyncio, os, signal, sys, gater
async def main(folder):
    async with gater.open(folder, stores=["s"]) as api:
        for n in range(40):
            await api.append_events("s", f"stream-{n % 7}", [gater.NewEvent("T", {"n": n}, event_id=None)])
        print(n + 1, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main(sys.argv[1]))
"""


async def _fill(folder: Path) -> list[tuple[str, int, object]]:
    async with gater.open(folder, stores=[STORE]) as api:
        for start in range(0, EVENTS, 100):
            events = [
                gater.NewEvent(f"Type{n % 5}", {"n": n, "text": "x" * (n % 300)}) for n in range(start, start + 100)
            ]
            await api.append_events(STORE, f"stream-{start % 700}", events)
        await api.record_snapshot(STORE, "source", "stream-0", 3, {"data": {"state": "y" * 500}})
        return await _content(api)


async def _content(api: gater.GaterApi) -> list[tuple[str, int, object]]:
    return [(event.stream_id, event.version, event.data) async for event in api.stream_all(STORE)]


async def _is_noticed(folder: Path, content: list[tuple[str, int, object]]) -> bool:
    """Whether opening, reading or verifying tells of damage; AssertionError when wrong content is served."""
    try:
        async with gater.open(folder) as api:
            assert await _content(api) == content
            for stream in await api.get_streams(STORE):
                [event async for event in api.stream_forward(STORE, stream)]
            await api.list_snapshots(STORE)
            return not (await api.verify(STORE)).ok
    except gater.IntegrityError:
        return True


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ (1 << (offset % 8))]))


@pytest.mark.timeout(300)
@pytest.mark.torture
async def test_every_flipped_bit_in_a_used_page_is_noticed(tmp_path: Path) -> None:
    content = await _fill(tmp_path / "sound")
    size = (tmp_path / "sound" / f"{STORE}.db").stat().st_size
    rng = random.Random(7)
    for number, offset in enumerate(sorted(rng.sample(range(size), FLIPS))):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "sound", folder)
        _flip(folder / f"{STORE}.db", offset)
        assert await _is_noticed(folder, content), f"a bit was flipped at {offset}, and nobody noticed"
        shutil.rmtree(folder)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
async def test_a_file_that_was_cut_short_is_noticed_at_open(tmp_path: Path, part: float) -> None:
    await _fill(tmp_path)
    path = tmp_path / f"{STORE}.db"
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * part))
    async with gater.open(tmp_path) as api:
        with pytest.raises(gater.GaterError) as met:
            await api.get_version(STORE, "stream-0")
        assert met.value.code in {"store_corrupt", "misconfigured"}
        assert [info.store.status for info in await api.list_stores()] == ["corrupt"]
        assert not (await api.verify(STORE)).ok


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The files of a store whose process was killed after 40 acknowledged appends: the log holds them."""
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "40", done.stderr
    return tmp_path


async def _count(folder: Path) -> int:
    async with gater.open(folder) as api:
        return (await api.get_store_status(STORE)).position


async def test_a_killed_process_loses_nothing_it_acknowledged(killed: Path) -> None:
    assert await _count(killed) == 40


async def test_a_write_ahead_log_that_was_removed_is_noticed(killed: Path) -> None:
    (killed / f"{STORE}.db-wal").unlink()
    with pytest.raises(gater.StoreCorruptError):
        await _count_or_raise(killed)


async def test_a_write_ahead_log_that_was_cut_short_is_noticed(killed: Path) -> None:
    log = killed / f"{STORE}.db-wal"
    with log.open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(gater.StoreCorruptError):
        await _count_or_raise(killed)


async def test_a_flipped_bit_in_the_write_ahead_log_is_noticed(killed: Path) -> None:
    _flip(killed / f"{STORE}.db-wal", 32 + 24 + 2_000)
    with pytest.raises(gater.StoreCorruptError):
        await _count_or_raise(killed)


async def test_files_replaced_by_older_ones_are_noticed(tmp_path: Path) -> None:
    async with gater.open(tmp_path, stores=[STORE]) as api:
        await api.append_events(STORE, "a", [gater.NewEvent("T")])
        await api.backup(STORE, tmp_path / "old")
        await api.append_events(STORE, "a", [gater.NewEvent("T")])
    (tmp_path / "old").rename(tmp_path / f"{STORE}.db")
    with pytest.raises(gater.StoreCorruptError, match=r"acknowledged|watermark|damaged"):
        await _count_or_raise(tmp_path)
    (tmp_path / f"{STORE}.watermark").unlink()
    assert await _count(tmp_path) == 1


async def _count_or_raise(folder: Path) -> None:
    async with gater.open(folder) as api:
        await api.get_version(STORE, "a")
