"""Reads of a store's file, in pages bounded by count and bytes, on a connection of their own.

They run on the event loop: a page is a fraction of a millisecond, less than handing it to a thread would cost.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import apsw

from gater.model.expected_version import NO_STREAM
from gater.model.limits import PAGE_BYTES, PAGE_EVENTS
from gater.store import queries
from gater.store.machine import EventRow

SPAN: Final = 10_000
"""Positions that one query looks at, hidden ones included."""

_BEYOND: Final = "\U0010ffff"
"""Follows every character that an id may go on with."""


class Page(NamedTuple):
    """Some events and where the next page begins; `next` is None when that was all."""

    events: list[EventRow]
    next: int | None


class Reader:
    """Answers from the file; each method is one consistent look."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def read_stream(self, stream_id: str, start: int, count: int, backward: bool) -> Page:
        """The visible events of the window of `count` versions from `start` on, as far as a page goes."""
        limit = min(count, PAGE_EVENTS)
        if backward:
            end = start - count
            events, full = self._page(queries.STREAM_BACKWARD, (stream_id, start, end, limit), limit)
            following = events[-1][1] - 1 if full else -1
            return Page(events, following if following > end and following >= 0 else None)
        end = min(start + count, (1 << 63) - 1)
        events, full = self._page(queries.STREAM_FORWARD, (stream_id, start, end, limit), limit)
        following = events[-1][1] + 1 if full else end
        return Page(events, following if following < end else None)

    def read_all(self, after: int, count: int, head: int) -> Page:
        """Up to `count` visible events behind `after`, from one span of positions that ends at `head` at the latest."""
        limit = min(count, PAGE_EVENTS)
        end = min(after + SPAN, head)
        events, full = self._page(queries.ALL_FORWARD, (after, end, limit), limit)
        reached = events[-1][2] if full else end
        return Page(events, reached if reached < head else None)

    def read_all_backward(self, before: int, count: int) -> Page:
        """Up to `count` visible events below `before`, newest first, from one span of positions."""
        limit = min(count, PAGE_EVENTS)
        end = max(before - SPAN, 1)
        events, full = self._page(queries.ALL_BACKWARD, (before, end, limit), limit)
        reached = events[-1][2] if full else end
        return Page(events, reached if reached > 1 else None)

    def _page(self, query: str, parameters: tuple[Any, ...], limit: int) -> tuple[list[EventRow], bool]:
        """The rows of a query up to a page's bounds, and whether a bound was met."""
        events: list[Any] = []
        size = 0
        cursor = self._connection.execute(query, parameters)
        for row in cursor:
            events.append(row)
            size += len(row[6])
            if size >= PAGE_BYTES:
                cursor.close()
                return events, True
        return events, len(events) == limit

    def version(self, stream_id: str) -> int:
        """The stream's version; -1 when it was never written to."""
        row = self._connection.execute(queries.HEADS, (stream_id,)).fetchone()
        return NO_STREAM if row is None else int(row[2])

    def streams(self, prefix: str, after: str, limit: int) -> list[str]:
        """Up to `limit` ids of existing streams with `prefix` that come after `after`, in byte order."""
        found = self._connection.execute(queries.STREAM_NAMES, (after, prefix, prefix + _BEYOND, limit))
        return [row[0] for row in found]

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
            size += len(row[4])
        return found, False

    def counts(self) -> tuple[int, int, int]:
        """Streams ever written to, event types, snapshots."""
        return (
            queries.one(self._connection, queries.LAST_SID),
            queries.one(self._connection, queries.LAST_TID),
            queries.one(self._connection, queries.COUNT_SNAPSHOTS),
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
