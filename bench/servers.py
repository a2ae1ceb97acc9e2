"""Servers run as child processes on free ports with their own folders, and are gone when the block ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STORE: Final = "bench"
READY_WITHIN: Final = 60.0
STOP_WITHIN: Final = 10.0


class ServerError(RuntimeError):
    """A server did not start; carries the last line it printed."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where to reach it, its process id, and how long it took to be ready."""

    url: str
    pid: int
    seconds_to_ready: float

    def resident_megabytes(self) -> float:
        """Memory of the server process that is in RAM now, in MB of 1,000,000 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1_000_000
        raise ServerError(f"the process {self.pid} has no memory figure")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def gater_server(folder: Path) -> Iterator[Server]:
    """`gater serve` on that data folder, ready when `/health/ready` answers 200."""
    port = _free_port()
    arguments = ["serve", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port), "--store", STORE]
    url = f"http://127.0.0.1:{port}"
    with _running([_command("gater"), *arguments], url, lambda: _answers_200(f"{url}/health/ready"), folder) as server:
        yield server


@contextmanager
def umadb_server(folder: Path) -> Iterator[Server]:
    """The server of the `umadb` wheel with its default settings, ready when its port accepts."""
    port = _free_port()
    arguments = ["--listen", f"127.0.0.1:{port}", "--db-path", str(folder)]
    url = f"http://127.0.0.1:{port}"
    with _running([_command("umadb"), *arguments], url, lambda: _accepts(port), folder) as server:
        yield server


@contextmanager
def jetstream_server(folder: Path) -> Iterator[Server]:
    """`nats-server` with JetStream on that data folder, otherwise as it is by default; ready when its port accepts."""
    port = _free_port()
    arguments = ["--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", str(folder)]
    url = f"nats://127.0.0.1:{port}"
    with _running([_command("nats-server"), *arguments], url, lambda: _accepts(port), folder) as server:
        yield server


def _command(name: str) -> str:
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        raise ServerError(f"the command {name} is not installed")
    return found


@contextmanager
def _running(command: list[str], url: str, is_ready: Callable[[], bool], folder: Path) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    output_file = folder.with_name(folder.name + ".out")
    started = time.perf_counter()
    with output_file.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        while not is_ready():
            if process.poll() is not None or time.perf_counter() - started > READY_WITHIN:
                raise ServerError(f"{Path(command[0]).name} did not start: {_last_line(output_file)}")
            time.sleep(0.005)
        yield Server(url, process.pid, time.perf_counter() - started)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_line(file: Path) -> str:
    return (file.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers_200(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
