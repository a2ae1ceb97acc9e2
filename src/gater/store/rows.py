"""Long lists of parameters for SQL, in statements of a few fixed sizes so that they stay prepared.

One statement for many rows matters beyond its own cost: SQLite gives up the interpreter lock for each step, and a busy
event loop gives it back late. A row a step would wait for the lock once a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import apsw

_SIZES: Final = (256, 64, 16, 4, 1)


@cache
def _values(head: str, width: int, rows: int) -> str:
    row = "(" + ",".join("?" * width) + ")"
    return head + ",".join([row] * rows)


def insert_rows(connection: apsw.Connection, head: str, width: int, flat: list[Any]) -> None:
    """Run `head` (`INSERT INTO … VALUES `) for the rows whose `width` values follow each other in `flat`."""
    start, left = 0, len(flat) // width
    for size in _SIZES:
        while left >= size:
            end = start + size * width
            connection.execute(_values(head, width, size), flat[start:end] if start or end < len(flat) else flat)
            start, left = end, left - size


@cache
def _in_list(query: str, count: int) -> str:
    return query.replace("(?)", "(" + ",".join("?" * count) + ")")


def select_in(connection: apsw.Connection, query: str, keys: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of `query`, in which `IN (?)` stands for the keys."""
    for start in range(0, len(keys), _SIZES[0]):
        part = keys[start : start + _SIZES[0]]
        size = next(size for size in reversed(_SIZES) if size >= len(part))
        padded = [*part, *([None] * (size - len(part)))]
        yield from connection.execute(_in_list(query, size), padded)
