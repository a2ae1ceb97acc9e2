"""A consumer group as its rules are said, in the plainest Python: what the real one is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from gater.model.events import EventRow
from gater.model.subscriptions import Ahead, GroupSettings
from gater.subscriptions.group_outcome import Outcome

WINDOW: Final = 4
"""The least window, so small that it is met all the time."""

State = Literal["ready", "flight", "retry", "parking", "parking later", "settled"]


@dataclass
class Owed:
    """An event of the group as the model knows it."""

    row: EventRow
    fed: bool
    replayed: bool
    state: State = "ready"
    failures: int = 0
    receipt: int = 0
    judged: bool = False
    holder: str = ""
    taken_at: float = 0.0
    due: float = 0.0
    parking: tuple[str, int] = ("", 0)

    @property
    def key(self) -> str:
        return self.row[0]

    @property
    def position(self) -> int:
        return self.row[2]


@dataclass
class Model:
    """The rules said plainly; each question looks through everything."""

    settings: GroupSettings
    checkpoint: int = 0
    order_is_pending: bool = False
    """Whether key order was asked for and waits for marked streams."""
    reached: int = 0
    known: Ahead = field(default_factory=Ahead)
    known_parked: set[int] = field(default_factory=set)
    entries: list[Owed] = field(default_factory=list)
    """Everything that was fed or replayed; what is settled, too."""
    blocked: dict[str, int] = field(default_factory=dict)
    parked_of: dict[str, set[int]] = field(default_factory=dict)
    away: set[int] = field(default_factory=set)
    """Positions of unsettled events that are to be read again: they are parked when they are here."""
    prefetch: dict[str, int] = field(default_factory=dict)
    last_receipt: int = 0
    numbers: int = 0
    """Receipts from 2 up to it were given before the group was made."""
    announced: list[Owed] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    delivered: int = 0
    redelivered: int = 0
    acked: int = 0
    skipped: int = 0

    @property
    def keyed(self) -> bool:
        return self.settings.ordering == "key" and not self.order_is_pending

    @property
    def blocks(self) -> bool:
        return self.keyed and self.settings.after_park == "block"

    def unsettled(self) -> list[Owed]:
        return sorted([e for e in self.entries if e.state != "settled"], key=lambda e: e.position)

    def find(self, position: int) -> Owed | None:
        found = [e for e in self.entries if e.position == position]
        return next((e for e in found if e.state != "settled"), found[0] if found else None)

    def in_flight(self, consumer: str = "") -> list[Owed]:
        flying = [e for e in self.entries if e.state == "flight" and consumer in ("", e.holder)]
        return sorted(flying, key=lambda e: e.receipt)

    def position(self) -> int:
        waiting = [e.position for e in self.unsettled() if e.fed]
        return min(waiting) - 1 if waiting else self.reached

    def settled_beyond(self) -> set[int]:
        """Positions beyond the checkpoint that are settled."""
        fed = {e.position for e in self.entries if e.fed and e.state == "settled" and e.position > self.position()}
        return fed | {position for position in self.known.settled if position > self.reached}

    def attempts(self) -> dict[int, int]:
        """How often each unsettled event failed."""
        fed = {e.position: e.failures for e in self.entries if e.fed and e.state != "settled" and e.failures}
        return fed | {position: count for position, count in self.known.attempts if position > self.reached}

    def deliverable(self) -> list[Owed]:
        """What may be delivered next."""
        unsettled = self.unsettled()
        ready = [e for e in unsettled if e.state == "ready"]
        if not self.keyed:
            return ready
        held = {e.key for e in unsettled if e.state != "ready"}
        firsts: dict[str, Owed] = {}
        for entry in ready:
            firsts.setdefault(entry.key, entry)
        return [e for key, e in firsts.items() if key not in held]

    def share(self, consumer: str) -> int:
        """How many more events a consumer may have."""
        if consumer not in self.prefetch:
            return 0
        own = self.prefetch[consumer] - len(self.in_flight(consumer))
        return max(min(own, self.settings.max_in_flight - len(self.in_flight())), 0)

    def next_due(self) -> float | None:
        overdue = [e.taken_at + self.settings.ack_timeout for e in self.in_flight()]
        waits = [e.due for e in self.entries if e.state in ("retry", "parking later")]
        return min(overdue + waits, default=None)

    # --- what happens ---

    def feed(self, rows: list[EventRow], reached: int) -> None:
        for row in rows:
            if row[2] <= self.reached:
                continue
            here = self.find(row[2])
            if here is not None and here.state != "settled":
                here.fed = True
                continue
            entry = Owed(row, fed=True, replayed=False, failures=dict(self.known.attempts).get(row[2], 0))
            self.entries.append(entry)
            if row[2] in self.known.settled or row[2] in self.known_parked:
                entry.state = "settled"
            else:
                self.here_again(row[2])
        self.reached = max(self.reached, reached)

    def here_again(self, position: int) -> None:
        entry = self.find(position)
        if entry is not None and entry.state == "ready" and position not in self.away and self.is_behind(entry):
            self.park(entry, f"behind the parked event at position {self.blocked[entry.key]}", 0)

    def is_behind(self, entry: Owed) -> bool:
        return entry.position > self.blocked.get(entry.key, entry.position) and not entry.replayed

    def replay(self, row: EventRow) -> None:
        here = self.find(row[2])
        if here is None or here.state == "settled":
            self.entries.append(Owed(row, fed=False, replayed=True))
        elif not here.replayed:
            here.replayed, here.failures = True, 0

    def deliver(self, entry: Owed, consumer: str, receipt: int, now: float) -> None:
        self.delivered += 1
        self.redelivered += bool(entry.receipt or entry.failures or entry.replayed)
        entry.state, entry.holder, entry.receipt = "flight", consumer, receipt
        entry.taken_at, entry.judged = now, False
        self.last_receipt = receipt

    def refusal(self, position: int, receipt: int | None) -> Outcome | None:
        entry = self.find(position)
        if entry is None:
            known = position <= self.reached or position in self.known.settled or position in self.known_parked
            return Outcome.ALREADY if known else Outcome.UNKNOWN
        if entry.state == "settled":
            return Outcome.ALREADY
        if entry.receipt and receipt not in (None, entry.receipt):
            return Outcome.STALE
        if not entry.receipt and receipt is not None and receipt > 1 and entry.replayed:
            return Outcome.STALE
        if not entry.receipt and (receipt is None or not 1 < receipt <= self.numbers):
            return Outcome.UNKNOWN
        return None

    def ack(self, position: int, receipt: int | None) -> Outcome:
        refusal, entry = self.refusal(position, receipt), self.find(position)
        if refusal is not None or entry is None:
            return refusal or Outcome.UNKNOWN
        if entry.state in ("parking", "parking later"):
            return Outcome.STALE
        self.acked += 1
        self.settle(entry)
        return Outcome.SETTLED

    def nack(self, position: int, receipt: int | None, action: str, now: float, delay: float | None) -> Outcome:
        refusal, entry = self.refusal(position, receipt), self.find(position)
        if refusal is not None or entry is None:
            return refusal or Outcome.UNKNOWN
        if entry.state in ("parking", "parking later"):
            return Outcome.ALREADY
        if action == "skip":
            self.skipped += 1
            self.settle(entry)
        elif action == "park":
            self.park(entry, "why", entry.failures + (not entry.judged))
        elif action == "stop":
            if entry.state != "flight":
                return Outcome.ALREADY
            self.detach(entry.holder, counts=False)
        elif entry.judged:
            return Outcome.ALREADY
        else:
            self.fail(entry, now, "why", delay)
        return Outcome.SETTLED

    def settle(self, entry: Owed) -> None:
        entry.state = "settled"
        if entry.replayed:
            self.forgotten.append(entry.position)

    def count_failure(self, entry: Owed, reason: str) -> bool:
        entry.failures += 1
        entry.judged = True
        if entry.failures <= self.settings.max_retries:
            return True
        times = "1 time" if entry.failures == 1 else f"{entry.failures} times"
        self.park(entry, f"failed {times}: {reason}", entry.failures)
        return False

    def fail(self, entry: Owed, now: float, reason: str, delay: float | None = None) -> None:
        if self.count_failure(entry, reason):
            backoff = self.settings.backoff
            pause = delay if delay is not None else (backoff + backoff[-1:] * entry.failures)[entry.failures - 1]
            entry.state, entry.due = "retry", now + pause

    def give_back(self, entry: Owed) -> None:
        if self.is_behind(entry):
            self.park(entry, f"behind the parked event at position {self.blocked[entry.key]}", 0)
        else:
            entry.state = "ready"

    def detach(self, consumer: str, *, counts: bool) -> None:
        for entry in self.in_flight(consumer):
            if not counts or self.count_failure(entry, "its consumer left"):
                self.give_back(entry)
            counts = False
        self.prefetch.pop(consumer, None)

    def tick(self, now: float) -> None:
        for entry in self.in_flight():
            if entry.taken_at + self.settings.ack_timeout <= now:
                self.fail(entry, now, "not acknowledged in time")
        for entry in self.entries:
            if entry.state == "retry" and entry.due <= now:
                self.give_back(entry)
            elif entry.state == "parking later" and entry.due <= now:
                self.park(entry, *entry.parking)

    def park(self, entry: Owed, reason: str, attempts: int) -> None:
        entry.state, entry.parking = "parking", (reason, attempts)
        self.announced.append(entry)

    def parked(self, position: int) -> None:
        entry = self.find(position)
        assert entry is not None
        assert entry.state == "parking"
        entry.state = "settled"
        if self.blocks:
            self.block(entry.key, position)
            for later in self.unsettled():
                is_ready = later.state == "ready" and later.position not in self.away
                if later.key == entry.key and later.position > position and is_ready:
                    self.park(later, f"behind the parked event at position {position}", 0)

    def block(self, key: str, position: int) -> None:
        self.parked_of.setdefault(key, set()).add(position)
        self.blocked[key] = min(position, self.blocked.get(key, position))

    def unpark(self, positions: list[int]) -> None:
        for key, parked in list(self.parked_of.items()):
            parked.difference_update(positions)
            if not parked:
                del self.parked_of[key], self.blocked[key]

    def configure(self, changed: GroupSettings) -> None:
        self.settings = changed
        if not self.blocks:
            self.blocked.clear()
            self.parked_of.clear()
