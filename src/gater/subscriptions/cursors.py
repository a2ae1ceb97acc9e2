"""The cursor of a follower in a stream or in a store, and the matching events that come next there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeVar

from gater.model.events import POSITION, VERSION, EventRow
from gater.model.expected_version import LARGEST_VERSION
from gater.model.limits import PAGE_EVENTS
from gater.store.store import Store
from gater.subscriptions.looking import Looked, look
from gater.subscriptions.matching import Matcher

Answer = TypeVar("Answer")

LOOKED_THROUGH: Final = 250
"""Stored events that are looked through at once when no index helps: others, such as appends, have their turn."""


class Cursor(Protocol):
    """A place in a store; it moves forward by itself."""

    next: int
    """The version, or the position, that is looked at next: as `start_from`, it goes on here."""

    def page(self, limit: int) -> list[EventRow] | None:
        """Up to `limit` matching events, perhaps none among those looked at; None: there is nothing more to look at."""
        ...

    def pass_by(self, events: list[EventRow]) -> Looked:
        """Look at events which were committed since `page` gave None; the cursor moves behind those looked at."""
        ...

    def pass_all(self, position: int) -> None:
        """Everything that is committed up to a position has been looked at."""
        ...

    def is_ahead(self) -> bool:
        """Whether events are yet to come that it will pass over: it began beyond the end."""
        ...


class StreamCursor:
    """A place in one stream: `next` is a version."""

    def __init__(self, store: Store, stream_id: str, matcher: Matcher, start: int) -> None:
        self.next = start
        self._store = store
        self._stream_id = stream_id
        self._matcher = matcher

    def page(self, limit: int) -> list[EventRow] | None:
        """Matching events of the next versions, however many were truncated before them."""
        reader = self._store.reader
        page = _read(self._store, lambda: reader.read_stream(self._stream_id, self.next, LARGEST_VERSION, False, limit))
        return self.pass_by(page.events).matching if page.events else None

    def pass_by(self, events: list[EventRow]) -> Looked:
        """The matching events among those that were not looked at before."""
        return _pass_by(self, self._matcher, events, VERSION)

    def pass_all(self, position: int) -> None:
        """Nothing: the next version is the next, whatever happens in other streams."""

    def is_ahead(self) -> bool:
        """Whether it began beyond the stream's next version."""
        return self.next > _read(self._store, lambda: self._store.reader.version(self._stream_id)) + 1


class StoreCursor:
    """A place in the commit order of a store: `next` is a position."""

    def __init__(self, store: Store, matcher: Matcher, start: int) -> None:
        self.next = max(start, 1)
        self._store = store
        self._matcher = matcher

    def page(self, limit: int) -> list[EventRow] | None:
        """Matching events from the tail, which has the newest, or from the file."""
        tail = self._store.tail
        if self.next > tail.position:
            return None
        events = tail.after(self.next - 1, PAGE_EVENTS)
        if events is not None:
            return self.pass_by(events[:limit]).matching
        return self._from_file(limit)

    def _from_file(self, limit: int) -> list[EventRow]:
        head, reader, types = self._store.tail.position, self._store.reader, self._matcher.types
        after = self.next - 1
        if types is None:
            count = limit if self._matcher.everything else min(limit, LOOKED_THROUGH)
            page = _read(self._store, lambda: reader.read_all(after, count, head))
        else:
            page = _read(self._store, lambda: reader.read_types(types, after, limit, head))
        looked = look(self._matcher, page.events)
        if looked.rest and looked.last is not None:
            self.next = looked.last[POSITION] + 1
        else:
            self.next = (head if page.next is None else page.next) + 1
        return looked.matching

    def pass_by(self, events: list[EventRow]) -> Looked:
        """The matching events among those that were not looked at before."""
        return _pass_by(self, self._matcher, events, POSITION)

    def pass_all(self, position: int) -> None:
        """Move the cursor past the position, unless it begins still later."""
        self.next = max(self.next, position + 1)

    def is_ahead(self) -> bool:
        """Whether it began beyond the store's next position."""
        return self.next > self._store.tail.position + 1


def cursor_of(store: Store, matcher: Matcher, start: int | None) -> Cursor:
    """The place of a follower that begins at `start` (None: behind all that is committed)."""
    stream_id = matcher.selector.stream_id
    if stream_id is None:
        return StoreCursor(store, matcher, store.tail.position + 1 if start is None else start)
    if start is None:
        start = _read(store, lambda: store.reader.version(stream_id)) + 1
    return StreamCursor(store, stream_id, matcher, start)


def _pass_by(cursor: Cursor, matcher: Matcher, events: list[EventRow], numbered_by: Literal[1, 2]) -> Looked:
    """Look at those events that the cursor has not passed, by the field that numbers them."""
    looked = look(matcher, [event for event in events if event[numbered_by] >= cursor.next])
    if looked.last is not None:
        cursor.next = looked.last[numbered_by] + 1
    return looked


def _read(store: Store, read: Callable[[], Answer]) -> Answer:
    with store.reading():
        return read()
