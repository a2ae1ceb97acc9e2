"""The connections of a store: how they are set up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from gater.store import queries
from gater.store.connection import open_file, open_memory

Opened = Callable[[Path], apsw.Connection]


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(lambda folder: open_file(folder / "s.db", create=True, cache_kib=1_024), id="file"),
        pytest.param(lambda folder: open_memory(), id="memory"),
    ],
)
def test_a_statement_is_planned_once_whatever_it_compares_with(opened: Opened, tmp_path: Path) -> None:
    connection = opened(tmp_path)
    connection.execute(queries.SCHEMA)
    planned: list[str] = []
    connection.set_authorizer(lambda operation, *_: planned.append(str(operation)) or apsw.SQLITE_OK)
    for version in range(50):
        connection.execute(queries.STREAM_FORWARD, (f"stream-{version}", version, version + 10, 100)).fetchall()
        if version == 0:
            once = len(planned)
    assert once > 0
    assert len(planned) == once
    connection.close()
