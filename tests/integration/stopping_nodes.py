"""Nodes in processes of their own, each with something in it that hangs or has no end.

Each function that puts it there is called in a fresh process before the node is started, which says `at work` on stderr
when it is there.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import gater.server.app  # the parts of a node that are imported when it is started are here before the processes are
import gater.server.listener
import gater.server.rpc  # noqa: F401
from gater import node_program
from gater.config.settings import Settings
from gater.store import checkpointing, copying, machine, opening, reader, store, verification

HOURS = 9_999.0
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0"


def run(hangs: Callable[[], None], stderr: Connection[Any, Any], folder: Path, seconds: float) -> None:
    """Run a node with a drain timeout of so many seconds as a program does."""
    os.dup2(stderr.fileno(), sys.stderr.fileno())
    stderr.close()
    hangs()
    node_program.LEAST_STOP_SECONDS = seconds  # type: ignore[misc]
    settings = Settings(data_dir=folder, port=0, stores=("orders",), log_format="json", drain_timeout=seconds)
    asyncio.run(node_program.run_node(settings))


def tell() -> None:
    """Say that it is there."""
    os.write(sys.stderr.fileno(), b"at work\n")


def hang(*arguments: object, **options: object) -> Any:
    """Never return."""
    tell()
    time.sleep(HOURS)


def nothing() -> None:
    """All is as it should be; the test says what hangs."""


def compaction() -> None:
    """A compaction of many slices."""

    def slow_slice(connection: Any, command: Any, carry_out: Any = machine.remove_hidden) -> Any:
        tell()
        time.sleep(0.1)
        return carry_out(connection, command)

    store.COMPACTED_AT_ONCE, machine.remove_hidden = 1, slow_slice  # type: ignore[attr-defined, misc]


def verification_of_pages() -> None:
    """A verification that comes to no end."""

    def problems(check: Any) -> Iterator[str]:
        tell()
        return iter(check._rows(ENDLESS))

    verification._Check.problems = problems  # type: ignore[method-assign]


def verification_of_the_log() -> None:
    """A verification that compares a long write-ahead log."""

    def endless(*arguments: Any, pause: Callable[[], None], **options: Any) -> str:
        tell()
        while True:
            pause()

    verification.damage_in_use = endless  # type: ignore[attr-defined]


def checkpoint() -> None:
    """A checkpoint that compares a long write-ahead log."""
    compare = checkpointing.damage_in_use

    def slow(*arguments: Any, pause: Callable[[], None] | None = None, **options: Any) -> str:
        if pause is None:
            return compare(*arguments, **options)
        tell()
        while True:
            pause()

    checkpointing.PAGES_TO_START = 1  # type: ignore[misc]
    checkpointing.damage_in_use = slow  # type: ignore[attr-defined]


def backup() -> None:
    """A backup of which the file is very large."""
    copy = copying._copy

    def slow(reading: Any, writing: Any, name: str, given_up: Any) -> None:
        tell()
        given_up.wait()
        copy(reading, writing, name, given_up)

    copying._copy = slow


def write() -> None:
    """A disk that does not answer to a write."""
    machine.Machine.write = hang  # type: ignore[method-assign]


def migration() -> None:
    """A migration of a very large store."""

    def endless(connection: Any) -> None:
        connection.execute("CREATE TABLE half_made (x)")
        tell()
        connection.execute(ENDLESS).fetchall()

    opening.SCHEMA_VERSION += 1  # type: ignore[misc]
    opening.MIGRATIONS[opening.SCHEMA_VERSION - 1] = endless


def restored_file() -> None:
    """A disk that does not answer while a store is opened."""
    opening.settle_identity = hang


def event_loop() -> None:
    """A disk that does not answer to a read, which is made on the event loop."""
    reader.Reader.read_stream = hang  # type: ignore[method-assign]


def log_lines() -> None:
    """A write that hangs, and a log that takes no more lines."""

    def fill(*arguments: object) -> Any:
        tell()
        while True:  # in pieces that are shorter than a line: whatever the test has read before is filled up
            os.write(sys.stderr.fileno(), bytes(64))

    machine.Machine.write = fill  # type: ignore[method-assign]
