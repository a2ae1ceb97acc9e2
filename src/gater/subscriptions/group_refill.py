"""Events that a consumer group drops for lack of room, and reads again later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from gater.model.events import POSITION, EventRow
from gater.subscriptions import group_window
from gater.subscriptions.group_entry import IN_FLIGHT, LOADING, PARKING_LATER, READY, RETRYING, Entry, Lane, Seat
from gater.subscriptions.group_lanes import Lanes

if TYPE_CHECKING:
    from gater.subscriptions.group_course import Course
    from gater.subscriptions.group_marks import Mark

HELD_STATES: Final = frozenset({IN_FLIGHT, RETRYING, PARKING_LATER})
"""Where an event does not need its payload for now."""


class Refill:
    """Keeps streams from waiting for each other when the window is full of what cannot be delivered now."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self.loading: dict[int, Entry] = {}
        """Events that are ready as soon as their payload is here again, by position."""
        self._resumed = dict.fromkeys(course.window.marks.streams())
        """Marked streams that go on."""

    # --- room ---

    @property
    def waiting(self) -> int:
        """Events that are kept and do not count among those for which there is room."""
        return self._course.waits.waiting + len(self.loading)

    @property
    def room(self) -> int:
        """The number of further events that may be kept for the consumers."""
        return self._course.window.room(self._course.settings.max_in_flight, self.waiting)

    @property
    def is_heavy(self) -> bool:
        """Whether the payloads that are kept weigh too much for more to be read."""
        return self._course.window.is_heavy

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing more is taken in."""
        most = max(group_window.MOST_WAITING, 2 * self._course.settings.max_in_flight)
        window = self._course.window
        return self.waiting + len(window.marks) >= most and window.knows_itself

    def make_room(self) -> None:
        """Let go of what cannot be delivered now, when there is no room: the ends of streams that are held up.

        When what is kept weighs too much, also of the payloads of events that consumers hold or that wait.
        """
        window, lanes = self._course.window, self._course.lanes
        if self.room or lanes.has_ready:
            return
        if window.is_heavy:
            for entry in window.kept():
                if entry.state in HELD_STATES and not entry.is_let_go:
                    window.let_go(entry)
            if window.is_heavy:  # what is left cannot be let go of: others do not wait for it
                window.most_bytes = window.bytes + window.most_bytes // 4
        if lanes.keyed:
            self._mark_ends()

    def _mark_ends(self) -> None:
        """Mark the streams of which an event is held, from after the last one that is more than just ready."""
        window = self._course.window
        ends: dict[Lane, list[Entry]] = {}
        last: dict[Lane, int] = {}
        for entry in window.kept():
            lane = entry.lane
            if entry.state is READY and lane.holds and not entry.receipt and not entry.replayed:
                ends.setdefault(lane, []).append(entry)
            else:
                last[lane] = max(last.get(lane, 0), entry.position)
        for lane, entries in ends.items():
            chosen = sorted([entry for entry in entries if entry.position > last.get(lane, 0)])
            if chosen:
                window.mark(chosen)
                lane.let_go_of_settled()

    # --- memory ---

    @property
    def held_bytes(self) -> int:
        """Weight of the events that are kept."""
        return self._course.window.bytes

    def limit(self, most: int) -> None:
        """Take in no more from this weight on."""
        self._course.window.most_bytes = most

    @property
    def fitting(self) -> int:
        """The number of events to read at once."""
        return self._course.window.fitting

    def release(self) -> EventRow | None:
        """Let go of all that can be read again, without consumers; the first event that is to be read as a new one."""
        course, window = self._course, self._course.window
        dropped = window.drop_unread()
        if dropped is not None:
            course.lanes = Lanes.of(window.all_unsettled(), keyed=course.lanes.keyed)
        for entry in window.kept():
            if (entry.state is READY or entry.state in HELD_STATES) and not entry.is_let_go:
                window.let_go(entry)
        return dropped

    def shrink(self, most: int, *, keeps_one: bool) -> None:
        """Let go of payloads until no more than `most` bytes are left.

        With `keeps_one`, one event stays that can be delivered now.
        """
        window = self._course.window
        loaded = sorted([entry for entry in window.kept() if not entry.is_let_go])
        held = [entry for entry in loaded if entry.state in HELD_STATES]
        ready = [entry for entry in loaded if entry.state is READY]
        first = (entry for entry in ready if not entry.lane.holds and entry.lane.head() is entry)
        kept = next(first, None) if keeps_one else None
        for entry in held + ready[::-1]:
            if window.bytes <= most:
                break
            if entry is not kept:
                window.let_go(entry)

    @property
    def is_wanted(self) -> bool:
        """Whether something is to be read again now."""
        return bool(self.to_load(1) or self.to_resume(1))

    # --- hidden events ---

    @property
    def keeps_events(self) -> bool:
        """Whether there are events in memory."""
        return len(self._course.window) > 0

    def kept(self) -> list[int]:
        """The positions of the events that are in memory, in order."""
        return sorted([entry.position for entry in self._course.window.kept()])

    def hide(self, is_gone: Callable[[EventRow], bool]) -> None:
        """Settle the events that readers do not see any more; one that a consumer holds, when it comes back."""
        course = self._course
        for entry in [entry for entry in course.window.kept() if is_gone(entry.row)]:
            if entry.state is IN_FLIGHT:
                course.window.let_go(entry)  # it is read before it is delivered again, and not found then
                if entry.seat is not None and entry.position in entry.seat.waiting:
                    entry.seat.hidden[entry.position] = entry
            elif not entry.is_given_up:
                course.withdraw(entry)
                course.settle(entry)

    def take_back_hidden(self, seat: Seat) -> list[int]:
        """Settle the hidden events that still wait at a consumer, which is told: the receipts of these deliveries."""
        if not seat.hidden:
            return []
        hidden, seat.hidden = seat.hidden, {}
        found = [entry for entry in hidden.values() if seat.waiting.get(entry.position) is entry]
        for entry in found:
            self._course.withdraw(entry)
            self._course.settle(entry)
        return [entry.receipt for entry in found]

    # --- parked events that are delivered again ---

    def ended_replays(self) -> list[int]:
        """Positions of those that were settled, or parked once more, since the last call."""
        window = self._course.window
        ended, window.ended_replays = window.ended_replays, []
        return ended

    # --- payloads that are read again ---

    def load_later(self, entry: Entry) -> None:
        """An event that holds its lane is ready when its payload is here."""
        entry.state = LOADING
        self.loading[entry.position] = entry

    def to_load(self, limit: int) -> list[int]:
        """The positions of up to `limit` events that are to be read again; of one, when all others may wait for it."""
        if not self.loading:
            return []
        if not self.room:
            limit = 0 if self._course.lanes.has_ready else min(limit, 1)
        return sorted(self.loading)[:limit]

    def loading_behind(self, parked: Entry) -> list[Entry]:
        """The events after a parked one of its stream that are not read again any more, in order."""
        found = [e for e in self.loading.values() if e.lane is parked.lane and e.position > parked.position]
        for entry in found:
            del self.loading[entry.position]
        return sorted(found)

    def loaded(self, positions: Iterable[int], rows: Iterable[EventRow]) -> None:
        """These were read again; those that were not found are gone: there is nothing to deliver any more."""
        found = {row[POSITION]: row for row in rows}
        for position in positions:
            entry = self.loading.pop(position, None)
            if entry is None:
                continue
            if position in found:
                self._course.window.load(entry, found[position])
                self._course.give_back(entry)
            else:
                self._course.settle(entry)

    # --- streams that go on ---

    def resume_later(self, key: str) -> None:
        """A marked stream may go on."""
        self._resumed[key] = None

    def lane_released(self, lane: Lane) -> None:
        """An event of a lane was settled."""
        key = str(lane.key)
        if self._course.window.marks.get(key) is not None and self._is_free(key):
            self._resumed[key] = None

    def to_resume(self, limit: int) -> list[tuple[str, Mark]]:
        """Up to `limit` marked streams of which events are to be read."""
        window = self._course.window
        chosen: list[tuple[str, Mark]] = []
        if not self._resumed or not window.knows_itself or not self.room:
            return chosen
        for key in list(self._resumed):
            mark = window.marks.get(key)
            if mark is None or not self._is_free(key):
                del self._resumed[key]
                continue
            chosen.append((key, mark))
            if len(chosen) == limit:
                break
        return chosen

    def _is_free(self, key: str) -> bool:
        lanes = self._course.lanes
        return not lanes.keyed or lanes.is_free(key)

    def resume(self, key: str, mark: Mark, rows: Sequence[EventRow], next_version: int, ended: bool) -> None:
        """Events of a marked stream were read from where its mark begins; with `ended` there are no more."""
        self._resumed.pop(key, None)
        course = self._course
        course.add_new(course.window.resume(key, mark, rows, next_version, ended))
        if course.window.marks.get(key) is None:
            course.order_lanes()
        elif self._is_free(key):
            self._resumed[key] = None
