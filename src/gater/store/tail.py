"""The newest events of a store, kept in memory for its followers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, TypeVar

from gater.model.events import POSITION, EventRow, fitting, payload_bytes_of
from gater.model.limits import PAGE_BYTES
from gater.store.hidden import NOTHING_HIDDEN, Hidden, is_visible
from gater.store.tail_budget import TailBudget
from gater.store.watches import Watches

MOST_EVENTS: Final = 10_000
MOST_BYTES: Final = 16 << 20

Observer = Callable[[Sequence[EventRow]], None]

Told = TypeVar("Told")

log = logging.getLogger(__name__)


class Tail:
    """A bounded run of the newest events, without a gap; who falls behind it reads from the file."""

    def __init__(self, position: int) -> None:
        self.position = position
        """Position of the newest committed event."""
        self.watches = Watches()
        self.observers: list[Observer] = []
        """Told of the events of each batch that can be read; one that fails harms no other."""
        self.on_hidden: list[Callable[[Hidden], None]] = []
        """Told which events were hidden, so that those in memory are let go of."""
        self.budget: TailBudget | None = None
        """What counts its bytes together with those of other stores."""
        self._events: deque[EventRow] = deque()
        self._batches: deque[tuple[int, int]] = deque()
        """Events and payload bytes of each batch."""
        self._bytes = 0
        self._forgotten = position
        """Events up to here were let go of because there are newer ones, or other stores need the room."""

    def extend(self, events: Sequence[EventRow], hides: Hidden = NOTHING_HIDDEN) -> None:
        """Take in the events of a batch and wake the followers that wait for them.

        When the batch `hides` earlier events, all are let go: who is behind reads what is left from the file.
        """
        if len(events) > MOST_EVENTS:
            # More than fits: who follows reads it from the file.
            self._clear()
            self._forgotten = self.position
            self.position = events[-1][POSITION]
        elif events:
            size = payload_bytes_of(events)
            self._events.extend(events)
            self._batches.append((len(events), size))
            self._bytes += size
            self.position = events[-1][POSITION]
        is_hiding = hides is None or bool(hides)
        if is_hiding:
            self._clear()
        while len(self._events) > MOST_EVENTS:
            self._forget_oldest()
        if self._bytes > MOST_BYTES:
            self.shorten(MOST_BYTES)
        if self.budget is not None:
            self.budget.count(self)
        self.watches.forget(self._forgotten)
        self.watches.feed(events, hides)
        if is_hiding:
            for told in tuple(self.on_hidden):
                self._tell(told, hides)
            events = [event for event in events if is_visible(event, hides or NOTHING_HIDDEN)]
        for observer in tuple(self.observers):
            self._tell(observer, events)

    def _tell(self, observer: Callable[[Told], None], what: Told) -> None:
        try:
            observer(what)
        except (Exception, asyncio.CancelledError):
            log.exception("an observer of committed events failed", extra={"position": self.position})

    @property
    def bytes(self) -> int:
        """Weight of the events that are here."""
        return self._bytes

    def shorten(self, most: int) -> None:
        """Let go of the oldest until they weigh no more than that, or the newest batch alone is left; 0: of all."""
        while self._bytes > most and len(self._batches) > 1:
            self._forget_oldest()
        if not most:
            self._clear()
            self._forgotten = self.position
            self.watches.forget(self.position)

    def _clear(self) -> None:
        self._events.clear()
        self._batches.clear()
        self._bytes = 0

    def _forget_oldest(self) -> None:
        count, size = self._batches.popleft()
        self._bytes -= size
        for _ in range(count):
            self._forgotten = self._events.popleft()[POSITION]

    @property
    def given(self) -> int:
        """The position up to which all followers with a place in the tail have their events."""
        due = self.watches.next_given
        return self.position if due is None else due - 1

    def holds(self, position: int) -> bool:
        """Whether every event after `position` is here."""
        return self.position - position <= len(self._events)

    def after(self, position: int, limit: int) -> list[EventRow] | None:
        """Up to `limit` events after `position`, or a page's bytes; None when some of them are no longer here."""
        events = self._events
        missing = self.position - position
        if missing <= 0:
            return []
        if missing > len(events):
            return None
        page = self._newest(missing, limit)
        if payload_bytes_of(page) >= PAGE_BYTES:
            del page[fitting(page, PAGE_BYTES) :]
        return page

    def _newest(self, count: int, limit: int) -> list[EventRow]:
        """The first `limit` of the newest `count` events; the few behind a live reader cost no walk over the others."""
        events = self._events
        if count <= limit:
            return list(islice(reversed(events), count))[::-1]
        start = len(events) - count
        return list(islice(events, start, start + limit))
