"""A served node as a process of its own, to be killed, stopped and started again on the same files and port."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

READY_SECONDS = 30.0


class NodeProcess:
    """One `gater serve` on a data folder; what it prints goes to a file beside it."""

    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._store = store
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output_path(self) -> Path:
        """What the node has printed, over all its lives."""
        return self._folder / "node.log"

    def start(self) -> None:
        """Start it, and return once it says that it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it, and return at once."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._output = self.output_path.open("ab")
        command = [sys.executable, "-m", "gater", "serve", "--data-dir", str(self._folder / "data")]
        command += ["--port", str(self.port), "--store", self._store]
        self._process = subprocess.Popen(command, stdout=self._output, stderr=subprocess.STDOUT)

    def wait_until_ready(self) -> None:
        """Return once the node says that it is ready; RuntimeError with its output when it ends instead."""
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the node ended with {self._process.returncode}: {self._last_output()}")
            if _answers_ready(self.port):
                return
            time.sleep(0.02)
        raise RuntimeError(f"the node was not ready in time: {self._last_output()}")

    def send(self, what: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(what)

    def kill(self) -> None:
        """Kill it with SIGKILL, and return once it is gone."""
        self.send(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """Ask it to stop (SIGTERM); returns its exit code."""
        self.send(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        assert self._process is not None
        assert self._output is not None
        code = self._process.wait(timeout=READY_SECONDS)
        self._output.close()
        return code

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _last_output(self) -> str:
        return self.output_path.read_text(errors="replace")[-2_000:]


def _answers_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
