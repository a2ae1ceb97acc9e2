"""Examples as programs that run while a test lasts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
SECONDS: Final = 30.0
"""How long an example may take to begin, and to end."""


class Program:
    """A program that has begun."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        """What it has printed so far, as far as it was asked for."""

    def says(self, pattern: str) -> re.Match[str]:
        """The first line to come in which a pattern is found; it may not end before, nor take long."""
        assert self.process.stdout is not None
        too_late = threading.Timer(SECONDS, self.process.kill)
        too_late.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if found := re.search(pattern, line):
                    return found
        finally:
            too_late.cancel()
        raise AssertionError(f"{pattern!r} does not come:\n{''.join(self.lines)}")

    def stop(self) -> int:
        """Ask it to end by SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@contextmanager
def program(*command: str, python: bool = True, **environment: str) -> Generator[Program, None, None]:
    """A program, of Python if not said otherwise, whose output can be waited for; killed at the end."""
    with subprocess.Popen(
        [sys.executable, *command] if python else command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    ) as process:
        try:
            yield Program(process)
        finally:
            if process.poll() is None:
                process.kill()
