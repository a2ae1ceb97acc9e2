"""The decisions of a durable subscription about deliveries: pure, with the time as an argument."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from gater.model.errors import InvalidArgumentError, OverloadedError
from gater.model.events import POSITION, STREAM, EventRow, payload_bytes
from gater.model.limits import PAGE_BYTES
from gater.model.subscriptions import Ahead, GroupSettings, NackAction
from gater.subscriptions.group_course import Course
from gater.subscriptions.group_entry import Entry, Seat
from gater.subscriptions.group_outcome import Outcome
from gater.subscriptions.group_parking import Parking
from gater.subscriptions.group_receipts import EVERY_RECEIPT, Receipts
from gater.subscriptions.group_refill import Refill

CONSUMER_LEFT: Final = "its consumer left"
NOTHING_AHEAD: Final = Ahead()


class Group:
    """A consumer group; the shell feeds it, hands on what it gives, and keeps what it decides."""

    def __init__(
        self,
        settings: GroupSettings,
        *,
        checkpoint: int,
        ahead: Ahead = NOTHING_AHEAD,
        blocked: Iterable[tuple[str, int]] = (),
        run: int = 0,
        numbers: int = 0,
    ) -> None:
        """Everything up to `checkpoint` is settled; `ahead` is what is known beyond it.

        Receipts greater than `run` and up to `numbers` may have been given in the same run before the group was made;
        it gives those that it is granted, which are greater.
        `blocked` are key and position of the events that are parked already: they are settled, and when the settings
        say `block`, later events of their keys are parked behind them.
        """
        self._course = Course(settings, checkpoint, ahead, list(blocked))
        self._seats: dict[Hashable, Seat] = {}
        self._run = run
        self._numbers = numbers
        self._receipts = Receipts()
        self._stopped: list[Hashable] = []
        self.delivered = 0
        """Deliveries."""
        self.redelivered = 0
        """Those among them that were not the first of their event."""
        self.acked = 0
        self.skipped = 0

    @property
    def settings(self) -> GroupSettings:
        """The settings of the group."""
        return self._course.settings

    def configure(self, settings: GroupSettings, now: float) -> None:
        """Go on with other settings; what waits for a retry waits as long as it was told."""
        self._course.configure(settings)

    # --- what comes in ---

    @property
    def room(self) -> int:
        """The number of further events that it takes now; 0 when it is full."""
        refill = self._course.refill
        return 0 if refill.is_full else refill.room

    def feed(self, rows: Sequence[EventRow], reached: int) -> None:
        """Matching events in commit order, and the position up to which the store was looked through.

        Events that were fed before are ignored; those that are known to be settled are settled.
        """
        self._course.feed(rows, reached)

    def replay(self, rows: Iterable[EventRow], now: float) -> None:
        """Deliver parked events again, before later ones of their keys; the checkpoint does not wait for them.

        When one is settled its position is in `to_forget`; when it fails for good it is in `to_park`.
        """
        self._course.replay(rows)

    @property
    def refill(self) -> Refill:
        """Events to be read again."""
        return self._course.refill

    @property
    def next_wanted(self) -> int:
        """The next position that need be read: what comes before it was looked at, or is known to be settled."""
        return self._course.window.next_wanted

    def make_room(self) -> bool:
        """Let go of what cannot be delivered now, if consumers wait for something else; whether there is room."""
        if self.in_flight < self.settings.max_in_flight:
            self._course.refill.make_room()
        return bool(self.room)

    @property
    def is_full(self) -> bool:
        """Whether too much waits for other things than consumers: nothing more is read before some of it is settled."""
        return self._course.refill.is_full

    @property
    def full_reason(self) -> str:
        """The cause of a full group; empty when it is not full."""
        if not self.is_full:
            return ""
        oldest = self.oldest
        where = f"; the first is at position {oldest[POSITION]} of stream {oldest[STREAM]}" if oldest else ""
        return f"{self.unsettled:,} events are not settled{where}"

    # --- consumers ---

    @property
    def receipts_left(self) -> int:
        """The number of deliveries that it may make until it is granted further receipts."""
        return len(self._receipts)

    def grant(self, receipts: range) -> None:
        """Let it give these receipts, which are greater than all before."""
        self._receipts.grant(receipts)

    def attach(self, consumer: Hashable, prefetch: int, *, is_shared: bool = False, is_patient: bool = False) -> None:
        """Let a consumer have up to `prefetch` events at once; raises OverloadedError when there are too many.

        A patient one reports what it has begun to process: the ack timeout runs from then on.
        """
        if prefetch < 1:
            raise InvalidArgumentError("prefetch", f"a whole number, 1 or more, not {prefetch!r}")
        seat = self._seats.get(consumer)
        if seat is not None:
            seat.prefetch = prefetch
            return
        if len(self._seats) >= self.settings.max_consumers:
            raise OverloadedError("consumers", self.settings.max_consumers)
        self._seats[consumer] = Seat(consumer, prefetch, is_shared, is_patient, lost=self._numbers)

    def detach(self, consumer: Hashable, now: float) -> None:
        """Take back what a consumer holds; detaching twice is detaching once.

        The event that was delivered to it first counts as failed, as it most likely worked on that one: an event that
        kills its consumers is parked in the end, and those that waited behind it are not.
        """
        seat = self._seats.pop(consumer, None)
        if seat is not None:
            self._take_back(list(seat.held.values()), is_failure=True)

    def report(self, consumer: Hashable, begun: int, now: float) -> tuple[int, list[int]]:
        """Note that a patient consumer has begun to process the deliveries up to a receipt.

        Of those that it has not begun, it has lost the ones up to a receipt, and some that were hidden: both are given.
        """
        seat = self._seats.get(consumer)
        if seat is None:
            return EVERY_RECEIPT, []
        self._course.waits.report(seat, begun, now)
        return seat.lost, self._course.refill.take_back_hidden(seat)

    def leave(self, consumer: Hashable, now: float) -> None:
        """Take back what a consumer holds that says itself that it leaves: what it had not begun has not failed."""
        seat = self._seats.get(consumer)
        if seat is not None:
            self._course.take_back_waiting(seat)
            self.detach(consumer, now)

    def _take_back(self, entries: Sequence[Entry], *, is_failure: bool) -> None:
        for entry in entries:
            self._course.waits.take_back(entry)
            if not is_failure or self._course.may_fail(entry, CONSUMER_LEFT):
                self._course.give_back(entry)
            is_failure = False

    def take(
        self, consumer: Hashable, now: float, limit: int, most_bytes: int = PAGE_BYTES
    ) -> list[tuple[EventRow, int, int]]:
        """Up to `limit` events that a consumer is to have now, each with its attempt and its receipt.

        The one with which they weigh `most_bytes` is the last.
        """
        taken: list[tuple[EventRow, int, int]] = []
        size, seat = 0, self._seats.get(consumer)
        if seat is None or seat.is_silent:
            return taken
        room = min(seat.prefetch - len(seat.held), self.settings.max_in_flight - self.in_flight)
        for receipt in self._receipts.next(min(limit, room)):
            entry = self._course.take()
            if entry is None:
                break
            if entry.receipt or entry.failures or entry.replayed:
                self.redelivered += 1
            self._course.waits.deliver(entry, seat, receipt, now)
            taken.append((entry.row, entry.failures + 1, receipt))
            size += payload_bytes(entry.row)
            if size >= most_bytes:
                break
        if taken:
            seat.gave(range(taken[0][POSITION], taken[-1][POSITION] + 1))
        self._receipts.gave(len(taken))
        self.delivered += len(taken)
        return taken

    def next_attempt(self) -> tuple[int, int] | None:
        """Position of the event that is delivered next, and which attempt that is."""
        entry = self._course.peek()
        return None if entry is None else (entry.position, entry.failures + 1)

    @property
    def has_ready(self) -> bool:
        """Whether a consumer that has room could take something."""
        may_give = bool(self._receipts) and self.in_flight < self.settings.max_in_flight
        return may_give and self._course.lanes.has_ready

    def stopped(self) -> list[Hashable]:
        """The consumers that said `stop` since the last call; they are detached."""
        stopped, self._stopped = self._stopped, []
        return stopped

    # --- settling ---

    def ack(self, position: int, receipt: int | None, now: float) -> Outcome:
        """Take an acknowledgement; without a receipt it counts for the consumer that holds the event."""
        entry = self._addressed(position, receipt)
        if isinstance(entry, Outcome):
            return entry
        if entry.is_given_up:
            return Outcome.STALE
        self.acked += 1
        self._course.withdraw(entry)
        self._course.settle(entry)
        return Outcome.SETTLED

    def nack(
        self,
        position: int,
        receipt: int | None,
        action: NackAction,
        now: float,
        delay: float | None = None,
        reason: str = "",
    ) -> Outcome:
        """An event was not processed: what is to become of it. `unknown` is `retry`; one delivery fails once."""
        entry = self._addressed(position, receipt)
        if isinstance(entry, Outcome):
            return entry
        if entry.is_given_up:
            return Outcome.ALREADY
        match action:
            case "park":
                self._course.withdraw(entry)
                self._course.park(entry, reason, entry.failures + (not entry.is_judged))
            case "skip":
                self.skipped += 1
                self._course.withdraw(entry)
                self._course.settle(entry)
            case "stop":
                return self._stop(entry)
            case "retry" | "unknown":
                if entry.is_judged:
                    return Outcome.ALREADY
                self._course.withdraw(entry)
                self._course.fail(entry, now, reason, delay)
        return Outcome.SETTLED

    def _addressed(self, position: int, receipt: int | None) -> Entry | Outcome:
        """The unsettled event at a position whose last delivery has that receipt, or why there is none.

        An event that was not delivered since the group was made may have been before: then any receipt of its run
        from before counts. Not so for one that is replayed: its receipt may be of before it was parked.
        """
        window = self._course.window
        entry = window.find(position)
        if entry is None:
            was_delivered = receipt is not None and self._numbers < receipt <= self._receipts.last
            known = position <= window.reached if was_delivered else window.was_settled(position)
            return Outcome.ALREADY if known else Outcome.UNKNOWN
        if receipt is None:
            return entry if entry.receipt else Outcome.UNKNOWN
        if entry.receipt:
            return entry if receipt == entry.receipt else Outcome.STALE
        if entry.replayed and receipt > self._run:
            return Outcome.STALE
        return entry if self._run < receipt <= self._numbers else Outcome.UNKNOWN

    def _stop(self, entry: Entry) -> Outcome:
        seat = entry.seat
        if seat is None:
            return Outcome.ALREADY
        if not seat.is_shared:
            del self._seats[seat.consumer]
            self._stopped.append(seat.consumer)
        self._take_back(seat.given_with(entry), is_failure=False)
        return Outcome.SETTLED

    def tick(self, now: float) -> bool:
        """Take back what was not acknowledged in time, and let go on what has waited long enough.

        Whether something failed by that.
        """
        return self._course.tick(now)

    @property
    def next_due(self) -> float | None:
        """When `tick` has something to do next."""
        return self._course.waits.next_due(self.settings.ack_timeout)

    # --- parking ---

    def to_park(self) -> list[Parking]:
        """The events to be parked since the last call; each holds its key until `parked` or `park_failed` is called."""
        return self._course.lot.take()

    def parked(self, positions: Iterable[int], now: float) -> None:
        """These are durably parked: their keys go on, or are blocked."""
        self._course.parked(positions)

    def park_failed(self, positions: Iterable[int], now: float) -> None:
        """These could not be parked: it is tried again after the first backoff."""
        self._course.park_failed(positions, now)

    def unparked(self, positions: Iterable[int]) -> None:
        """These are parked no longer: keys of which nothing else is go on."""
        self._course.lot.unpark(positions)

    @property
    def blocked_keys(self) -> AbstractSet[str]:
        """The keys whose later events are parked."""
        return self._course.lot.blocked.keys()

    def to_forget(self) -> list[int]:
        """Positions of replayed events that were settled since the last call."""
        settled, self._course.settled_replays = self._course.settled_replays, []
        return settled

    # --- the checkpoint ---

    @property
    def position(self) -> int:
        """The checkpoint: everything up to it is settled. It never goes back."""
        return self._course.window.position

    @property
    def reached(self) -> int:
        """The position up to which the store was looked through."""
        return self._course.window.reached

    def ahead(self) -> Ahead:
        """The settled events beyond the checkpoint."""
        return self._course.window.ahead()

    @property
    def settled_since_checkpoint(self) -> int:
        """Events that were settled since `checkpoint_taken`."""
        return self._course.window.settled_since_checkpoint

    def checkpoint_taken(self) -> None:
        """The checkpoint and what is ahead of it are being written."""
        self._course.window.settled_since_checkpoint = 0

    # --- facts ---

    @property
    def consumers(self) -> int:
        """Consumers that are attached."""
        return len(self._seats)

    def in_flight_of(self, consumer: Hashable) -> int:
        """Events that a consumer holds."""
        seat = self._seats.get(consumer)
        return 0 if seat is None else len(seat.held)

    @property
    def in_flight(self) -> int:
        """Events that consumers hold."""
        return self._course.waits.held

    @property
    def retrying(self) -> int:
        """Events that failed, and wait to be delivered again."""
        return self._course.waits.retrying

    @property
    def unsettled(self) -> int:
        """Events that the checkpoint waits for; replayed ones are not among them."""
        return self._course.window.unsettled

    @property
    def replaying(self) -> int:
        """Parked events that are delivered again, and not settled."""
        return self._course.window.replaying

    @property
    def oldest(self) -> EventRow | None:
        """The first event that the checkpoint waits for."""
        return self._course.window.oldest
