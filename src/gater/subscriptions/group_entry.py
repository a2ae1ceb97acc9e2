"""An event that a consumer group owes, the consumer that may hold it, and the lane in which it waits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable
from enum import Enum
from heapq import heappop, heappush
from typing import Final

from gater.model.events import CREATED, EVENT_ID, POSITION, STREAM, VERSION, EventRow


class State(Enum):
    """The state of an event on its way to being settled."""

    READY = "ready"
    """In its lane; it is delivered when its turn comes."""
    IN_FLIGHT = "in flight"
    RETRYING = "retrying"
    """It failed, and waits for its next delivery."""
    PARKING = "parking"
    """It is to be parked, and waits until that is durable."""
    PARKING_LATER = "parking later"
    """It could not be parked, and waits for another try."""
    LOADING = "loading"
    """It is ready as soon as its payload was read again."""
    SETTLED = "settled"


# As names of the module: a member of an enum is looked up much more slowly, and this is done for every event.
READY: Final = State.READY
IN_FLIGHT: Final = State.IN_FLIGHT
RETRYING: Final = State.RETRYING
PARKING: Final = State.PARKING
PARKING_LATER: Final = State.PARKING_LATER
LOADING: Final = State.LOADING
SETTLED: Final = State.SETTLED

STALE_PAGES: Final = 64
"""Pages of a shared seat of which nothing is held, and that are listed still."""
GONE: Final[EventRow] = ("", 0, 0, b"", "", "", b"", None, 0)
"""What is left of an event that was settled before earlier ones: its payload is not kept."""


class Seat:
    """The place of a consumer in its group."""

    __slots__ = (
        "consumer",
        "heard_at",
        "held",
        "hidden",
        "is_patient",
        "is_shared",
        "is_silent",
        "lost",
        "pages",
        "prefetch",
        "waiting",
    )

    def __init__(
        self, consumer: Hashable, prefetch: int, is_shared: bool = False, is_patient: bool = False, lost: int = 0
    ) -> None:
        self.consumer = consumer
        self.prefetch = prefetch
        self.is_shared = is_shared
        """Whether it stands for several consumers; what they were given together is one consumer's."""
        self.held: dict[int, Entry] = {}
        """The events that it holds, by position, in the order in which they were delivered."""
        self.is_patient = is_patient
        """Whether it reports which events it has begun to process; until then they wait there."""
        self.waiting: dict[int, Entry] = {}
        """Those of its events that wait, in the same order."""
        self.hidden: dict[int, Entry] = {}
        """Events that were hidden while they waited there, and of which it is to be told."""
        self.heard_at = 0.0
        """When it reported last, or was given events while none waited there."""
        self.is_silent = False
        """Whether what waited there was taken back; it gets nothing more before it reports."""
        self.lost = lost
        """The deliveries up to this receipt do not wait there any more."""
        self.pages: list[range] = []
        """The receipts that were given together, of a shared one."""

    def gave(self, receipts: range) -> None:
        """These were given together."""
        if self.is_shared:
            if len(self.pages) > 2 * len(self.held) + STALE_PAGES:
                held = sorted([entry.receipt for entry in self.held.values()])
                self.pages = [
                    page for page in self.pages if bisect_left(held, page.start) < bisect_left(held, page.stop)
                ]
            self.pages.append(receipts)

    def given_with(self, entry: Entry) -> list[Entry]:
        """The events held by the consumer of an event: all of them, or for a shared seat those given with it."""
        if not self.is_shared:
            return list(self.held.values())
        page = next(page for page in self.pages if entry.receipt in page)
        return [other for other in self.held.values() if other.receipt in page]


class Entry:
    """An event of a group's window."""

    __slots__ = (
        "failures",
        "fed",
        "is_judged",
        "is_listed",
        "lane",
        "next",
        "parking",
        "position",
        "receipt",
        "replayed",
        "row",
        "seat",
        "state",
        "taken_at",
        "ticket",
    )

    lane: Lane
    """Set when it first becomes ready."""

    def __init__(self, row: EventRow, position: int, failures: int = 0, *, fed: bool = True) -> None:
        self.row = row
        self.position = position
        self.state = READY
        self.failures = failures
        self.receipt = 0
        """That of its last delivery; 0: not delivered since the group was made."""
        self.is_judged = False
        """Whether its last delivery was counted as a failure: it cannot fail twice."""
        self.seat: Seat | None = None
        """Who holds it while it is in flight."""
        self.taken_at = 0.0
        """When it was delivered last."""
        self.ticket = 0
        """Number of the wait that counts, when it waits for a time."""
        self.next: Entry | None = None
        """The one behind it in its lane."""
        self.is_listed = False
        """Whether its lane has it; the lane lets go of it when it comes first and is not ready."""
        self.fed = fed
        """Whether the checkpoint waits for it."""
        self.replayed = not fed
        """Whether there is a record of it as a parked event, to be deleted when it is settled."""
        self.parking: tuple[str, int] = ("", 0)
        """Why it is to be parked, and after how many attempts."""

    @property
    def is_known(self) -> bool:
        """Whether it is more than an event that was read: it was delivered, failed, is replayed or dealt with."""
        return self.state is not READY or bool(self.receipt or self.failures) or self.replayed

    @property
    def is_let_go(self) -> bool:
        """Whether its payload is not here."""
        return not self.row[EVENT_ID]

    def let_go(self) -> None:
        """Keep only what tells which event it is, and when it was written."""
        row = self.row
        self.row = (row[STREAM], row[VERSION], row[POSITION], b"", "", "", b"", None, row[CREATED])

    @property
    def is_given_up(self) -> bool:
        """Whether it is to be parked: it is not delivered any more."""
        return self.state is PARKING or self.state is PARKING_LATER

    def __lt__(self, other: Entry) -> bool:
        return self.position < other.position


class Lane:
    """The events of one key in the order in which they are owed: with key ordering one at a time is outside."""

    __slots__ = ("first", "holds", "is_early", "is_queued", "key", "last", "returned")

    def __init__(self, key: str | int) -> None:
        self.key = key
        self.first: Entry | None = None
        """The first of those that came in order, a chain."""
        self.last: Entry | None = None
        self.returned: list[Entry] = []
        """A heap of those that came otherwise: given back, or replayed."""
        self.holds = 0
        """Events of the key that are in flight, retried or being parked: nothing is delivered meanwhile."""
        self.is_queued = False
        """Whether it stands among the lanes that are ready, in the order in which they became so."""
        self.is_early = False
        """Whether it stands among the lanes that go first."""

    def append(self, entry: Entry) -> None:
        """Put an event after all others that came in order."""
        if self.last is None:
            self.first = entry
        else:
            self.last.next = entry
        self.last = entry
        entry.is_listed = True

    def let_go_of_settled(self) -> None:
        """Take those out of the chain that are no longer ready."""
        entry, self.first, self.last = self.first, None, None
        while entry is not None:
            entry.is_listed, following, entry.next = False, entry.next, None
            if entry.state is READY:
                self.append(entry)
            entry = following

    def insert(self, entry: Entry) -> None:
        """Put an event where its position belongs."""
        if not entry.is_listed:
            heappush(self.returned, entry)
            entry.is_listed = True

    def head(self) -> Entry | None:
        """The event that comes next; those before it that are no longer ready are let go of."""
        while True:
            first, returned = self.first, self.returned
            if returned and (first is None or returned[0].position < first.position):
                first = returned[0]
            if first is None or first.state is READY:
                return first
            self._remove(first)

    def pop(self) -> Entry | None:
        """Take out the event that comes next."""
        entry = self.head()
        if entry is not None:
            self._remove(entry)
        return entry

    def _remove(self, entry: Entry) -> None:
        """Take out an event that comes first."""
        if entry is self.first:
            self.first = entry.next
            entry.next = None
            if self.first is None:
                self.last = None
        else:
            heappop(self.returned)
        entry.is_listed = False

    def waiting_behind(self, position: int) -> list[Entry]:
        """The ready events after a position, in order; those no longer ready are let go of, and not met again."""
        self.let_go_of_settled()
        returned, self.returned = self.returned, []
        for entry in returned:
            entry.is_listed = False
            if entry.state is READY:
                self.insert(entry)
        found = list(self.returned)
        chained = self.first
        while chained is not None:
            found.append(chained)
            chained = chained.next
        return sorted([entry for entry in found if entry.position > position])
