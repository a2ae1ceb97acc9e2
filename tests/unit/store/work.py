"""Counting the work of SQLite, which does not depend on how busy the machine is."""

from __future__ import annotations

from collections.abc import Callable

import apsw


def steps(connection: apsw.Connection, work: Callable[[], object]) -> int:
    """Tens of instructions that SQLite carries out for some work."""
    count = 0

    def counted() -> bool:
        nonlocal count
        count += 1
        return False

    connection.set_progress_handler(counted, 10)
    try:
        work()
    finally:
        connection.set_progress_handler(None)
    return count
