"""Reads what a consumer group has room for: stored events, then new ones, and parked ones that come again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Final

from gater.model.events import POSITION, VERSION, EventRow
from gater.model.limits import PAGE_EVENTS, TURN_SECONDS
from gater.store.hidden import Hidden, is_visible
from gater.store.store import Store
from gater.store.subscription_reader import SavedSubscription
from gater.store.watches import Watch
from gater.subscriptions.catch_up import has_fallen_behind, newest
from gater.subscriptions.consumer import Consumer
from gater.subscriptions.cursors import LOOKED_THROUGH, Cursor, StoreCursor, StreamCursor
from gater.subscriptions.group import Group
from gater.subscriptions.interests import interest_of
from gater.subscriptions.matching import compile_selector
from gater.subscriptions.replay_queue import ReplayQueue
from gater.subscriptions.unread_count import UnreadCount

PAGES_A_TURN: Final = 4
"""Pages that are read for a group before others have their turn."""
PAGES_AT_MOST: Final = 32
"""Pages that are read for an acknowledgement of an event that was delivered before the store was opened."""
LOADED_AT_ONCE: Final = 64
"""Events whose payload is read again at once, until what is kept weighs enough."""
RESUMED_AT_ONCE: Final = 32
"""Streams that go on after an earlier event of them was settled, in one turn of the event loop."""
RESUMED_EVENTS: Final = 32
"""Events of such a stream that are read at once: it may be held up by the next one."""
MOST_HIDDEN: Final = 1_000
"""Streams of hidden events that a group which gives nothing may be told of later."""


class Feeder:
    """The place of a group in its store; once caught up, a place among the followers that wait for new events."""

    def __init__(
        self,
        store: Store,
        saved: SavedSubscription,
        group: Group,
        consumers: Sequence[Consumer],
        changed: Callable[[], None],
    ) -> None:
        """`consumers` are those of the group, at any time; `changed` is called when there may be new events for it."""
        self._store = store
        self._group = group
        self._consumers = consumers
        self._changed = changed
        self._matcher = compile_selector(saved.config.selector)
        self._interest = interest_of(self._matcher)
        self._stream_id = saved.config.selector.stream_id
        self._cursor = self._cursor_behind(saved)
        self._place: Watch | None = None
        self._unread = UnreadCount(store, self._matcher)
        self._replays = ReplayQueue()
        self._hidden: dict[str, int] = {}
        """Streams of which events were hidden that the group may have, and their oldest visible version."""

    def _cursor_behind(self, saved: SavedSubscription) -> Cursor:
        stream_id = self._stream_id
        if stream_id is None:
            return StoreCursor(self._store, self._matcher, saved.checkpoint + 1)
        first = self._store.reader.version_after(stream_id, saved.checkpoint)
        return StreamCursor(self._store, stream_id, self._matcher, max(first, saved.first_version))

    @property
    def behind(self) -> int:
        """Events not read yet that may match, at most: those of its stream, or counted ones and positions behind them.

        0 when it waits for new events.
        """
        if self._place is not None:
            return 0
        if self._stream_id is not None:
            return max(self._store.reader.version(self._stream_id) + 1 - self._cursor.next, 0)
        return self._unread.at_most(self._group.reached)

    def count_unread(self) -> None:
        """Count which events match of those that were not read yet, unless that is known: not for long."""
        if self._place is None and self._stream_id is None and not self._matcher.everything:
            self._unread.count_on(self._group.reached)

    def fill(self) -> bool:
        """Read on, as far as the group has room and a turn of the event loop allows; whether there may be more."""
        group = self._group
        self._read_again()
        if group.has_ready and group.room < PAGE_EVENTS:
            return False
        end = perf_counter() + TURN_SECONDS
        for _ in range(PAGES_A_TURN):
            room = min(group.room, PAGE_EVENTS, group.refill.fitting)
            if not room and not self._make_room():
                return group.refill.is_wanted
            if room and not self._read(room):
                return group.refill.is_wanted
            if perf_counter() > end:
                break
        return True

    def _make_room(self) -> bool:
        """Have the group let go of what cannot be delivered now, unless all events wait in one line anyway."""
        if self._stream_id is not None and self._group.settings.ordering == "key":
            return False
        return self._group.make_room()

    def _read_again(self) -> None:
        """Read what the group has let go of, and can deliver now."""
        refill = self._group.refill
        positions = refill.to_load(min(LOADED_AT_ONCE, refill.fitting))
        if positions:
            events, looked_at = self._store.reader.at_positions(positions)
            refill.loaded(positions[:looked_at], events)
        for key, mark in refill.to_resume(RESUMED_AT_ONCE):
            if refill.is_heavy:
                break
            version = mark.version or self._store.reader.version_after(key, mark.first - 1)
            cursor = StreamCursor(self._store, key, self._matcher, version)
            page = cursor.page(RESUMED_EVENTS)
            refill.resume(key, mark, page or [], cursor.next, page is None)

    def read_up_to(self, position: int, *, waits: bool) -> None:
        """Read on as far as a position, if it is not too far; with `waits` it waits for new events afterwards."""
        for _ in range(PAGES_AT_MOST):
            room = min(self._group.room, PAGE_EVENTS)
            if not room or self._group.reached >= position or not self._read(room):
                break
        if not waits:
            self.leave()

    def look_ahead(self) -> None:
        """Find the event that comes next, if it is not far."""
        end = perf_counter() + TURN_SECONDS
        is_found_by_index = self._stream_id is not None or self._matcher.everything or self._matcher.types is not None
        limit = 1 if is_found_by_index else LOOKED_THROUGH
        for _ in range(PAGES_A_TURN):
            if self._group.unsettled or not self._read(limit) or perf_counter() > end:
                return

    def leave(self) -> None:
        """Wait for new events no longer; what comes is read when it is asked for."""
        if self._place is not None:
            self._place.close()
            self._place = None

    def _read(self, limit: int) -> bool:
        """Read a page into the group; whether there may be more."""
        cursor, place = self._cursor, self._place
        if place is not None and not has_fallen_behind(self._store, place, cursor):
            events = newest(self._store, place, cursor)
            more = bool(events) or place.is_woken  # the tail may hold more than one page, or a turn was not enough
            looked = self._store.tail.given if place.indexed else self._store.tail.position
            self._group.feed(events, self._reached(events) if more else looked)
            return more
        self.leave()
        self._skip_settled()
        page = cursor.page(limit)
        if page is None:
            self._place = self._store.tail.watches.watch(self._interest)
            self._place.notify = self._changed
            self._group.feed([], self._store.tail.position)
            return False
        self._group.feed(page, self._reached(page))
        return True

    def _skip_settled(self) -> None:
        """Go on at the next position of which it is not known that it is settled."""
        cursor, wanted = self._cursor, self._group.next_wanted
        if wanted <= self._group.reached + 1:
            return
        if isinstance(cursor, StoreCursor):
            cursor.next = max(cursor.next, wanted)
        elif self._stream_id is not None:
            cursor.next = max(cursor.next, self._store.reader.version_after(self._stream_id, wanted - 1))

    def _reached(self, page: Sequence[EventRow]) -> int:
        """The position up to which everything was looked through, after a page."""
        if isinstance(self._cursor, StoreCursor):
            return self._cursor.next - 1
        return page[-1][POSITION] if page else self._group.reached

    # --- memory ---

    @property
    def held_bytes(self) -> int:
        """Weight of the events in memory."""
        return self._group.refill.held_bytes

    def shrink(self, most: int) -> None:
        """Have the group let go of payloads until `most` bytes are left, or one event that a consumer waits for."""
        self._group.refill.shrink(most, keeps_one=self._is_awaited())

    def _is_awaited(self) -> bool:
        """Whether a consumer waits for an event and may have it."""
        group = self._group
        return group.in_flight < group.settings.max_in_flight and any(
            consumer.is_waited_for and group.in_flight_of(consumer) < consumer.prefetch for consumer in self._consumers
        )

    def release(self) -> None:
        """Have the group let go of its events when it has no consumers, and read them again later."""
        dropped = self._group.refill.release()
        if dropped is not None:
            self.leave()
            self._cursor.next = dropped[VERSION] if self._stream_id is not None else dropped[POSITION]

    # --- hidden events ---

    def hidden(self, hidden: Hidden) -> None:
        """Events were hidden: the group lets go of them before it gives something."""
        if hidden is None:
            visible = self._visible(self._group.refill.kept())
            self._group.refill.hide(lambda event: event[POSITION] not in visible)
        elif self._group.refill.keeps_events:
            self._hidden.update(hidden)
            if len(self._hidden) > MOST_HIDDEN:
                self.drop_hidden()

    def _visible(self, positions: list[int]) -> set[int]:
        """Those of ascending positions at which there are events that readers see."""
        found: set[int] = set()
        while positions:
            events, looked_at = self._store.reader.at_positions(positions)
            found.update([event[POSITION] for event in events])
            positions = positions[looked_at:]
        return found

    def drop_hidden(self) -> None:
        """Have the group let go of the events that were hidden since the last call."""
        if self._hidden:
            hidden, self._hidden = self._hidden, {}
            self._group.refill.hide(lambda event: not is_visible(event, hidden))

    # --- parked events ---

    def replay(self, positions: Sequence[int]) -> None:
        """These parked events are to be delivered again."""
        self._replays.end(self._group.refill.ended_replays())
        streams = self._store.reader.streams_at(positions)
        for position in positions:
            self._replays.add(streams.get(position, ""), position)

    def replay_on(self, parked: Iterable[tuple[str, int]]) -> None:
        """These parked events, with their streams, were to be delivered again before the group was made."""
        for stream, position in parked:
            self._replays.add(stream, position)

    def replay_more(self, now: float) -> list[int]:
        """Put some of them into the group, as many as it has room for; the positions of those that are gone."""
        group, replays = self._group, self._replays
        replays.end(group.refill.ended_replays())
        gone: list[int] = []
        for _ in range(PAGES_A_TURN):
            chosen = [] if group.refill.is_heavy else replays.take()
            if not chosen:
                return gone
            events, looked_at = self._store.reader.at_positions(chosen)
            replays.put_back(chosen[looked_at:])
            group.replay(events, now)
            missing = sorted(set(chosen[:looked_at]) - {event[POSITION] for event in events})
            replays.end(missing)
            gone += missing
        self._changed()
        return gone
