"""A server in a process of its own, with a folder and a log of its own, for as long as a test wants it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

READY_SECONDS: Final = 30.0
"""How long a server may take to be ready."""
STOP_SECONDS: Final = 20.0
"""How long a server may take to end; then it is killed."""


class ServerError(RuntimeError):
    """A server did not start; carries what it printed."""


class ServerProcess:
    """The common part of servers for tests; each class defines its start.

    It runs while the context lasts, plain (`with`) or async (`async with`). `url` is where it is found once it has been
    started.
    """

    def __init__(self, data_dir: Path | None, prefix: str) -> None:
        """Without `data_dir` the files are in a temporary folder, which is removed at the end."""
        self.url = ""
        self.ready_seconds = READY_SECONDS
        """How long `start` waits for it to be ready."""
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix=prefix))
        self._is_temporary = data_dir is None
        self._process: subprocess.Popen[Any] | None = None
        self._user = os.getpid()

    def start(self) -> None:
        """Start it, and return when it is ready; raises ServerError with what it printed when it does not start."""
        raise NotImplementedError

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
        if os.getpid() == self._user:  # not in a child of the process, whose parent goes on with it
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
        """The log of the server so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def _log_path(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".log")

    def stop(self) -> int:
        """Ask it to end, which answers what it has accepted; returns its exit code. It may have ended already."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it on the spot, as a crash would."""
        self._end(signal.SIGKILL)

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
        return code

    def _running(self) -> subprocess.Popen[Any]:
        if self._process is None:
            raise ServerError("the server was not started")
        return self._process

    def _clean_up(self) -> None:
        if self._is_temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            self._log_path.unlink(missing_ok=True)
