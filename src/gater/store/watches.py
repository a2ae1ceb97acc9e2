"""Followers of a store that have caught up, and reads that wait for a position; an append costs what it matches.

A watch on some of the events is given those that it waits for as they are committed, up to a bound. A watch on
everything is only woken, and looks into the tail, which has the events for all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from time import perf_counter
from typing import Final

from gater.model.events import POSITION, EventRow, payload_bytes, payload_bytes_of
from gater.model.limits import TURN_SECONDS
from gater.model.memory_budget import MAX_MEMORY, Share
from gater.store.hidden import NOTHING_HIDDEN, Hidden, is_visible
from gater.store.interest_index import InterestIndex
from gater.store.interests import EVERYTHING, Interest
from gater.store.position_waits import PositionWaits
from gater.store.tail_budget import GivenOut
from gater.store.turns import is_time_due

MOST_WAITING: Final = 1_000
"""Events that wait for one follower; with more it has fallen behind, and reads on from the file."""
MOST_WAITING_BYTES: Final = 4 << 20

log = logging.getLogger(__name__)


class Watch:
    """The place of one follower among those that wait; it belongs to the event loop."""

    def __init__(self, *, indexed: bool, holders: dict[Watch, None], leave: Callable[[Watch], object]) -> None:
        """`holders` are the watches that keep events."""
        self.indexed = indexed
        """Whether it is given its events, and not only woken."""
        self.behind = False
        """Whether events have been let go that it should have been given."""
        self.notify: Callable[[], None] | None = None
        """Called when something happens first after `take`; must not change which watches there are."""
        self._holders = holders
        self._leave = leave
        self._events: list[EventRow] = []
        self._bytes = 0
        self._woken = False
        self._future: asyncio.Future[None] | None = None

    def put(self, event: EventRow) -> None:
        """Keep an event for the follower, and wake it."""
        if not self.behind:
            if not self._events:
                self._holders[self] = None
            self._events.append(event)
            self._bytes += payload_bytes(event)
            if len(self._events) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
                self.lose()
        self.wake()

    def lose(self) -> None:
        """Let go of what waits: the follower is behind."""
        self.behind = True
        self._let_go()

    def _let_go(self) -> list[EventRow]:
        events, self._events = self._events, []
        self._bytes = 0
        self._holders.pop(self, None)
        return events

    @property
    def first(self) -> int:
        """Position of the first event that waits, of at least one."""
        return self._events[0][POSITION]

    def drop_hidden(self, hidden: Mapping[str, int]) -> None:
        """Let go of the events that are hidden now."""
        visible = [event for event in self._let_go() if is_visible(event, hidden)]
        if visible:
            self.give_back(visible)

    def wake(self) -> None:
        """Say that something has happened."""
        if self._woken:
            return
        self._woken = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
        if self.notify is not None:
            self._call(self.notify)

    @staticmethod
    def _call(notify: Callable[[], None]) -> None:
        """Tell a follower; one that fails harms no other."""
        try:
            notify()
        except (Exception, asyncio.CancelledError):
            log.exception("a follower failed to be woken")

    def take(self) -> list[EventRow]:
        """The events kept since the last call, in commit order."""
        self._woken = False
        return self._let_go() if self._events else []

    @property
    def is_woken(self) -> bool:
        """Whether something has happened since `take`."""
        return self._woken

    def give_back(self, events: list[EventRow]) -> None:
        """Keep the rest of what was taken, for the next look, which is due at once."""
        if not self.behind:
            self._events[:0] = events
            self._bytes += payload_bytes_of(events)
            self._holders[self] = None
        self.wake()

    async def wait(self) -> None:
        """Return when something has happened since `take`."""
        if not self._woken:
            self._future = asyncio.get_running_loop().create_future()
            try:
                await self._future
            finally:
                self._future = None

    def close(self) -> None:
        """Wait no longer; closing twice is closing once."""
        self._holders.pop(self, None)
        self._leave(self)


class Watches:
    """All watches on the events of one store."""

    def __init__(self) -> None:
        self.closed = False
        """Whether nothing more will come."""
        self._of_everything: dict[Watch, None] = {}
        self._index = InterestIndex()
        self._positions = PositionWaits()
        self._holders: dict[Watch, None] = {}
        self._due: deque[EventRow] = deque()
        """Committed events that are not given yet: to look at a large batch at once would keep the loop for long."""
        self._due_bytes = 0
        self.given_out = GivenOut(Share("followers", MAX_MEMORY))
        """What counts those that are due, together with those of other stores; without room, all followers read on from
        the file.
        """
        self._is_going_on = False
        """Whether the next turn is asked for."""

    def watch(self, interest: Interest = EVERYTHING) -> Watch:
        """A watch on some events, or on all, until it is closed."""
        if interest.everything:
            watch = self._new(False, lambda watch: self._of_everything.pop(watch, None))
            self._of_everything[watch] = None
        else:
            watch = self._new(True, lambda watch: self._index.discard(interest, watch))
            self._index.add(interest, watch)
        return watch

    def watch_position(self, position: int) -> Watch:
        """A watch that is woken once a position is committed that was not yet."""
        watch = self._new(False, lambda watch: self._positions.discard(position, watch))
        self._positions.add(position, watch)
        return watch

    def _new(self, indexed: bool, leave: Callable[[Watch], object]) -> Watch:
        watch = Watch(indexed=indexed, holders=self._holders, leave=leave)
        if self.closed:
            watch.wake()
        return watch

    @property
    def next_given(self) -> int | None:
        """Position of the first committed event that is not given yet; None when all are."""
        return self._due[0][POSITION] if self._due else None

    def feed(self, events: Sequence[EventRow], hidden: Hidden = NOTHING_HIDDEN) -> None:
        """Give each event of a batch to the followers that wait for it, and let go of what the batch has hidden.

        The events of a large batch are given in several turns of the event loop.
        """
        if hidden is None:
            self._lose_all(wakes=False)  # what waits for them has woken them before
        elif hidden:
            self._drop_hidden(hidden)
        if not events:
            return
        for watch in self._of_everything:
            watch.wake()
        if self._positions:
            for watch in self._positions.reached(events[-1][POSITION]):
                watch.wake()
        if hidden:
            events = [event for event in events if is_visible(event, hidden)]
        if self._index:
            try:
                self._give_in_turn(events)
            except Exception:
                log.exception("events cannot be given to followers, which read them from the file")
                self._lose_all(wakes=True)

    def forget(self, position: int) -> None:
        """Forget events up to `position`: followers that still have one of them waiting have fallen behind.

        So what waits for all followers together is part of what the store keeps for them.
        """
        while self._holders and (watch := next(iter(self._holders))).first <= position:
            watch.lose()

    def _give_in_turn(self, events: Sequence[EventRow]) -> None:
        """Give events now, unless earlier ones wait; those for which a turn is not long enough wait."""
        given = 0 if self._due else self._give(events)
        if given == len(events):
            return
        size = payload_bytes_of(events) - payload_bytes_of(islice(events, given))
        if not self.given_out.take(size):
            self._lose_all(wakes=True)
            return
        if not self._is_going_on:
            self._go_on_soon()
        self._due.extend(islice(events, given, None))
        self._due_bytes += size

    def _give(self, events: Sequence[EventRow]) -> int:
        """Give events in order until the time of a turn is over; how many were given."""
        find, end = self._index.find, perf_counter() + TURN_SECONDS
        for number, event in enumerate(events, 1):
            for watch in find(event):
                watch.put(event)
            if is_time_due(number, event) and perf_counter() > end:
                return number
        return len(events)

    def _go_on(self) -> None:
        """Give what waits, for one more turn."""
        self._is_going_on = False
        try:
            given = self._give(self._due)
            self._count_out(sum([payload_bytes(self._due.popleft()) for _ in range(given)]))
        except Exception:
            log.exception("events cannot be given to followers, which read them from the file")
            self._lose_all(wakes=True)
        if self._due:
            self._go_on_soon()

    def _go_on_soon(self) -> None:
        self._is_going_on = True
        asyncio.get_running_loop().call_soon(self._go_on)

    def _drop_hidden(self, hidden: Mapping[str, int]) -> None:
        for watch in tuple(self._holders):
            watch.drop_hidden(hidden)
        if self._due:
            self._due = deque([event for event in self._due if is_visible(event, hidden)])
            self._count_out(self._due_bytes - payload_bytes_of(self._due))

    def _count_out(self, size: int) -> None:
        self._due_bytes -= size
        self.given_out.give_back(size)

    def _clear_due(self) -> None:
        self._due.clear()
        self._count_out(self._due_bytes)

    def _lose_all(self, *, wakes: bool) -> None:
        """Have all followers of some of the events read on from the file, at once or with the next event."""
        self._clear_due()
        for watch in self._index.watches():
            watch.lose()
            if wakes:
                watch.wake()

    def close(self) -> None:
        """Wake all, for the last time."""
        self.closed = True
        self._clear_due()
        for watch in self._all():
            watch.wake()

    def _all(self) -> list[Watch]:
        return [*self._of_everything, *self._index.watches(), *self._positions.watches()]
