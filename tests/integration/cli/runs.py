"""Running the program `gater`: in this process, which is quick, or as a process of its own with real pipes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from gater.cli.main import main

PROGRAM = (sys.executable, "-m", "gater")


@dataclass(frozen=True)
class Finished:
    """How a run of the program ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON values on stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The JSON error on stderr."""
        return json.loads(self.err)["error"]


def typed(*arguments: str) -> Finished:
    """What comes of typing `gater ARGUMENTS`, without a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: Any = 0
    with (
        patch.object(sys, "argv", ["gater", *arguments]),
        patch.object(sys, "excepthook", sys.__excepthook__),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Finished(code or 0, *[stream.buffer.getvalue().decode() for stream in (out, err)])  # type: ignore[attr-defined]


def piped(*arguments: str, stdin: bytes = b"", environment: dict[str, str] | None = None) -> Finished:
    """What comes of `gater ARGUMENTS` in a shell, with `stdin` piped in."""
    done = subprocess.run([*PROGRAM, *arguments], input=stdin, capture_output=True, timeout=60, env=environment)
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())
