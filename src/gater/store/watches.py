"""Who waits for events: found by stream, by type or by a value in the payload, so that an append costs what it matches.

A watch that can be found so is given its events as they are committed, up to a bound. All others are only woken, and
look into the tail, which has the events for everyone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from gater.model.events import CONTENT_TYPE, DATA, JSON, STREAM, TYPE, EventRow, payload_bytes
from gater.model.json_rules import UNREADABLE

MOST_WAITING: Final = 1_000
"""Events that wait for one follower; with more it has fallen behind, and reads on from the file."""
MOST_WAITING_BYTES: Final = 4 << 20
MOST_GIVEN: Final = 10_000
"""Events of a batch that are given one by one; of a larger one, followers that may find too much read the file."""
MOST_DECODED_BYTES: Final = 4 << 20
"""Payload bytes of a batch that are decoded to find who waits for a value in them."""

_decode: Final = msgspec.json.Decoder().decode

log = logging.getLogger(__name__)

Waiting = dict["Watch", None]
"""Watches in the order they came: a set that keeps its order, so that nobody is always first."""
Places = list[tuple[dict[str, "Waiting"], str]]
"""Where a watch is found: in an index, under a key."""


class Watch:
    """One follower's place among those who wait; it belongs to the event loop."""

    def __init__(self, *, indexed: bool, leave: Callable[[Watch], None]) -> None:
        self.indexed = indexed
        """Whether it is given its events, and not only woken."""
        self.behind = False
        """Whether events have been let go that it should have been given."""
        self.notify: Callable[[], None] | None = None
        """Called when something happens first after `take`; must not change who waits."""
        self._leave = leave
        self._events: list[EventRow] = []
        self._bytes = 0
        self._woken = False
        self._future: asyncio.Future[None] | None = None

    def put(self, event: EventRow) -> None:
        """Keep an event for the follower, and wake it."""
        if not self.behind:
            self._events.append(event)
            self._bytes += payload_bytes(event)
            if len(self._events) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
                self.lose()
        self.wake()

    def lose(self) -> None:
        """Let go of what waits: the follower is behind."""
        self.behind = True
        self._events = []
        self._bytes = 0

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
        """What was kept since the last call, in commit order."""
        events, self._events = self._events, []
        self._bytes = 0
        self._woken = False
        return events

    @property
    def is_woken(self) -> bool:
        """Whether something has happened since `take`."""
        return self._woken

    def give_back(self, events: list[EventRow]) -> None:
        """Keep the rest of what was taken, for the next look, which is due at once."""
        if not self.behind:
            self._events[:0] = events
            self._bytes += sum(map(payload_bytes, events))
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
        self._leave(self)


class Watches:
    """All who wait for the events of one store."""

    def __init__(self) -> None:
        self.closed = False
        """Whether nothing more will come."""
        self._of_any: Waiting = {}
        self._of_stream: dict[str, Waiting] = {}
        self._of_type: dict[str, Waiting] = {}
        self._of_value: dict[str, dict[str, Waiting]] = {}
        """By key and text of the payload."""

    def watch(
        self,
        *,
        streams: Collection[str] | None = None,
        types: Collection[str] | None = None,
        payload: tuple[str, str] | None = None,
    ) -> Watch:
        """A watch, until it is closed, for events that fulfil these conditions (each None: no condition).

        Of several conditions one is looked at: the follower checks the rest.
        """
        places: Places
        if streams is not None:
            places = [(self._of_stream, stream) for stream in streams]
        elif payload is not None:
            places = [(self._of_value.setdefault(payload[0], {}), payload[1])]
        elif types is not None:
            places = [(self._of_type, event_type) for event_type in types]
        else:
            watch = Watch(indexed=False, leave=lambda watch: self._of_any.pop(watch, None))
            self._of_any[watch] = None
            return self._begun(watch)
        watch = Watch(indexed=True, leave=lambda watch: self._forget(watch, places, payload))
        for index, key in places:
            index.setdefault(key, {})[watch] = None
        return self._begun(watch)

    def _begun(self, watch: Watch) -> Watch:
        if self.closed:
            watch.wake()
        return watch

    def _forget(
        self, watch: Watch, places: list[tuple[dict[str, Waiting], str]], value: tuple[str, str] | None
    ) -> None:
        for index, key in places:
            waiting = index.get(key, {})
            waiting.pop(watch, None)
            if not waiting:
                index.pop(key, None)
        if value is not None and not self._of_value.get(value[0], True):
            del self._of_value[value[0]]

    def feed(self, events: Sequence[EventRow], hides: bool) -> None:
        """Give each event to those who wait for it; when earlier events are hidden now, all look anew."""
        self._wake(hides)
        if self._of_stream or self._of_type or self._of_value:
            try:
                self._give_all(events)
            except Exception:
                log.exception("events cannot be given to followers, which read them from the file")
                for watch in self._all():
                    watch.lose()
                    watch.wake()

    def _wake(self, hides: bool) -> None:
        """Wake those who look themselves, and all when what they were given may be hidden now."""
        if hides:
            for watch in self._all():
                watch.lose()
        for watch in self._of_any:
            watch.wake()

    def _give_all(self, events: Sequence[EventRow]) -> None:
        if len(events) > MOST_GIVEN:
            self._give_few(self._of_stream, STREAM, events)
            self._give_few(self._of_type, TYPE, events)
            self._pass_over_values()
            return
        by_value = bool(self._of_value)
        if by_value and sum([len(event[DATA]) for event in events]) > MOST_DECODED_BYTES:
            self._pass_over_values()
            by_value = False
        for event in events:
            self._give(event, by_value)

    def _pass_over_values(self) -> None:
        """Have those who wait for a value in the payload read the file: to find it would take long."""
        for waiting_by_text in self._of_value.values():
            for waiting in waiting_by_text.values():
                for watch in waiting:
                    watch.lose()
                    watch.wake()

    def _give_few(self, index: dict[str, Waiting], column: int, events: Sequence[EventRow]) -> None:
        """Give the events whose column is in the index, unless they are more than a watch keeps."""
        if not index:
            return
        numbers = Counter([event[column] for event in events])
        few = set()
        for key in index.keys() & numbers.keys():
            if numbers[key] <= MOST_WAITING:
                few.add(key)
                continue
            for watch in index[key]:
                watch.lose()
                watch.wake()
        if few:
            for event in events:
                if event[column] in few:
                    for watch in index[str(event[column])]:
                        watch.put(event)

    def _give(self, event: EventRow, by_value: bool) -> None:
        waiting = self._of_stream.get(event[STREAM])
        if waiting is not None:
            for watch in waiting:
                watch.put(event)
        waiting = self._of_type.get(event[TYPE])
        if waiting is not None:
            for watch in waiting:
                watch.put(event)
        if by_value and event[CONTENT_TYPE] == JSON:
            self._give_by_value(event)

    def _give_by_value(self, event: EventRow) -> None:
        try:
            data = _decode(event[DATA])
        except UNREADABLE:
            return  # nobody can look into it
        if not isinstance(data, dict):
            return
        for key, waiting_by_text in self._of_value.items():
            text = data.get(key)
            if type(text) is str and (waiting := waiting_by_text.get(text)) is not None:
                for watch in waiting:
                    watch.put(event)

    def close(self) -> None:
        """Wake all, for the last time."""
        self.closed = True
        for watch in self._all():
            watch.wake()

    def _all(self) -> list[Watch]:
        found = dict(self._of_any)
        for index in (self._of_stream, self._of_type, *self._of_value.values()):
            for waiting in index.values():
                found.update(waiting)
        return list(found)
