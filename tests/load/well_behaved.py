"""A well-behaved client in a process of its own: small calls, one after the other, and how long each took."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Final, NamedTuple, Self

import gater
from gater import NewEvent

PAUSE_SECONDS: Final = 0.005
EXIT_SECONDS: Final = 30.0
LONGEST_SECONDS: Final = 15.0
"""How long a look waits for as many calls as it asks for."""
_MODULE: Final = "tests.load.well_behaved"


class Waits(NamedTuple):
    """How long the calls of a client took, in milliseconds."""

    calls: int
    p99: float
    worst: float


class WellBehavedClient:
    """While the context lasts, a process reads from a store and appends to it; `waits` tells how that went."""

    def __init__(self, url: str, store: str) -> None:
        self._command = [sys.executable, "-m", _MODULE, url, store]
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def waits(self, calls: int = 0) -> Waits:
        """What was measured since the last look, at least so many calls if they do not take LONGEST_SECONDS more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        return Waits(*json.loads(self._process.stdout.readline()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=EXIT_SECONDS)


async def _measure(url: str, store: str) -> None:
    async with gater.connect(url) as api:
        await api.append_events(store, "well-behaved", [NewEvent("Began", {})])
        took: list[float] = []
        asked = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        _say("ready")
        asked_at = 0.0
        while True:
            began = time.perf_counter()
            await api.get_events(store, "well-behaved", 0, 1)
            await api.append_events(store, "well-behaved", [NewEvent("Went", {"on": True})])
            took.append((time.perf_counter() - began) * 1_000)
            await asyncio.sleep(PAUSE_SECONDS)
            if asked.done():
                if not asked.result():
                    return
                asked_at = asked_at or began
                if len(took) < int(asked.result()) and began - asked_at < LONGEST_SECONDS:
                    continue
                asked_at = 0.0
                took.sort()
                _say(json.dumps([len(took), took[len(took) * 99 // 100], took[-1]]))
                took = []
                asked = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_measure(*sys.argv[1:3]))
