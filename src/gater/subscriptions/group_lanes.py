"""Which event of a consumer group is delivered next: one lane a key, or one an event when there is no order to keep."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

from gater.model.events import STREAM
from gater.subscriptions.group_entry import READY, Entry, Lane


class Lanes:
    """The lanes of a group; of each that nothing holds, the first event is ready."""

    def __init__(self, *, keyed: bool) -> None:
        self.keyed = keyed
        """Whether the events of one key share a lane."""
        self._lanes: dict[str | int, Lane] = {}
        self._queue: deque[Lane] = deque()
        """Lanes in the order in which they became ready."""
        self._early: list[tuple[int, Lane]] = []
        """A heap of the lanes whose event was given back or is replayed: it is older than most, and goes first."""

    def __len__(self) -> int:
        """The number of lanes."""
        return len(self._lanes)

    @classmethod
    def of(cls, entries: Iterable[Entry], *, keyed: bool) -> Lanes:
        """The lanes of unsettled events, given in the order of their positions."""
        lanes = cls(keyed=keyed)
        for entry in entries:
            entry.next, entry.is_listed = None, False
            if entry.state is not READY:
                lanes.add_held(entry)
            elif entry.fed:
                lanes.add(entry)
            else:
                lanes.add_replayed(entry)
        # A lane may have been offered before it got its hold: it is passed over, and offered again when the hold ends.
        return lanes

    def _enter(self, entry: Entry) -> Lane:
        key = entry.row[STREAM] if self.keyed else entry.position
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        entry.lane = lane
        return lane

    def add(self, entry: Entry) -> None:
        """Take in a new event, the last in the order of positions."""
        lane = self._enter(entry)
        lane.append(entry)
        if not lane.holds and not lane.is_queued:
            lane.is_queued = True
            self._queue.append(lane)

    def add_replayed(self, entry: Entry) -> None:
        """Take in an event of an earlier time."""
        lane = self._enter(entry)
        lane.insert(entry)
        self._offer_early(lane, entry)

    def add_held(self, entry: Entry) -> None:
        """Take in an event that is not to be delivered, and holds its lane from the start."""
        self._enter(entry).holds += 1

    def take(self) -> Entry | None:
        """The event that is delivered next; it holds its lane until it is put back or released."""
        while self._early:
            lane = heappop(self._early)[1]
            lane.is_early = False
            entry = self._take_from(lane)
            if entry is not None:
                return entry
        while self._queue:
            lane = self._queue.popleft()
            lane.is_queued = False
            entry = self._take_from(lane)
            if entry is not None:
                return entry
        return None

    def _take_from(self, lane: Lane) -> Entry | None:
        if lane.holds:
            return None
        entry = lane.pop()
        if entry is None:
            self._drop(lane)
        else:
            lane.holds = 1
        return entry

    @property
    def has_ready(self) -> bool:
        """Whether `take` would give an event."""
        while self._early:
            lane = self._early[0][1]
            if self._is_ready(lane):
                return True
            heappop(self._early)
            lane.is_early = False
            self._drop(lane)
        while self._queue:
            lane = self._queue[0]
            if self._is_ready(lane):
                return True
            self._queue.popleft()
            lane.is_queued = False
            self._drop(lane)
        return False

    def _is_ready(self, lane: Lane) -> bool:
        return not lane.holds and lane.head() is not None

    def hold(self, entry: Entry) -> None:
        """A ready event is dealt with without being delivered; it holds its lane."""
        entry.lane.holds += 1

    def put_back(self, entry: Entry) -> None:
        """An event that held its lane is ready again."""
        entry.state = READY
        lane = entry.lane
        lane.holds -= 1
        lane.insert(entry)
        self._offer_early(lane, entry)

    def is_free(self, key: str) -> bool:
        """Whether nothing holds a lane, and nothing is in it."""
        lane = self._lanes.get(key)
        return lane is None or (not lane.holds and lane.head() is None)

    def release(self, lane: Lane) -> None:
        """An event that held a lane is settled."""
        lane.holds -= 1
        if lane.holds or lane.is_queued or lane.is_early:
            return
        if lane.head() is None:
            self._drop(lane)
        else:
            lane.is_queued = True
            self._queue.append(lane)

    def waiting_behind(self, entry: Entry) -> list[Entry]:
        """The ready events of the same lane with a later position, in order."""
        return entry.lane.waiting_behind(entry.position)

    def _offer_early(self, lane: Lane, entry: Entry) -> None:
        if not lane.holds and not lane.is_early:
            lane.is_early = True
            heappush(self._early, (entry.position, lane))

    def _drop(self, lane: Lane) -> None:
        """Forget a lane that is empty and stands nowhere."""
        if not (lane.holds or lane.is_queued or lane.is_early) and lane.head() is None:
            self._lanes.pop(lane.key, None)
