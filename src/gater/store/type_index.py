"""The index by event type: the numbers of types, and the blocks of positions in which each occurs."""

from __future__ import annotations

from typing import Any, Final

import apsw

from gater.store import queries
from gater.store.rows import insert_rows

BLOCK_SHIFT: Final = 8
"""A block of positions, the unit of the index, is position >> BLOCK_SHIFT."""
MOST_TYPES: Final = 10_000
"""Types whose numbers are known without a look at the file."""


class TypeIndex:
    """The types and blocks that are not in the file yet; belongs to the machine."""

    def __init__(self, connection: apsw.Connection, position: int) -> None:
        """`position`: of the newest event."""
        self._connection = connection
        self._numbers: dict[str, int] = {}
        self._next = queries.one(connection, queries.LAST_TID) + 1
        self._new_types: list[int | str] = []
        """Number and name of each, flat."""
        self._new_blocks: list[int] = []
        """Type number and block of each, flat."""
        self._block = position >> BLOCK_SHIFT
        in_block = connection.execute(queries.BLOCK_TYPES, (self._block << BLOCK_SHIFT,))
        self._in_block: set[int] = {row[0] for row in in_block}
        """The types that occur in the newest block."""

    def add(self, event_type: str, position: int) -> int:
        """Note the type of the event that comes next, at `position`; returns its number."""
        number = self._numbers.get(event_type) or self._number(event_type)
        if position >> BLOCK_SHIFT != self._block:
            self._block = position >> BLOCK_SHIFT
            self._in_block = set()
        if number not in self._in_block:
            self._in_block.add(number)
            self._new_blocks += (number, self._block)
        return number

    def _number(self, event_type: str) -> int:
        """The number of a type in the file, or the next one."""
        number: Any
        found = self._connection.execute(queries.TYPE_NUMBER, (event_type,)).fetchall()
        if len(self._numbers) >= MOST_TYPES and not self._new_types:
            self._numbers.clear()
        if found:
            (number,) = found[0]
        else:
            number = self._next
            self._next += 1
            self._new_types += (number, event_type)
        self._numbers[event_type] = number
        return int(number)

    def write(self) -> None:
        """Put into the file what is new."""
        if self._new_types:
            insert_rows(self._connection, queries.INSERT_TYPES, 2, self._new_types)
            self._new_types = []
        if self._new_blocks:
            insert_rows(self._connection, queries.INSERT_TYPE_BLOCKS, 2, self._new_blocks)
            self._new_blocks = []
