"""A node that is told to stop ends within its drain timeout, whatever is under way or hangs."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

import gater
from gater import NewEvent
from tests.integration import stopping_nodes
from tests.integration.fresh_processes import FRESH
from tests.integration.served import ORDERS

JSON = {"Content-Type": "application/json"}
DRAIN_SECONDS = 0.6
BUSY_SECONDS = 4.0
"""How long the processes may take for all else on a busy machine."""
STOPPED, CUT_OFF, FORCED = "node stopped", "work was cut off", "the node did not stop in time, and is ended"


class Program:
    """A node as a process of its own."""

    def __init__(self, folder: Path, hangs: Callable[[], None], drain_seconds: float) -> None:
        reading, writing = FRESH.Pipe(duplex=False)
        arguments = (hangs, writing, folder, drain_seconds)
        self.process = FRESH.Process(target=stopping_nodes.run, args=arguments)
        self.process.start()
        writing.close()
        self.stderr: IO[bytes] = os.fdopen(os.dup(reading.fileno()), "rb")
        reading.close()

    def started(self) -> str:
        """The address, when the node can be reached."""
        url: str = json.loads(self.stderr.readline())["url"]
        return url

    def says(self, words: bytes) -> None:
        """Return when a line with these words has come."""
        while (line := self.stderr.readline()) and words not in line:
            pass
        assert line

    def send(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def stopped(self, number: signal.Signals = signal.SIGTERM) -> str:
        """What the program says, from the signal to its end, which must come in time."""
        begun = time.monotonic()
        self.send(number)
        self.process.join(30)
        assert self.process.exitcode == 0
        assert time.monotonic() - begun < DRAIN_SECONDS + BUSY_SECONDS
        return self.stderr.read().decode(errors="replace")


@contextmanager
def program(
    folder: Path, hangs: Callable[[], None] = stopping_nodes.nothing, drain_seconds: float = DRAIN_SECONDS
) -> Iterator[Program]:
    """A node with the store `orders`, which is killed in the end."""
    running = Program(folder, hangs, drain_seconds)
    try:
        with running.stderr:
            yield running
    finally:
        running.process.kill()
        running.process.join()


def ask(url: str, path: str, body: Any, method: str = "POST") -> None:
    """Make a request, which may be cut off."""
    address = urlsplit(url)
    content = None if body is None else json.dumps(body)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=30)
    with closing(connection), suppress(HTTPException, OSError):
        connection.request(method, ORDERS + path, content, JSON)
        connection.getresponse().read()


@contextmanager
def asked(url: str, path: str, body: Any = None, method: str = "POST") -> Iterator[None]:
    """A request that is under way meanwhile."""

    asking = threading.Thread(target=ask, args=(url, path, body, method))
    asking.start()
    yield
    asking.join()


def send_half_an_import(client: socket.socket, url: str) -> None:
    """Begin an import, and return when the node waits for its body."""
    address = urlsplit(url)
    client.connect((address.hostname, address.port))
    client.sendall(f"POST {ORDERS}/import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n".encode())
    client.sendall(b"Expect: 100-continue\r\n\r\n")
    assert client.recv(1_024).startswith(b"HTTP/1.1 100")


def fill(folder: Path, events: int = 1, size: int = 1) -> None:
    """Append events of some size to the store, and close it."""
    with gater.open_sync(folder, stores=["orders"]) as api:
        api.append_events("orders", "s", [NewEvent("T", "x" * size) for _ in range(events)])


def content(folder: Path) -> int:
    """The newest version in the store, which must be sound."""
    with gater.open_sync(folder) as api:
        assert api.verify("orders").ok
        return api.get_version("orders", "s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_program_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    with program(tmp_path) as node:
        node.started()
        said = node.stopped(number)
    assert "node stopping" in said
    assert STOPPED in said


def test_second_signal_cuts_the_draining_short(tmp_path: Path) -> None:
    with program(tmp_path, drain_seconds=600) as node, closing(socket.socket()) as client:
        send_half_an_import(client, node.started())
        node.send()
        node.says(b"node stopping")
        assert CUT_OFF in node.stopped()


@pytest.mark.parametrize(
    ("hangs", "method", "path", "body", "said"),
    [
        (stopping_nodes.compaction, "POST", "/compact", None, STOPPED),
        (stopping_nodes.verification_of_pages, "POST", "/verify", None, STOPPED),
        (stopping_nodes.verification_of_the_log, "POST", "/verify", None, STOPPED),
        (stopping_nodes.checkpoint, "POST", "/streams/s/events", [{"event_type": "T"}], STOPPED),
        (stopping_nodes.backup, "GET", "/backup", None, STOPPED),
        (stopping_nodes.write, "POST", "/streams/s/events", [{"event_type": "T"}], FORCED),
        (stopping_nodes.event_loop, "GET", "/streams/s/events", None, FORCED),
    ],
)
def test_work_of_a_node_does_not_hold_up_its_end(
    tmp_path: Path, hangs: Callable[[], None], method: str, path: str, body: Any, said: str
) -> None:
    with program(tmp_path, hangs) as node:
        url = node.started()
        if hangs is stopping_nodes.compaction:
            ask(url, "/streams/s/events", [{"event_type": "T"}] * 200)
            ask(url, "/streams/s/truncate", {"before_version": 200})
        with asked(url, path, body, method):
            node.says(b"at work")
            assert said in node.stopped()


@pytest.mark.parametrize("hangs", [stopping_nodes.migration, stopping_nodes.restored_file])
def test_a_store_that_is_opened_does_not_hold_up_the_end(tmp_path: Path, hangs: Callable[[], None]) -> None:
    fill(tmp_path)
    if hangs is stopping_nodes.restored_file:
        (tmp_path / "orders.watermark").unlink()
    with program(tmp_path, hangs) as node:
        node.says(b"at work")
        assert FORCED in node.stopped()
    assert content(tmp_path) == 0


def test_a_log_that_takes_no_lines_does_not_hold_up_the_end(tmp_path: Path) -> None:
    event = [{"event_type": "T"}]
    with program(tmp_path, stopping_nodes.log_lines) as node, asked(node.started(), "/streams/s/events", event):
        node.says(b"at work")
        node.stopped()


@pytest.mark.parametrize("path", ["/events", "/backup"])
def test_an_answer_that_is_not_read_does_not_hold_up_the_end(tmp_path: Path, path: str) -> None:
    fill(tmp_path, events=10, size=900_000)
    with program(tmp_path) as node, closing(socket.socket()) as client:
        address = urlsplit(node.started())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect((address.hostname, address.port))
        client.sendall(f"GET {ORDERS}{path} HTTP/1.1\r\nHost: localhost\r\n".encode())
        client.sendall(b"Accept: application/x-ndjson\r\n\r\n")
        assert client.recv(1_024).startswith(b"HTTP/1.1 200")
        assert CUT_OFF in (said := node.stopped())
        assert STOPPED in said
    assert not list(tmp_path.glob(".backup-*"))


def test_an_export_of_a_client_that_takes_its_time_does_not_hold_up_the_end(tmp_path: Path) -> None:
    fill(tmp_path, events=10, size=900_000)
    with program(tmp_path) as node, gater.connect_sync(node.started()) as api:
        events = api.stream_all("orders")
        next(events)
        assert STOPPED in (said := node.stopped())
        assert CUT_OFF not in said


def test_an_import_that_does_not_come_to_its_end_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with program(tmp_path) as node, closing(socket.socket()) as client:
        send_half_an_import(client, node.started())
        assert CUT_OFF in (said := node.stopped())
        assert STOPPED in said
