"""Consumer processes of one subscription; whoever is killed is replaced."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).parents[2]


class Fleet:
    """Some consumers that run while the context lasts; each writes a log of its own into `folder`."""

    def __init__(self, folder: Path, url: str, store: str, subscription: str, size: int, rng: random.Random) -> None:
        self.folder = folder
        self.problems: list[str] = []
        """Consumers that ended by themselves: they never should."""
        self._arguments = (url, store, subscription)
        self._size = size
        self._rng = rng
        self._started = 0
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.folder.mkdir()
        for _ in range(self._size):
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._processes:
            self._kill(self._processes.pop())

    def kill_one(self) -> None:
        """Kill -9 a consumer, chosen at random, and start another in its place."""
        self._kill(self._processes.pop(self._rng.randrange(len(self._processes))))
        self._start()

    def _start(self) -> None:
        self._started += 1
        log = self.folder / f"consumer-{self._started}.log"
        command = [sys.executable, "-m", "tests.torture.consumer_process", *self._arguments, str(log)]
        with log.with_suffix(".err").open("wb") as errors:
            self._processes.append(
                subprocess.Popen([*command, str(self._rng.randrange(1 << 32))], cwd=REPOSITORY, stderr=errors)
            )

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is not None:
            said = [log.read_text()[-500:] for log in self.folder.glob("*.err")]
            self.problems.append(f"a consumer ended by itself with {code}: {[words for words in said if words]}")
        process.kill()
        process.wait()
