"""The course of an event through a consumer group: ready, in flight, retried, parked, settled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gater.model.events import EVENT_ID, STREAM, EventRow
from gater.model.subscriptions import Ahead, GroupSettings
from gater.subscriptions.group_entry import (
    IN_FLIGHT,
    LOADING,
    PARKING,
    PARKING_LATER,
    READY,
    RETRYING,
    Entry,
    Lane,
    Seat,
)
from gater.subscriptions.group_lanes import Lanes
from gater.subscriptions.group_parking import ParkingLot, behind, failed_too_often
from gater.subscriptions.group_refill import Refill
from gater.subscriptions.group_waits import Waits
from gater.subscriptions.group_window import Window

NOT_IN_TIME: Final = "not acknowledged in time"
PROCESS_ENDED: Final = "the process ended meanwhile"


class Course:
    """Moves events from one state to the next, on behalf of the other parts of a group.

    An event that is not ready and not settled holds its lane. `withdraw` takes a hold, also of a ready one; `settle`,
    `give_back`, `fail` and `park` are for events that hold theirs.
    """

    def __init__(
        self, settings: GroupSettings, checkpoint: int, ahead: Ahead, parked: Sequence[tuple[str, int]]
    ) -> None:
        self.settings = settings
        self.window = Window(checkpoint, ahead, [position for _, position in parked])
        self.lanes = Lanes(keyed=settings.ordering == "key")
        """Key order that was asked for later begins when no stream is marked any more."""
        self.waits = Waits()
        self.lot = ParkingLot(parked if self._blocks else ())
        self.settled_replays: list[int] = []
        """Positions of replayed events that were settled."""
        self.refill = Refill(self)

    @property
    def _blocks(self) -> bool:
        return self.lanes.keyed and self.settings.after_park == "block"

    def configure(self, settings: GroupSettings) -> None:
        """Go on with other settings."""
        self.settings = settings
        self.order_lanes()
        if not self._blocks:
            self.lot.unblock_all()

    def order_lanes(self) -> None:
        """Keep the order that is asked for; key order begins when no stream is marked any more."""
        keyed = self.settings.ordering == "key"
        if keyed == self.lanes.keyed or (keyed and self.window.marks):
            return
        self.lanes = Lanes.of(self.window.all_unsettled(), keyed=keyed)
        self.window.mixed_up_to = self.window.reached
        for key in self.window.marks.streams():
            self.refill.resume_later(key)

    def feed(self, rows: Sequence[EventRow], reached: int) -> None:
        """Take in events in commit order."""
        self.add_new(self.window.feed(rows, reached, keyed=self.lanes.keyed))

    def add_new(self, entries: Iterable[Entry]) -> None:
        """Events are here that were not delivered before, the later ones of each key last."""
        blocked, add = self.lot.blocked, self.lanes.add
        for entry in entries:
            if blocked and self.lot.is_behind(entry):
                self.lanes.add_held(entry)
                self._park_behind(entry, blocked[entry.row[STREAM]])
            elif entry.failures > self.settings.max_retries:
                self.lanes.add_held(entry)
                self.park(entry, failed_too_often(entry.failures, PROCESS_ENDED), entry.failures)
            else:
                add(entry)

    def take(self) -> Entry | None:
        """The event that is delivered next, if its payload is here; those that come before it are read again."""
        entry = self.lanes.take()
        while entry is not None and not entry.row[EVENT_ID]:
            self.refill.load_later(entry)
            entry = self.lanes.take()
        return entry

    def peek(self) -> Entry | None:
        """The event that is delivered next, if its payload is here."""
        entry = self.take()
        if entry is not None:
            self.give_back(entry)
        return entry

    def replay(self, rows: Iterable[EventRow]) -> None:
        """Take in parked events that are to be delivered again."""
        for row in rows:
            entry = self.window.replay(row)
            if entry is not None:
                self.lanes.add_replayed(entry)

    def withdraw(self, entry: Entry) -> None:
        """Take an event from where it is; from now on it holds its lane."""
        if entry.state is IN_FLIGHT:
            self.waits.take_back(entry)
        elif entry.state is READY:
            self.lanes.hold(entry)
            self.window.mixed_up_to = max(self.window.mixed_up_to, entry.position)
        elif entry.state is LOADING:
            del self.refill.loading[entry.position]
        else:
            self.waits.give_up(entry)

    def settle(self, entry: Entry) -> None:
        """An event that holds its lane is settled for good."""
        if entry.replayed:
            self.settled_replays.append(entry.position)
        self.window.settle(entry)
        self._release(entry.lane)

    def _release(self, lane: Lane) -> None:
        """An event that held a lane is settled; its stream may have marked ones that come next."""
        self.lanes.release(lane)
        if self.window.marks:
            self.refill.lane_released(lane)

    def give_back(self, entry: Entry) -> None:
        """An event that holds its lane is ready again."""
        if self.lot.blocked and self.lot.is_behind(entry):
            self._park_behind(entry, self.lot.blocked[entry.row[STREAM]])
        elif entry.is_let_go:
            self.refill.load_later(entry)
        else:
            self.lanes.put_back(entry)

    def fail(self, entry: Entry, now: float, reason: str, delay: float | None = None) -> None:
        """An event that holds its lane has failed: it waits for a retry, or is to be parked."""
        if self.may_fail(entry, reason):
            backoff = self.settings.backoff
            pause = backoff[min(entry.failures, len(backoff)) - 1] if delay is None else delay
            self.waits.wait(entry, now + pause, RETRYING)

    def may_fail(self, entry: Entry, reason: str) -> bool:
        """Count a failure; whether the event may be tried again. If not, it is to be parked."""
        entry.failures += 1
        entry.is_judged = True
        if entry.failures <= self.settings.max_retries:
            return True
        self.park(entry, failed_too_often(entry.failures, reason), entry.failures)
        return False

    def tick(self, now: float) -> bool:
        """Take back what was not acknowledged in time, and let go on what has waited long enough.

        Whether something failed by that: what only waits at a consumer that is not heard of does not.
        """
        has_failed = False
        while (seat := self.waits.silent(now, self.settings.ack_timeout)) is not None:
            seat.is_silent = True
            self.take_back_waiting(seat)
        while (entry := self.waits.overdue(now, self.settings.ack_timeout)) is not None:
            self.waits.take_back(entry)
            self.fail(entry, now, NOT_IN_TIME)
            has_failed = True
        while (entry := self.waits.due(now)) is not None:
            if entry.state is PARKING_LATER:
                self.lot.announce(entry)
            else:
                self.give_back(entry)
        return has_failed

    def take_back_waiting(self, seat: Seat) -> None:
        """Take back what waits at a consumer; none of it has failed."""
        for entry in list(seat.waiting.values()):
            seat.lost = max(seat.lost, entry.receipt)
            self.waits.take_back(entry)
            self.give_back(entry)

    def park(self, entry: Entry, reason: str, attempts: int) -> None:
        """An event that holds its lane is to be parked."""
        entry.parking = (reason, attempts)
        self.lot.announce(entry)

    def _park_behind(self, entry: Entry, position: int) -> None:
        self.park(entry, behind(position), 0)

    def parked(self, positions: Iterable[int]) -> None:
        """These are durably parked: their keys go on, or are blocked."""
        for position in positions:
            entry = self.window.find(position)
            if entry is None or entry.state is not PARKING:
                continue
            if self._blocks:
                self._block_behind(entry)
            self.window.settle(entry)
            self._release(entry.lane)

    def _block_behind(self, parked: Entry) -> None:
        """The key of a parked event goes no further: what waits behind it is to be parked, too, in order."""
        self.lot.block(parked.row[STREAM], parked.position)
        for entry in self.lanes.waiting_behind(parked):
            self.lanes.hold(entry)
            self._park_behind(entry, parked.position)
        for entry in self.refill.loading_behind(parked):
            self._park_behind(entry, parked.position)

    def park_failed(self, positions: Iterable[int], now: float) -> None:
        """These could not be parked: it is tried again after the first backoff."""
        for position in positions:
            entry = self.window.find(position)
            if entry is not None and entry.state is PARKING:
                self.waits.wait(entry, now + self.settings.backoff[0], PARKING_LATER)
