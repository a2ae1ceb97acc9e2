"""The places of a batch's event ids that are stored already: they make appends repeatable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from gater.model.commands import StreamWrite
from gater.model.errors import DuplicateEventError
from gater.store.heads import Head


class Run(NamedTuple):
    """Events that follow each other in a stream: the first and last version, and the position of the last."""

    first: int
    last: int
    position: int


class Places:
    """Stream number, version and position of every event id that a batch names and that is stored."""

    def __init__(self) -> None:
        # Flat: sid, version, position, and again for each further stream that holds the id.
        self._places: dict[bytes, tuple[int, ...]] = {}

    def add(self, event_id: bytes, sid: int, version: int, position: int) -> None:
        """Note where an event stands."""
        others = self._places.get(event_id)
        place = (sid, version, position)
        self._places[event_id] = place if others is None else others + place

    def free(self) -> None:
        """Forget all, in steps between which other threads have their turn."""
        while self._places:
            self._places.popitem()

    def find(self, event_id: bytes, sid: int) -> tuple[int, int] | None:
        """Version and position of the event in that stream; None when it is not there."""
        places = self._places.get(event_id)
        if places is None:
            return None
        for index in range(0, len(places), 3):
            if places[index] == sid:
                return places[index + 1], places[index + 2]
        return None

    def run(self, head: Head | None, write: StreamWrite) -> Run | None:
        """The place of the events of `write`, when they are in the stream as one run; None when none of them is there.

        DuplicateEventError when some are, or all but not as one run, or an id comes twice within the write.
        """
        events = write.events
        if len(events) > 1 and len({event.event_id for event in events}) < len(events):
            raise DuplicateEventError(write.stream_id, _twice([event.event_id for event in events]))
        if head is None:
            return None
        for event in events:
            if event.event_id in self._places:
                break
        else:
            return None
        found = [place for event in events if (place := self.find(event.event_id, head.sid)) is not None]
        if not found:
            return None
        first, last = found[0], found[-1]
        if len(found) < len(events) or [place[0] for place in found] != list(range(first[0], first[0] + len(found))):
            raise self.duplicate(head, write)
        return Run(first[0], last[0], last[1])

    def duplicate(self, head: Head, write: StreamWrite) -> DuplicateEventError:
        """The error that says where the first event of `write` is that is in the stream."""
        for event in write.events:
            if (place := self.find(event.event_id, head.sid)) is not None:
                return DuplicateEventError(write.stream_id, _text(event.event_id), *place)
        return DuplicateEventError(write.stream_id)

    def refuse_partial(
        self, heads: Sequence[Head | None], writes: Sequence[StreamWrite], runs: Sequence[Run | None]
    ) -> None:
        """DuplicateEventError when a part of an append is here already, and another is new."""
        if any(run is None and write.events for write, run in zip(writes, runs, strict=True)):
            for head, write, run in zip(heads, writes, runs, strict=True):
                if head is not None and run is not None:
                    raise self.duplicate(head, write)


def _twice(ids: list[bytes]) -> str:
    return _text(next(event_id for event_id, count in Counter(ids).items() if count > 1))


def _text(event_id: bytes) -> str:
    return str(UUID(bytes=event_id))
