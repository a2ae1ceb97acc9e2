"""An event whose handler ends the process that has the store open: it is parked in the end, and holds nothing up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gater
from gater import NewEvent

WORKER = """
import asyncio, os, sys
import gater

async def main(folder, pulls):
    async with gater.open(folder) as api:
        if pulls:
            while deliveries := await api.pull_events("s", "work", 50, wait=0.0):
                for delivery in deliveries:
                    await handle(delivery)
            return
        async with asyncio.timeout(20):
            async for delivery in api.consume("s", "work"):
                await handle(delivery)
                if delivery.event.data["n"] == 19:
                    return

async def handle(delivery):
    print(delivery.event.data["n"], delivery.attempt, flush=True)
    if delivery.event.data.get("fatal"):
        os._exit(3)
    await delivery.ack()

asyncio.run(main(sys.argv[1], sys.argv[2] == "pulls"))
"""


def work(folder: Path, way: str) -> tuple[int, list[tuple[int, int]]]:
    """How the process of a worker ended, and what it was given: number and attempt of each event."""
    ended = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), way], capture_output=True, text=True, timeout=60, check=False
    )
    given = [(int(number), int(attempt)) for number, attempt in map(str.split, ended.stdout.splitlines())]
    assert not ended.stderr, ended.stderr
    return ended.returncode, given


async def made(folder: Path, fatal: int) -> None:
    async with gater.open(folder, stores=["s"]) as api:
        events = [NewEvent("Counted", {"n": n, "fatal": n == fatal}) for n in range(20)]
        await api.append_events("s", "a", events)
        await api.save_subscription("s", name="work", max_retries=1)


async def test_an_event_that_ends_its_process_is_parked_after_its_retries(tmp_path: Path) -> None:
    await made(tmp_path, fatal=7)
    code, given = work(tmp_path, "consumes")
    assert (code, given[-1]) == (3, (7, 1))
    code, given = work(tmp_path, "consumes")
    assert (code, given[-1]) == (3, (7, 1))  # the first attempt that is noted
    code, given = work(tmp_path, "consumes")
    assert (code, given[-1]) == (3, (7, 2))
    code, given = work(tmp_path, "consumes")
    assert code == 0
    assert [number for number, _ in given] == [*range(8, 20)]
    assert {attempt for _, attempt in given} == {1}
    async with gater.open(tmp_path) as api:
        [parked] = await api.list_parked("s", "work")
        assert parked.position == 8
        assert (parked.attempts, parked.reason) == (2, "failed 2 times: the process ended meanwhile")


async def test_the_same_of_a_worker_that_pulls(tmp_path: Path) -> None:
    await made(tmp_path, fatal=0)
    codes = [work(tmp_path, "pulls")[0] for _ in range(3)]
    code, given = work(tmp_path, "pulls")
    assert (codes, code) == ([3, 3, 3], 0)
    assert [number for number, _ in given] == [*range(1, 20)]
