"""Long lists of parameters for SQL, in statements of a few fixed sizes so that they stay prepared.

To free a list of a million values takes one step of the interpreter, which no other thread can interrupt; so long lists
are kept, and let go of, in portions.

One statement for many rows matters beyond its own cost: SQLite gives up the interpreter lock for each step, and a busy
event loop gives it back late. A row a step would wait for the lock once a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import apsw

_SIZES: Final = (256, 64, 16, 4, 1)
MOST_FLAT: Final = 16_384
"""Values of a portion of rows."""
FREED_AT_ONCE: Final = 1_000


class FlatRows:
    """Rows to insert, the `width` values of each after those of the one before, in portions."""

    __slots__ = ("_full", "_width", "last")

    def __init__(self, width: int) -> None:
        self._width = width
        self._full: deque[list[Any]] = deque()
        self.last: list[Any] = []
        """The portion that rows are added to."""

    def portion(self) -> None:
        """Begin another portion when the last one is full; a row must follow."""
        if len(self.last) >= MOST_FLAT:
            self._full.append(self.last)
            self.last = []

    def insert(self, connection: apsw.Connection, head: str) -> None:
        """Run `head` (`INSERT INTO … VALUES `) for all rows, and let go of them."""
        while self._full:
            insert_rows(connection, head, self._width, self._full.popleft())
        insert_rows(connection, head, self._width, self.last)


def free(rows: list[Any]) -> None:
    """Empty a long list in steps between which other threads have their turn."""
    while rows:
        del rows[-FREED_AT_ONCE:]


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
