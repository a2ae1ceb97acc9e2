"""Reads of a store's file, in pages bounded by count and bytes, on a connection of their own.

They run on the event loop: a page is a fraction of a millisecond, less than handing it to a thread would cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import apsw

from gater.model.events import POSITION, VERSION, EventRow, take_fitting
from gater.model.expected_version import LARGEST_VERSION, NO_STREAM
from gater.model.limits import PAGE_BYTES, PAGE_EVENTS
from gater.model.snapshots import snapshot_bytes
from gater.store import queries
from gater.store.heads import LIVE
from gater.store.recent import RecentPositions
from gater.store.rows import select_in
from gater.store.typed_reader import TypedSpans

POSITIONS: Final = 256
"""Events that one query fetches at known positions."""
SPAN: Final = 10_000
"""Positions that one query looks at, hidden ones included."""
STREAMS_AT_ONCE: Final = 2_000
"""Streams that one query looks at, deleted ones included."""

_BEYOND_TEXT: Final = b""
"""SQLite puts bytes, even none, behind all text."""


class Page(NamedTuple):
    """Some events and where the next page begins; `next` is None when that was all."""

    events: list[EventRow]
    next: int | None
    history: str = ""
    """The store's history, when the page leaves the store."""


class _Filling:
    """A page that is being filled, up to its bounds."""

    def __init__(self, room: int) -> None:
        self.events: list[Any] = []
        self.room = room
        """Events that still fit."""
        self.full = False
        self._bytes = 0

    def take(self, rows: Iterable[EventRow]) -> None:
        """Take rows as long as they fit; none is fetched beyond the one that fills the page."""
        taken, size = take_fitting(rows, self.room, PAGE_BYTES - self._bytes)
        self.events += taken
        self.room -= len(taken)
        self._bytes += size
        self.full = self.room == 0 or self._bytes >= PAGE_BYTES


class Reader:
    """Answers from the file; each method is one consistent look."""

    def __init__(self, connection: apsw.Connection, recent: RecentPositions) -> None:
        self._connection = connection
        self._recent = recent

    def read_stream(self, stream_id: str, start: int, count: int, backward: bool, limit: int = PAGE_EVENTS) -> Page:
        """Up to `count` visible events of a stream from `start` on, backward from it down, as far as a page goes.

        What was hidden is passed over: the page begins at the first event that is there.
        """
        filling = _Filling(min(count, limit, PAGE_EVENTS))
        if backward:
            self._fill_backward(filling, stream_id, start, -1)
        else:
            self._fill_forward(filling, stream_id, start, LARGEST_VERSION)
        if not filling.full:
            return Page(filling.events, None)
        following = filling.events[-1][VERSION] + (-1 if backward else 1)
        return Page(filling.events, following if following >= 0 else None)

    def _fill_forward(self, filling: _Filling, stream_id: str, start: int, end: int) -> None:
        """Take versions from `start` to before `end`: what is indexed, then the newest."""
        recent = self._recent.first_version(stream_id)
        indexed_end = end if recent is None else min(end, recent)
        if start < indexed_end:
            self._fill(filling, queries.STREAM_FORWARD, (stream_id, start, indexed_end, filling.room))
        if indexed_end < end:
            self._fill_at(filling, queries.AT_POSITIONS, self._recent.positions(stream_id, start, end))

    def _fill_backward(self, filling: _Filling, stream_id: str, start: int, end: int) -> None:
        """Take versions from `start` down to above `end`: the newest, then what is indexed."""
        recent = self._recent.first_version(stream_id)
        if recent is not None and start >= recent:
            positions = self._recent.positions_backward(stream_id, start, end)
            self._fill_at(filling, queries.AT_POSITIONS_BACKWARD, positions)
            start = recent - 1
        if not filling.full and start > end:
            self._fill(filling, queries.STREAM_BACKWARD, (stream_id, start, end, filling.room))

    def _fill_at(self, filling: _Filling, query: str, positions: Iterator[int]) -> None:
        while not filling.full and (some := list(islice(positions, min(filling.room, POSITIONS)))):
            filling.take(select_in(self._connection, query, some))

    def _fill(self, filling: _Filling, query: str, parameters: tuple[Any, ...]) -> None:
        cursor = self._connection.execute(query, parameters)
        filling.take(cursor)
        cursor.close()

    def read_all(self, after: int, count: int, head: int) -> Page:
        """Up to `count` visible events after `after`, from one span of positions that ends at `head` at the latest."""
        filling = _Filling(min(count, PAGE_EVENTS))
        end = min(after + SPAN, head)
        self._fill(filling, queries.ALL_FORWARD, (after, end, filling.room))
        reached = filling.events[-1][POSITION] if filling.full else end
        return Page(filling.events, reached if reached < head else None)

    def read_all_backward(self, before: int, count: int) -> Page:
        """Up to `count` visible events below `before`, newest first, from one span of positions."""
        filling = _Filling(min(count, PAGE_EVENTS))
        end = max(before - SPAN, 1)
        self._fill(filling, queries.ALL_BACKWARD, (before, end, filling.room))
        reached = filling.events[-1][POSITION] if filling.full else end
        return Page(filling.events, reached if reached > 1 else None)

    def read_types(self, types: Collection[str], after: int, count: int, head: int) -> Page:
        """Up to `count` visible events of these types after `after`, up to `head`, from some spans of positions."""
        spans = TypedSpans(self._connection, types)
        filling = _Filling(min(count, PAGE_EVENTS))
        for low, high in spans.forward(after + 1, head):
            if low > high:
                return Page(filling.events, high if high < head else None)
            self._fill(filling, queries.TYPED, (low, high, spans.numbers_json, filling.room))
            if filling.full:
                break
        reached = filling.events[-1][POSITION]
        return Page(filling.events, reached if reached < head else None)

    def read_types_backward(self, types: Collection[str], before: int, count: int) -> Page:
        """Up to `count` visible events of these types below `before`, newest first, from some spans of positions."""
        spans = TypedSpans(self._connection, types)
        filling = _Filling(min(count, PAGE_EVENTS))
        for low, high in spans.backward(before - 1):
            if low > high:
                return Page(filling.events, low if low > 1 else None)
            self._fill(filling, queries.TYPED_BACKWARD, (low, high, spans.numbers_json, filling.room))
            if filling.full:
                break
        reached = filling.events[-1][POSITION]
        return Page(filling.events, reached if reached > 1 else None)

    def event_id(self, position: int) -> bytes | None:
        """The id of the event at a position, hidden or not; None when there is none."""
        found: bytes | None = queries.one(self._connection, queries.EVENT_ID, (position,))
        return found

    def at_positions(self, positions: Sequence[int]) -> tuple[list[EventRow], int]:
        """The visible events at the first of these ascending positions, and how many positions that were.

        The one with which they weigh a page's bytes is the last. Some may be gone.
        """
        filling = _Filling(len(positions))
        self._fill_at(filling, queries.AT_POSITIONS, iter(positions))
        if not filling.full:
            return filling.events, len(positions)
        return filling.events, bisect_right(positions, filling.events[-1][POSITION])

    def streams_at(self, positions: Sequence[int]) -> dict[int, str]:
        """The streams of the events at these positions, hidden ones included; some may be gone."""
        return dict(select_in(self._connection, queries.STREAMS_AT, positions))

    def first_since(self, epoch: int, first: int, last: int) -> int | None:
        """The first position of a range whose event was written at or after a time (microseconds since 1970).

        Looked for from event to event: times do not go up with positions where events were imported or a clock was set
        back.
        """
        row = self._connection.execute(queries.FIRST_SINCE, (first, last, epoch)).fetchone()
        return None if row is None else int(row[0])

    def version_after(self, stream_id: str, position: int) -> int:
        """The version of the stream's first event after `position`; the one that comes next when there is none."""
        low, high = 0, self.version(stream_id) + 1
        while low < high:
            middle = (low + high) // 2
            filling = _Filling(1)
            self._fill_forward(filling, stream_id, middle, high)
            if not filling.events or filling.events[0][POSITION] > position:
                high = middle
            else:
                low = filling.events[0][VERSION] + 1
        return low

    def version(self, stream_id: str) -> int:
        """The stream's version; -1 when it was never written to."""
        recent = self._recent.last_version(stream_id)
        if recent is not None:
            return recent
        row = self._connection.execute(queries.HEADS, (stream_id,)).fetchone()
        return NO_STREAM if row is None else int(row[2])

    def streams(self, prefix: str, after: str, limit: int) -> tuple[list[str], str | None]:
        """Up to `limit` ids of existing streams with `prefix` that come after `after`, in byte order; and how far.

        Deleted streams that lie between count, too: none may be found. None: no stream comes after these.
        """
        rows = self._connection.execute(queries.STREAM_NAMES, (after, prefix, _behind(prefix), STREAMS_AT_ONCE))
        found: list[str] = []
        looked_at = 0
        for name, state in rows:
            looked_at += 1
            if state == LIVE:
                found.append(name)
                if len(found) == limit:
                    rows.close()
                    return found, name
        return found, (name if looked_at == STREAMS_AT_ONCE else None)

    def snapshot(self, source: str, stream: str, version: int | None) -> tuple[Any, ...] | None:
        """A snapshot in the field order of model.snapshots.Snapshot; the newest when no version is named."""
        if version is None:
            return self._connection.execute(queries.NEWEST_SNAPSHOT, (source, stream)).fetchone()
        return self._connection.execute(queries.SNAPSHOT, (source, stream, version)).fetchone()

    def snapshots(
        self, source: str | None, stream: str | None, after: tuple[str, str, int] | None, limit: int
    ) -> tuple[list[tuple[Any, ...]], bool]:
        """Up to `limit` snapshots in the order of their keys, and whether more follow."""
        query = queries.SNAPSHOTS if source is None else queries.SNAPSHOTS_OF_SOURCE
        found: list[tuple[Any, ...]] = []
        size = 0
        cursor = self._connection.execute(query, (*(after or ("", "", -1)), source, stream, limit + 1))
        for row in cursor:
            if len(found) == limit or size >= PAGE_BYTES:
                cursor.close()
                return found, True
            found.append(row)
            size += snapshot_bytes(row)
        return found, False

    def counts(self) -> tuple[int, int, int]:
        """Streams ever written to, event types, bytes of the database; none of it is counted row by row."""
        return (
            queries.one(self._connection, queries.LAST_SID),
            queries.one(self._connection, queries.LAST_TID),
            queries.one(self._connection, queries.SIZE),
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _behind(prefix: str) -> str | bytes:
    """The least value that comes after all text that begins with `prefix`."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return _BEYOND_TEXT
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
