"""A node that is told to stop ends within its drain timeout, whatever is under way or hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAM = """
import asyncio, sys, time
from gater.config.sources import load_settings
from gater.node import run_node
from gater.store import local_log, machine, queries, store, verification

def tell():
    print("at work", file=sys.stderr, flush=True)

def hang(*arguments):
    tell()
    time.sleep(600)

def slow_slice(connection, command, carry_out=machine.remove_hidden):
    tell()
    time.sleep(0.1)
    return carry_out(connection, command)

def without_end(check, problems=verification._Check.problems):
    tell()
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
    return iter(check._rows(numbers + " WHERE x < 0"))

match sys.argv[1]:
    case "compact":
        store.COMPACTED_AT_ONCE, machine.remove_hidden = 1, slow_slice
    case "verify":
        verification._Check.problems = without_end
    case "append":
        machine.Machine.write = hang
asyncio.run(run_node(load_settings()))
"""
DRAIN_SECONDS = 1.0


@contextmanager
def program(folder: Path, hangs: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A node as a process of its own, and where it is reached."""
    environ = {**os.environ, "GATER_PORT": "0", "GATER_DATA_DIR": str(folder), "GATER_STORES": "orders"}
    environ |= {"GATER_LOG_FORMAT": "json", "GATER_DRAIN_TIMEOUT": str(DRAIN_SECONDS)}
    command = [sys.executable, "-c", PROGRAM, hangs]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            yield process, json.loads(process.stderr.readline())["url"]
        finally:
            process.kill()


def ask(url: str, path: str, body: Any = None) -> None:
    with httpx.Client(base_url=f"{url}/v1/stores/orders", timeout=30) as client:
        try:
            client.post(path, json=body)
        except httpx.TransportError:
            return  # cut off


@pytest.mark.parametrize(
    ("hangs", "path", "body", "told"),
    [
        ("compact", "/compact", None, b"node stopped"),
        ("verify", "/verify", None, b"node stopped"),
        ("append", "/streams/late/events", [{"event_type": "T"}], b"the node did not stop in time"),
    ],
)
def test_a_node_stops_within_its_drain_timeout(tmp_path: Path, hangs: str, path: str, body: Any, told: bytes) -> None:
    with program(tmp_path, hangs) as (process, url):
        assert process.stderr is not None
        if hangs == "compact":
            ask(url, "/streams/s/events", [{"event_type": "T"}] * 200)
            ask(url, "/streams/s/truncate", {"before_version": 200})
        asking = threading.Thread(target=ask, args=(url, path, body))
        asking.start()
        while b"at work" not in process.stderr.readline():
            pass
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(30) == 0
        assert time.monotonic() - begun < DRAIN_SECONDS + 5  # the rest is the end of the interpreter on a busy machine
        asking.join()
    assert told in said
