"""Broadcasting the events of subscriptions without consumers, for observers to listen to."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

from gater.model.errors import GaterError
from gater.model.events import DATA, METADATA, POSITION, STREAM, Event, EventRow, payload_bytes, payload_bytes_of
from gater.model.json_rules import may_hold_long_numbers
from gater.model.limits import MOST_EVENTS, MOST_MESSAGE_VALUES, PAGE_EVENTS, TURN_SECONDS
from gater.model.memory_budget import MAX_MEMORY, Share
from gater.model.message_body import check_body
from gater.model.selectors import Selector
from gater.store.hidden import Hidden, is_visible
from gater.store.store import Store
from gater.store.tail_budget import GivenOut
from gater.store.turns import is_time_due
from gater.store.watches import Watch
from gater.subscriptions.catch_up import has_fallen_behind, newest
from gater.subscriptions.channels import Bus
from gater.subscriptions.cursors import Cursor, cursor_of
from gater.subscriptions.interests import interest_of
from gater.subscriptions.matching import compile_selector
from gater.subscriptions.topics import event_stream_topic
from gater.subscriptions.work_turns import WorkTurns

MOST_ANNOUNCED: Final = MOST_EVENTS + 10_000
"""Events that wait to be announced: those of a large append, and what is committed meanwhile."""
MOST_BEHIND: Final = 10_000
"""Events of the store that an emitter catches up with from the file; it passes over more."""
EVENTS_TAG: Final = "events"
"""What the message of a delivered event begins with."""

log = logging.getLogger(__name__)


def events_message(event: EventRow) -> list[Any]:
    """The message that carries one event, as plain values: a tag and a list of one."""
    return [EVENTS_TAG, [Event(*event).to_plain()]]


def broadcast_event(bus: Bus, topic: str, event: EventRow) -> bool:
    """Broadcast one event; whether that was possible.

    The payload of one in an old file may be beyond decoding, and that of any may hold integers beyond 64 bits, which
    no message can carry to all listeners, or more values than a message may.
    """
    try:
        message = events_message(event)
        if any(map(_may_be_refused, (event[DATA], event[METADATA] or b""))):
            check_body(message)
        bus.broadcast(topic, message)
    except (GaterError, RecursionError) as error:
        facts = {"topic": topic, "position": event[POSITION], "reason": str(error)}
        log.warning("an event cannot be broadcast", extra=facts)
        return False
    return True


def _may_be_refused(payload: bytes) -> bool:
    """Whether a payload may be what no message can carry; most are not looked at closer."""
    return len(payload) > MOST_MESSAGE_VALUES or may_hold_long_numbers(payload)


class Emitter:
    """Broadcasts what matches a selector on one topic as it is committed, unless it is paused; keeps nothing.

    As long as nobody listens it does not wait for events either: then an append does not know of it.
    """

    def __init__(self, store: Store, selector: Selector, topic: str, bus: Bus, turns: WorkTurns | None = None) -> None:
        """`turns` are those of the event loop that it shares with other subscriptions."""
        self.topic = topic
        self.paused = False
        self.emitted = 0
        self._store = store
        self._bus = bus
        self._turns = turns or WorkTurns()
        self._matcher = compile_selector(selector)
        self._interest = interest_of(self._matcher)
        self._place: Watch | None = None
        self._cursor: Cursor | None = None
        self._looked_at = 0
        """Position of the newest event when all that is committed had been looked at."""
        bus.on_heard.append(self._begin)
        if bus.is_heard:
            self._begin()

    def _begin(self) -> None:
        """Wait for what is committed from now on."""
        self._wait_anew()
        self._begin_here()

    def _wait_anew(self) -> Watch:
        self._stop_waiting()
        self._place = self._store.tail.watches.watch(self._interest)
        self._place.notify = self._emit_soon
        return self._place

    def _begin_here(self) -> None:
        """Pass over all that is committed; when that cannot be read now, the next event lets it be tried again."""
        try:
            self._cursor = cursor_of(self._store, self._matcher, None)
            self._looked_at = self._store.tail.position
        except GaterError as error:
            log.warning("an emitter cannot read", extra={"topic": self.topic, "reason": str(error)})

    def _emit_soon(self) -> None:
        self._turns.add(self._emit)

    def _emit(self) -> None:
        """Broadcast what has come; after a defect it is passed over, and what comes next is broadcast again."""
        try:
            self._emit_what_came()
        except Exception:
            log.exception("an emitter has passed over events", extra={"topic": self.topic})
            if self._place is not None:
                self._place.take()
            self._cursor = None

    def _emit_what_came(self) -> None:
        if self._place is None or self._store.tail.watches.closed:
            return
        if not self._bus.is_heard:
            self._stop_waiting()
        elif self._cursor is None:
            self._place.take()
            self._begin_here()
        elif self.paused and self._place.behind:
            self._begin()
        elif self.paused:
            self._cursor.pass_by(self._place.take())
            self._cursor.pass_all(self._store.tail.given)
            self._looked_at = self._store.tail.position
        elif not has_fallen_behind(self._store, self._place, self._cursor):
            self._read(self._emit_newest, self._place, self._cursor)
        elif self._store.tail.position - self._looked_at <= MOST_BEHIND:
            self._read(self._catch_up, self._wait_anew(), self._cursor)
        else:
            # Whoever listens hears what happens now; what was missed can be read.
            log.warning("an emitter has passed over events", extra={"store": self._store.id, "topic": self.topic})
            self._begin()

    def _read(self, emit: Callable[[Watch, Cursor], bool], place: Watch, cursor: Cursor) -> None:
        try:
            if emit(place, cursor):
                self._looked_at = self._store.tail.position
        except GaterError as error:
            place.lose()  # what comes next lets it be tried again
            log.warning("an emitter cannot read", extra={"topic": self.topic, "reason": str(error)})

    def _emit_newest(self, place: Watch, cursor: Cursor) -> bool:
        """Broadcast what was committed since the last look, for as long as a turn may take; whether that was all."""
        end = perf_counter() + TURN_SECONDS
        while events := newest(self._store, place, cursor):
            self._emit_all(events)
            if perf_counter() > end:
                place.wake()
                return False
        return not place.is_woken

    def _catch_up(self, place: Watch, cursor: Cursor) -> bool:
        """Broadcast what is left of what was let go, read from the file; whether that was all."""
        end = perf_counter() + TURN_SECONDS
        while (events := cursor.page(PAGE_EVENTS)) is not None:
            self._emit_all(events)
            if perf_counter() > end:
                place.lose()
                place.wake()
                return False
        return True

    def _emit_all(self, events: Sequence[EventRow]) -> None:
        if not self._bus.hears(self.topic):
            return
        for event in events:
            self.emitted += broadcast_event(self._bus, self.topic, event)

    def _stop_waiting(self) -> None:
        if self._place is not None:
            self._place.close()
            self._place = None

    def close(self) -> None:
        """Broadcast no more; closing twice is closing once."""
        if self._begin in self._bus.on_heard:
            self._bus.on_heard.remove(self._begin)
        self._stop_waiting()


class Announcer:
    """Announces each append on the topic of its stream, large ones in several turns of the event loop."""

    def __init__(self, bus: Bus, given_out: GivenOut | None = None) -> None:
        """`given_out` counts what waits, together with that of other stores; without room, it is not announced."""
        self._bus = bus
        self._given_out = given_out or GivenOut(Share("followers", MAX_MEMORY))
        self._waiting: deque[EventRow] = deque()
        self._waiting_bytes = 0
        self._is_due = False
        """Whether the next turn is asked for."""

    def announce(self, events: Sequence[EventRow]) -> None:
        """Tell of events that were committed."""
        if not self._bus.is_heard:
            return
        size = payload_bytes_of(events)
        if len(self._waiting) + len(events) > MOST_ANNOUNCED or not self._given_out.take(size):
            # Whoever listens hears what happens now; what was missed can be read.
            log.warning("events are not announced", extra={"events": len(events)})
            return
        self._waiting.extend(events)
        self._waiting_bytes += size
        if not self._is_due:
            self._go_on()

    def hide(self, hidden: Hidden) -> None:
        """Let go of the events that wait and were hidden; after a failed write these may be any."""
        waiting = self._waiting
        left = [] if hidden is None else [event for event in waiting if is_visible(event, hidden)]
        if hidden is None and waiting:
            log.warning("events are not announced", extra={"events": len(waiting)})
        self._waiting = deque(left)
        self._count_out(self._waiting_bytes - payload_bytes_of(left))

    def _count_out(self, size: int) -> None:
        self._waiting_bytes -= size
        self._given_out.give_back(size)

    def _go_on(self) -> None:
        """Announce what waits, for as long as a turn may take."""
        waiting, bus, end = self._waiting, self._bus, perf_counter() + TURN_SECONDS
        self._is_due = False
        number = given = 0
        try:
            while waiting:
                event = waiting.popleft()
                given += payload_bytes(event)
                topic = event_stream_topic(event[STREAM])
                if bus.hears(topic):
                    broadcast_event(bus, topic, event)
                number += 1
                if is_time_due(number, event) and waiting and perf_counter() > end:
                    self._is_due = True
                    asyncio.get_running_loop().call_soon(self._go_on)
                    return
        finally:
            self._count_out(given)
