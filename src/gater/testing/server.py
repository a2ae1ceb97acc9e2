"""A real server for a test: `gater serve` in a process of its own, on a free port and a folder of its own."""

from __future__ import annotations

import asyncio
import http.client
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import urlsplit

READY_SECONDS: Final = 30.0
"""How long a server may take to be ready."""
STOP_SECONDS: Final = 20.0
"""How long a server may take to end; then it is killed."""

_URL: Final = re.compile(r"https?://\S+").search


class ServerError(RuntimeError):
    """A server did not start; carries what it printed."""


class GaterServer:
    """A server that runs while the context lasts, plain (`with`) or async (`async with`).

    `stores` are made at the start, `arguments` are further ones for `gater serve`. Without `data_dir` the files are in
    a temporary folder, which is removed at the end. Started again after `stop` or `kill`, it has the same files and
    the same port. `url` is where it is found once it has been started.
    """

    def __init__(
        self, stores: Sequence[str] = (), *, data_dir: Path | None = None, arguments: Sequence[str] = ()
    ) -> None:
        self.url = ""
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="gater-"))
        self._is_temporary = data_dir is None
        self._stores = tuple(stores)
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._clean_up()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        return self._running().pid

    @property
    def log(self) -> str:
        """What the server has written to its log so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def _log_path(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".log")

    def start(self) -> None:
        """Start it, and return when it is ready; raises ServerError with what it printed when it does not start."""
        self._log = self._log_path.open("ab")
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.PIPE, stderr=self._log, stdin=subprocess.DEVNULL, text=True
        )
        self.url = self._announced_url() or self.url
        self._wait_until_ready()

    def stop(self) -> int:
        """Ask it to end, which answers what it has accepted; returns its exit code. It may have ended already."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it on the spot, as a crash would."""
        self._end(signal.SIGKILL)

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
        deadline = time.monotonic() + READY_SECONDS
        while not _answers_ready(self.url):
            if time.monotonic() > deadline or self._running().poll() is not None:
                self._end(signal.SIGKILL)
                raise ServerError(f"the server did not get ready:\n{self.log[-2_000:]}")
            time.sleep(0.02)

    def _end(self, how: signal.Signals) -> int:
        process = self._running()
        if process.poll() is None:
            process.send_signal(how)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if self._log is not None:
            self._log.close()
        return code

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ServerError("the server was not started")
        return self._process

    def _clean_up(self) -> None:
        if self._is_temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            self._log_path.unlink(missing_ok=True)


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
