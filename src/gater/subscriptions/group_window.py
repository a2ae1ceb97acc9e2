"""The events that a consumer group looks at: those beyond its checkpoint up to where it has read, and replayed ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from gater.model.events import POSITION, EventRow, payload_bytes
from gater.model.subscriptions import Ahead
from gater.subscriptions.group_entry import GONE, SETTLED, Entry

LEAST_WINDOW: Final = 1_000
"""Events that a group looks at, however few of them may be in flight."""
WINDOW_BYTES: Final = 32 << 20
"""Payload bytes with which a group takes no more; the page that brings it there is taken whole."""


class Window:
    """What is settled and what is not; the checkpoint follows from it, and never goes back."""

    def __init__(self, checkpoint: int, ahead: Ahead, parked: Iterable[int]) -> None:
        """`parked` are positions of events that were parked before: they are settled."""
        self.position = checkpoint
        """The checkpoint: everything up to it is settled."""
        self.reached = checkpoint
        """The store was looked through up to it."""
        self.unsettled = 0
        """Events that the checkpoint waits for."""
        self.replaying = 0
        """Parked events that are delivered again."""
        self.settled_since_checkpoint = 0
        self._bytes = 0
        self._order: deque[Entry] = deque()
        """What was fed beyond the checkpoint, settled or not; the first is not settled."""
        self._entries: dict[int, Entry] = {}
        """The same by position."""
        self._replays: dict[int, Entry] = {}
        """Events that are here only because they are replayed, by position."""
        self._settled_ahead = {position for position in ahead.settled if position > checkpoint}
        self._attempts_ahead = {position: count for position, count in ahead.attempts if position > checkpoint}
        self._parked_ahead = {position for position in parked if position > checkpoint}
        known = (self._settled_ahead, self._attempts_ahead, self._parked_ahead)
        self._known_up_to = max([position for positions in known for position in positions], default=checkpoint)

    # --- what comes in ---

    def room(self, max_in_flight: int) -> int:
        """How many more events it takes now."""
        if self._bytes >= WINDOW_BYTES:
            return 0
        return max(max(2 * max_in_flight, LEAST_WINDOW) - len(self), 0)

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self._order) + len(self._replays)

    def feed(self, rows: Sequence[EventRow], reached: int) -> list[Entry]:
        """Take in events in commit order; those of them that are to be delivered and were not here before."""
        new: list[Entry] = []
        before = self.reached
        is_plain = before >= self._known_up_to and not self._replays
        for row in rows:
            position = row[POSITION]
            if position <= before:
                continue
            entry = Entry(row, position) if is_plain else self._meet(row, position)
            self._order.append(entry)
            self._entries[position] = entry
            if entry.state is not SETTLED:
                self.unsettled += 1
                if not entry.replayed:
                    new.append(entry)
                    self._bytes += payload_bytes(row)
        self.reached = max(before, reached, rows[-1][2] if rows else 0)
        self._advance()
        return new

    def _meet(self, row: EventRow, position: int) -> Entry:
        """The entry of an event of which something may be known already."""
        if position in self._replays:
            entry = self._replays.pop(position)
            entry.fed = True
            return entry
        entry = Entry(row, position, self._attempts_ahead.get(position, 0))
        if position in self._settled_ahead or position in self._parked_ahead:
            entry.state, entry.row = SETTLED, GONE
        return entry

    def replay(self, row: EventRow) -> Entry | None:
        """Take in a parked event that is to be delivered again; None when it is here already."""
        position = row[POSITION]
        entry = self.find(position)
        if entry is None or entry.state is SETTLED:
            entry = self._replays[position] = Entry(row, position, fed=False)
            self._bytes += payload_bytes(row)
            self.replaying += 1
            return entry
        if not entry.replayed:
            entry.replayed = True
            entry.failures = 0
            self.replaying += 1
        return None

    # --- what is settled ---

    def find(self, position: int) -> Entry | None:
        """The event at a position: one that is not settled, if there is one."""
        entry = self._entries.get(position)
        if self._replays and (entry is None or entry.state is SETTLED):
            return self._replays.get(position, entry)
        return entry

    def was_settled(self, position: int) -> bool:
        """Whether an event that is not here is known to be settled."""
        return position <= self.position or (
            position > self.reached and (position in self._settled_ahead or position in self._parked_ahead)
        )

    def settle(self, entry: Entry) -> None:
        """An event is settled; its payload is let go of."""
        self._bytes -= payload_bytes(entry.row)
        entry.state, entry.row = SETTLED, GONE
        if entry.replayed:
            self.replaying -= 1
        if not entry.fed:
            del self._replays[entry.position]
            return
        self.unsettled -= 1
        self.settled_since_checkpoint += 1
        if entry is self._order[0]:
            self._advance()

    def _advance(self) -> None:
        """Move the checkpoint to before the first event that is not settled."""
        order, entries = self._order, self._entries
        while order and order[0].state is SETTLED:
            del entries[order.popleft().position]
        self.position = order[0].position - 1 if order else self.reached

    # --- what is known ---

    @property
    def oldest(self) -> EventRow | None:
        """The first event that the checkpoint waits for."""
        return self._order[0].row if self._order else None

    def all_unsettled(self) -> list[Entry]:
        """Every event that is not settled, in the order of positions."""
        return sorted([entry for entry in (*self._order, *self._replays.values()) if entry.state is not SETTLED])

    def ahead(self) -> Ahead:
        """What is known beyond the checkpoint, including what was known from before of events not fed yet."""
        reached = self.reached
        settled = [entry.position for entry in self._order if entry.state is SETTLED]
        attempts = [
            (entry.position, entry.failures) for entry in self._order if entry.failures and entry.state is not SETTLED
        ]
        if self._known_up_to > reached:
            settled += sorted(position for position in self._settled_ahead if position > reached)
            attempts += sorted(known for known in self._attempts_ahead.items() if known[0] > reached)
        return Ahead(tuple(settled), tuple(attempts))
