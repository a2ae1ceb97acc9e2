"""Reads of the events of some types, through the index by type, in either direction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import apsw
import msgspec

from gater.store import queries
from gater.store.rows import select_in
from gater.store.type_index import BLOCK_SHIFT

BLOCKS: Final = 40
"""Blocks of positions that one page looks at."""


class TypedSpans:
    """The places of events of some types: spans of positions, from a position on, a bounded number at a time."""

    def __init__(self, connection: apsw.Connection, types: Collection[str]) -> None:
        self._connection = connection
        self._numbers = [row[0] for row in select_in(connection, queries.TYPE_NUMBERS, list(types))]
        self.numbers_json = msgspec.json.encode(self._numbers).decode()

    def forward(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Spans from `start` up to `end`, both included, and last an empty one that says how far they reach."""
        blocks = self._blocks(queries.TYPE_BLOCKS, start >> BLOCK_SHIFT)
        for first, last in _runs(blocks):
            low, high = max(start, first << BLOCK_SHIFT), min(end, ((last + 1) << BLOCK_SHIFT) - 1)
            if low <= high:
                yield low, high
        reached = end if len(blocks) < BLOCKS else min(end, ((blocks[-1] + 1) << BLOCK_SHIFT) - 1)
        yield reached + 1, reached

    def backward(self, start: int) -> Iterator[tuple[int, int]]:
        """Spans from `start` downwards, each as its lower and upper end, and last an empty one: how far they reach."""
        blocks = self._blocks(queries.TYPE_BLOCKS_BACKWARD, start >> BLOCK_SHIFT)
        for last, first in _runs([-block for block in blocks]):
            low, high = max(1, -first << BLOCK_SHIFT), min(start, ((-last + 1) << BLOCK_SHIFT) - 1)
            if low <= high:
                yield low, high
        reached = 1 if len(blocks) < BLOCKS else max(1, blocks[-1] << BLOCK_SHIFT)
        yield reached, reached - 1

    def _blocks(self, query: str, start: int) -> list[int]:
        """The next blocks that hold any of the types, nearest first."""
        found: set[int] = set()
        for number in self._numbers:
            found.update(row[0] for row in self._connection.execute(query, (number, start, BLOCKS)))
        return sorted(found, reverse=query is queries.TYPE_BLOCKS_BACKWARD)[:BLOCKS]


def _runs(blocks: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring blocks as one run, its first and last."""
    first = last = None
    for block in blocks:
        if last is not None and block == last + 1:
            last = block
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = block
    if first is not None and last is not None:
        yield first, last
