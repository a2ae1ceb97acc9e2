"""The waits of a consumer group: for acknowledgements, for retries, and for another try at parking."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import Final

from gater.subscriptions.group_entry import IN_FLIGHT, RETRYING, Entry, Seat, State

STALE_WAITS: Final = 64
"""Waits that were given up and are still listed; with more, and more than there are others, all are sorted out."""


MOST_OVERDUE: Final = 500
"""Events that are taken back, as not acknowledged in time, before there is a pause."""
PAUSE_SECONDS: Final = 0.2
"""So however short the time is, a group costs its node only so much."""


class Waits:
    """The events that consumers hold, by the time since when, and those that come back, by their time."""

    def __init__(self) -> None:
        self.in_flight: OrderedDict[int, Entry] = OrderedDict()
        """Events whose ack timeout runs, by position, in the order in which it began."""
        self.unbegun = 0
        """Events that wait at consumers to be processed."""
        self._seats: OrderedDict[Seat, None] = OrderedDict()
        """Those where events wait, and some where none do any more; the one that was not heard of longest first."""
        self.retrying = 0
        self.waiting = 0
        """Events that come back at a time."""
        self._heap: list[tuple[float, int, Entry]] = []
        """When an event comes back and the number of the wait; only an event's last wait counts."""
        self._tickets = 0
        self._overdue = 0
        """Events that were taken back since the last pause."""
        self._pause_ends = 0.0

    def deliver(self, entry: Entry, seat: Seat, receipt: int, now: float) -> None:
        """An event goes to a consumer."""
        entry.state = IN_FLIGHT
        entry.receipt = receipt
        entry.is_judged = False
        entry.seat = seat
        entry.taken_at = now
        position = entry.position
        seat.held[position] = entry
        if not seat.is_patient:
            self.in_flight[position] = entry
            return
        if not seat.waiting:
            self._heard(seat, now)
        seat.waiting[position] = entry
        self.unbegun += 1

    def take_back(self, entry: Entry) -> None:
        """An event that was in flight no longer is."""
        position, seat = entry.position, entry.seat
        if seat is None or seat.waiting.pop(position, None) is None:
            del self.in_flight[position]
        else:
            self.unbegun -= 1
        if seat is not None:
            del seat.held[position]
            entry.seat = None

    def report(self, seat: Seat, begun: int, now: float) -> None:
        """A consumer has begun to process the deliveries up to a receipt: their ack timeout runs from now on."""
        seat.is_silent = False
        self._heard(seat, now)
        waiting = seat.waiting
        while waiting:
            position, entry = next(iter(waiting.items()))
            if entry.receipt > begun:
                break
            del waiting[position]
            self.unbegun -= 1
            entry.taken_at = now
            self.in_flight[position] = entry

    def _heard(self, seat: Seat, now: float) -> None:
        seat.heard_at = now
        self._seats[seat] = None
        self._seats.move_to_end(seat)

    def silent(self, now: float, ack_timeout: float) -> Seat | None:
        """The consumer that was not heard of for longest although events wait there, if that is too long."""
        seat = self._longest_silent()
        return seat if seat is not None and seat.heard_at + ack_timeout <= now else None

    def _longest_silent(self) -> Seat | None:
        seats = self._seats
        while seats:
            seat = next(iter(seats))
            if seat.waiting:
                return seat
            del seats[seat]
        return None

    @property
    def held(self) -> int:
        """The number of events that consumers hold."""
        return len(self.in_flight) + self.unbegun

    def wait(self, entry: Entry, until: float, state: State) -> None:
        """An event comes back at a time; until then it is in that state."""
        entry.state = state
        self.retrying += state is RETRYING
        self.waiting += 1
        self._tickets += 1
        entry.ticket = self._tickets
        heappush(self._heap, (until, self._tickets, entry))

    def give_up(self, entry: Entry) -> None:
        """An event no longer waits for its time."""
        self.retrying -= entry.state is RETRYING
        self.waiting -= 1
        entry.ticket = 0
        if len(self._heap) > 2 * self.waiting + STALE_WAITS:
            self._heap = [wait for wait in self._heap if wait[1] == wait[2].ticket]
            heapify(self._heap)

    def overdue(self, now: float, ack_timeout: float) -> Entry | None:
        """The event that has been in flight longest, if that is too long; none during a pause."""
        oldest = self._oldest()
        if oldest is None or oldest.taken_at + ack_timeout > now or now < self._pause_ends:
            return None
        self._overdue += 1
        if self._overdue == MOST_OVERDUE:
            self._overdue = 0
            self._pause_ends = now + PAUSE_SECONDS
        return oldest

    def due(self, now: float) -> Entry | None:
        """An event whose wait has ended; it no longer waits."""
        first = self._first()
        if first is None or first[0] > now:
            return None
        heappop(self._heap)
        self.give_up(first[2])
        return first[2]

    def next_due(self, ack_timeout: float) -> float | None:
        """When an event is overdue or due next."""
        oldest, silent, first = self._oldest(), self._longest_silent(), self._first()
        due = [] if first is None else [first[0]]
        if oldest is not None:
            due.append(max(oldest.taken_at + ack_timeout, self._pause_ends))
        if silent is not None:
            due.append(silent.heard_at + ack_timeout)
        return min(due, default=None)

    def _oldest(self) -> Entry | None:
        return next(iter(self.in_flight.values()), None)

    def _first(self) -> tuple[float, int, Entry] | None:
        heap = self._heap
        while heap and heap[0][1] != heap[0][2].ticket:
            heappop(heap)
        return heap[0] if heap else None
