"""The events that a consumer group looks at: unsettled ones beyond its checkpoint, and replayed ones.

What is settled beyond the checkpoint is not kept: it is everything up to where the group has read that is neither here
nor marked. So memory, and what a checkpoint records, follow what is unsettled, not the distance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from gater.model.events import CREATED, POSITION, STREAM, VERSION, EventRow, payload_bytes
from gater.model.limits import PAGE_EVENTS
from gater.model.subscriptions import Ahead
from gater.subscriptions.group_entry import GONE, SETTLED, Entry
from gater.subscriptions.group_marks import Mark, Marks

LEAST_WINDOW: Final = 1_000
"""Events that a group keeps for its consumers, however few of them may be in flight."""
WINDOW_BYTES: Final = 32 << 20
"""Payload bytes with which a group takes no more; the page that brings it there is taken whole."""
MOST_WAITING: Final = 20_000
"""Events that wait for a time, and marked streams, with which a group takes no more."""
SETTLED_LISTED: Final = 1_000
"""Settled events that may be listed still; with more, and more than there are others, all are sorted out."""


class Window:
    """The unsettled events; the checkpoint follows from it, and never goes back."""

    def __init__(self, checkpoint: int, ahead: Ahead, parked: Iterable[int]) -> None:
        """`parked` are positions of events that were parked before: they are settled."""
        self.reached = checkpoint
        """The store was looked through up to it."""
        self.replaying = 0
        """Parked events that are delivered again."""
        self.ended_replays: list[int] = []
        """Positions of those that no longer are."""
        self.settled_since_checkpoint = 0
        self.bytes = 0
        """Weight of the payloads that are kept."""
        self.most_bytes = WINDOW_BYTES
        """The weight with which no more is taken in."""
        self.event_bytes = 0
        """Weight of an event of the page that was taken in last."""
        self.marks = Marks(ahead.waiting)
        self.mixed_up_to = max([checkpoint, ahead.reached, *ahead.settled])
        """Up to here, a settled event may have unsettled ones of its stream before it: those are marked one by one."""
        self._order: deque[Entry] = deque()
        """Entries read in order beyond the checkpoint; settled ones are dropped from the front."""
        self._again: list[Entry] = []
        """A heap of what was marked, and read again."""
        self._entries: dict[int, Entry] = {}
        """Entries that the checkpoint waits for, by position."""
        self._replays: dict[int, Entry] = {}
        """Events that are here only because they are replayed, by position."""
        self._settled_ahead = {position for position in ahead.settled if position > checkpoint}
        self._parked_ahead = {position for position in parked if position > checkpoint}
        self._attempts_ahead = {position: count for position, count in ahead.attempts if position > checkpoint}
        self._recorded = ahead.reached
        """Up to here, what is settled was known from the start."""
        self._highest_settled = max(checkpoint, ahead.reached)
        self._unsettled_ahead = deque(sorted(position for position in ahead.unsettled if position > checkpoint))
        """Those up to `_recorded` that are not settled, as far as they were not looked at yet."""
        known = (self._settled_ahead, self._attempts_ahead, self._parked_ahead)
        self._known_up_to = max(
            [position for positions in known for position in positions] + [checkpoint, ahead.reached, self.marks.last]
        )

    # --- what comes in ---

    def room(self, max_in_flight: int, waiting: int) -> int:
        """The number of further events that it takes now, when so many of them wait for a time."""
        if self.bytes >= self.most_bytes:
            return 0
        return max(max(2 * max_in_flight, LEAST_WINDOW) - len(self) + waiting, 0)

    @property
    def is_heavy(self) -> bool:
        """Whether the payloads weigh too much."""
        return self.bytes >= self.most_bytes

    @property
    def fitting(self) -> int:
        """The number of events to read at once: as many as are likely to have room, and one or more."""
        if self.most_bytes >= WINDOW_BYTES:
            return PAGE_EVENTS
        return max((self.most_bytes - self.bytes) // max(self.event_bytes, 1), 1)

    def __len__(self) -> int:
        """The number of events that are kept."""
        return len(self._entries) + len(self._replays)

    @property
    def unsettled(self) -> int:
        """Events that the checkpoint waits for; marked ones are among them once the group has read up to them."""
        return len(self._entries) + (self.marks.events if self.knows_itself else 0)

    @property
    def knows_itself(self) -> bool:
        """Whether everything was looked at that is known from the start."""
        return self.reached >= self._known_up_to

    @property
    def next_wanted(self) -> int:
        """The next position that need be looked at: what comes before it is known to be settled, or marked."""
        if self.reached >= self._recorded:
            return self.reached + 1
        waiting = self._unsettled_ahead
        while waiting and waiting[0] <= self.reached:
            waiting.popleft()
        return waiting[0] if waiting else self._recorded + 1

    def feed(self, rows: Sequence[EventRow], reached: int, *, keyed: bool) -> list[Entry]:
        """Take in events in commit order; those of them that are to be delivered and were not here before.

        With `keyed`, events of marked streams are marked, too.
        """
        new: list[Entry] = []
        before, weight = self.reached, self.bytes
        order, entries = self._order, self._entries
        is_plain = before >= self._known_up_to and not self._replays and not self.marks
        for row in rows:
            position = row[POSITION]
            if position <= before:
                continue
            entry = Entry(row, position) if is_plain else self._meet(row, position, keyed)
            if entry is None:
                continue
            order.append(entry)
            entries[position] = entry
            if not entry.replayed:
                new.append(entry)
                self.bytes += payload_bytes(row)
        if new:
            self.event_bytes = (self.bytes - weight) // len(new)
        self.reached = max(before, reached, rows[-1][POSITION] if rows else 0)
        self._sort_out()
        return new

    def _meet(self, row: EventRow, position: int, keyed: bool) -> Entry | None:
        """The entry of an event of which something may be known already; None when it is settled or marked."""
        if position in self._replays:
            return self._from_replays(position)
        if position in self._settled_ahead or position in self._parked_ahead:
            self._highest_settled = max(self._highest_settled, position)
            return None
        mark = self.marks.get(row[STREAM])
        if mark is not None and mark.covers(position):
            return None
        if position <= self._recorded and not self._is_next_unsettled(position):
            return None
        if mark is not None and keyed and position > mark.first:
            mark.add(position, self._recorded)
            return None
        return Entry(row, position, self._attempts_ahead.pop(position, 0))

    def _is_next_unsettled(self, position: int) -> bool:
        waiting = self._unsettled_ahead
        while waiting and waiting[0] < position:
            waiting.popleft()
        return bool(waiting) and waiting[0] == position

    def _from_replays(self, position: int) -> Entry:
        entry = self._replays.pop(position)
        entry.fed = True
        self.mixed_up_to = max(self.mixed_up_to, position)
        return entry

    def replay(self, row: EventRow) -> Entry | None:
        """Take in a parked event that is to be delivered again; None when it is here already."""
        position = row[POSITION]
        entry = self.find(position)
        if entry is None:
            entry = self._replays[position] = Entry(row, position, fed=False)
            self.bytes += payload_bytes(row)
            self.replaying += 1
            return entry
        if not entry.replayed:
            entry.replayed = True
            entry.failures = 0
            self.replaying += 1
        return None

    # --- what is let go of, and comes again ---

    def let_go(self, entry: Entry) -> None:
        """Keep of an event only what tells which one it is; its payload is read again."""
        self.bytes -= payload_bytes(entry.row)
        entry.let_go()
        self.bytes += payload_bytes(entry.row)

    def load(self, entry: Entry, row: EventRow) -> None:
        """The payload of an event is here again."""
        self.bytes += payload_bytes(row) - payload_bytes(entry.row)
        entry.row = row

    def drop_unread(self) -> EventRow | None:
        """Drop the last events that were only read, as if they had not been; the event that comes first stays.

        Returns the first one of those that were dropped; None when there are none.
        """
        order, kept = self._order, self._first()
        seen = [entry.position for entry in self.kept() if entry.is_known] + [entry.position for entry in self._again]
        cut = max(self._highest_settled, self._known_up_to, self.mixed_up_to, self.marks.last, max(seen, default=0))
        dropped: EventRow | None = None
        while order and order[-1] is not kept and order[-1].position > cut:
            entry = order.pop()
            dropped = entry.row
            del self._entries[entry.position]
            self.bytes -= payload_bytes(dropped)
            entry.state, entry.row = SETTLED, GONE
            self.reached = entry.position - 1
        return dropped

    def mark(self, entries: Sequence[Entry]) -> None:
        """Let go of the last events of a stream, given in order."""
        key, epoch = entries[0].row[STREAM], entries[0].row[CREATED]
        self.marks.set_before(key, [entry.position for entry in entries], self.mixed_up_to, epoch)
        for entry in entries:
            self.bytes -= payload_bytes(entry.row)
            if entry.failures:
                self._attempts_ahead[entry.position] = entry.failures
            del self._entries[entry.position]
            entry.state, entry.row = SETTLED, GONE

    def resume(self, key: str, mark: Mark, rows: Sequence[EventRow], next_version: int, ended: bool) -> list[Entry]:
        """Take in what was marked; with `ended` the stream has no more.

        The last of several rows is left for the next time, if there may be more: the mark begins with it.
        """
        following = rows[-1] if len(rows) > 1 and not ended and rows[-1][POSITION] < mark.last else None
        new: list[Entry] = []
        for row in rows if following is None else rows[:-1]:
            position = row[POSITION]
            if position > mark.last:
                ended = True
                break
            if not mark.covers(position) or position in self._entries:
                continue
            if position in self._settled_ahead or position in self._parked_ahead:
                continue
            new.append(Entry(row, position, self._attempts_ahead.pop(position, 0)))
        for entry in new:
            heappush(self._again, entry)
            self._entries[entry.position] = entry
            self.bytes += payload_bytes(entry.row)
        mark.count = max(mark.count - len(new), 0)
        if following is not None:
            self.marks.move(key, mark, following[POSITION], following[VERSION], following[CREATED])
        elif ended or (rows and rows[-1][POSITION] >= mark.last):
            self.marks.remove(key)
        elif rows:
            self.marks.move(key, mark, rows[-1][POSITION] + 1, next_version, rows[-1][CREATED])
        else:
            self.marks.move(key, mark, mark.first, next_version, mark.epoch)
        self._sort_out()
        return new

    # --- what is settled ---

    def find(self, position: int) -> Entry | None:
        """The unsettled event at a position, if it is here."""
        entry = self._entries.get(position)
        return self._replays.get(position) if entry is None and self._replays else entry

    def was_settled(self, position: int) -> bool:
        """Whether an event that is not here, and that was not delivered by this group, is known to be settled."""
        if position <= self.position or position in self._settled_ahead or position in self._parked_ahead:
            return True
        if position > self._recorded and position > self.reached:
            return False
        first = self.marks.first()
        return (first is None or position < first[1].first) and position not in self._unsettled_ahead

    def settle(self, entry: Entry) -> None:
        """An event is settled; nothing of it is kept."""
        self.bytes -= payload_bytes(entry.row)
        entry.state, entry.row = SETTLED, GONE
        if entry.replayed:
            self.replaying -= 1
            self.ended_replays.append(entry.position)
        position = entry.position
        if not entry.fed:
            del self._replays[position]
            return
        del self._entries[position]
        self.settled_since_checkpoint += 1
        if position > self._highest_settled:
            self._highest_settled = position

    def _sort_out(self) -> None:
        """Let go of settled events that are still listed, if there are too many."""
        if len(self._order) + len(self._again) > 2 * len(self._entries) + SETTLED_LISTED:
            self._order = deque([entry for entry in self._order if entry.state is not SETTLED])
            self._again = [entry for entry in self._again if entry.state is not SETTLED]
            heapify(self._again)

    def _first(self) -> Entry | None:
        """The first unsettled event that is here."""
        order, again = self._order, self._again
        while order and order[0].state is SETTLED:
            order.popleft()
        while again and again[0].state is SETTLED:
            heappop(again)
        if again and (not order or again[0].position < order[0].position):
            return again[0]
        return order[0] if order else None

    # --- what is known ---

    @property
    def position(self) -> int:
        """The checkpoint: everything up to it is settled."""
        entry, marked = self._first(), self.marks.first()
        position = self.reached if entry is None else entry.position - 1
        return position if marked is None else min(position, marked[1].first - 1, self.reached)

    @property
    def oldest(self) -> EventRow | None:
        """The first event that the checkpoint waits for; of a marked one, stream, position and a time."""
        entry, marked = self._first(), self.marks.first()
        if marked is not None and (entry is None or marked[1].first < entry.position):
            return (marked[0], 0, marked[1].first, *GONE[3:8], marked[1].epoch)
        return None if entry is None else entry.row

    def kept(self) -> Iterator[Entry]:
        """Every event that is here."""
        yield from self._entries.values()
        yield from self._replays.values()

    def all_unsettled(self) -> list[Entry]:
        """Every event that is here, in the order of positions."""
        return sorted(self.kept())

    def ahead(self) -> Ahead:
        """The settled events beyond the checkpoint, including those known from before that are not fed yet."""
        reached, highest, checkpoint = self.reached, self._highest_settled, self.position
        settled, unsettled = [], []
        attempts = [(entry.position, entry.failures) for entry in self._entries.values() if entry.failures]
        attempts += [known for known in self._attempts_ahead.items() if known[0] > checkpoint]
        marked, single = self.marks.record(highest)
        if highest > checkpoint:
            unsettled = single + [position for position in self._entries if position < highest]
            unsettled += [position for position in self._unsettled_ahead if position > reached]
        if self._known_up_to > reached:
            settled = [position for position in self._settled_ahead if position > reached]
        return Ahead(
            tuple(sorted(settled)),
            tuple(sorted(attempts)),
            highest if highest > checkpoint else 0,
            tuple(sorted(unsettled)),
            marked,
        )
