"""A real server for a test: `gater serve` in a process of its own, on a free port and a folder of its own."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gater.config.sources import environment_without_settings
from gater.testing.server_process import READY_SECONDS, ServerError, ServerProcess

_URL: Final = re.compile(r"https?://\S+").search


class GaterServer(ServerProcess):
    """A server that runs while the context lasts, plain (`with`) or async (`async with`).

    `stores` are made at the start, `arguments` are further ones for `gater serve`. Without `data_dir` the files are in
    a temporary folder, which is removed at the end. Started again after `stop` or `kill`, it has the same files and
    the same port. Of settings in the environment it only has those in `environment`. `url` is where it is found once
    it has been started.
    """

    def __init__(
        self,
        stores: Sequence[str] = (),
        *,
        data_dir: Path | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data_dir, "gater-")
        self._stores = tuple(stores)
        self._arguments = tuple(arguments)
        self._environment = dict(environment or {})

    def start(self) -> None:
        """Start it, and return when it is ready; raises ServerError with what it printed when it does not start."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                env={**environment_without_settings(), **self._environment},
            )
        self.url = self._announced_url() or self.url
        self._wait_until_ready()

    def _command(self) -> list[str]:
        port = urlsplit(self.url).port if self.url else 0
        stores = [part for store in self._stores for part in ("--store", store)]
        place = ["--data-dir", str(self.data_dir), "--port", str(port)]
        return [sys.executable, "-m", "gater", "serve", *place, *stores, *self._arguments]

    def _announced_url(self) -> str:
        """The URL in the line that the server prints when it listens; empty when it ends without one."""
        process = self._running()
        assert process.stdout is not None
        too_late = threading.Timer(READY_SECONDS, process.kill)
        too_late.start()
        try:
            found = _URL(process.stdout.readline())
        finally:
            too_late.cancel()
        if found is None:
            code = self._end(signal.SIGKILL)
            raise ServerError(f"the server ended with {code}:\n{self.log[-2_000:]}")
        return found[0]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.ready_seconds
        while not _answers_ready(self.url):
            if time.monotonic() > deadline or self._running().poll() is not None:
                self._end(signal.SIGKILL)
                raise ServerError(f"the server did not get ready:\n{self.log[-2_000:]}")
            time.sleep(0.02)


def _answers_ready(url: str) -> bool:
    """Whether the server says that it is ready; with TLS, that it listens is all that can be seen from here."""
    address = urlsplit(url)
    if address.scheme == "https":
        return True
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2.0)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
