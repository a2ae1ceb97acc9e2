"""Programs whose standard streams were closed before they began."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.integration.cli.runs import PROGRAM, typed

EVERY = [(0,), (1,), (2,), (0, 1, 2)]

SCRIPT = """
import sys, gater
with gater.open_sync(sys.argv[1]) as api:
    api.create_store("orders")
    api.append_events("orders", "order-1", [gater.NewEvent("OrderPlaced", {})])
    with open(sys.argv[1] + "/version", "w") as file:
        file.write(str(api.get_version("orders", "order-1")))
"""


def _start(command: list[str], closed: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """A program of which these descriptors are closed, and not opened on anything else."""
    shell = " ".join(f"{number}>&-" for number in closed)
    return subprocess.Popen(["sh", "-c", f'exec "$@" {shell}', "sh", *command], stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("closed", EVERY)
def test_a_script_with_the_blocking_api_runs_to_its_end(tmp_path: Path, closed: tuple[int, ...]) -> None:
    assert _start([sys.executable, "-c", SCRIPT, str(tmp_path)], closed).wait(30) == 0
    assert (tmp_path / "version").read_text() == "0"


@pytest.mark.parametrize("closed", EVERY)
def test_a_command_that_prints_fails_only_without_its_output(tmp_path: Path, closed: tuple[int, ...]) -> None:
    assert typed("--data-dir", str(tmp_path), "stores", "create", "orders").code == 0
    code = _start([*PROGRAM, "--data-dir", str(tmp_path), "stores", "list"], closed).wait(30)
    assert code == (1 if 1 in closed else 0)


@pytest.mark.parametrize("closed", EVERY)
def test_a_node_serves_and_stops(tmp_path: Path, closed: tuple[int, ...]) -> None:
    port = _free_port()
    node = _start([*PROGRAM, "serve", "--data-dir", str(tmp_path), "--port", str(port)], closed)
    try:
        while not _is_live(port):
            assert node.poll() is None
            os.sched_yield()
    finally:
        node.send_signal(signal.SIGTERM)
        assert node.wait(30) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _is_live(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
