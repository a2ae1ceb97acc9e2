"""The promises of a store, checked on its whole content against the history of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gater import Event
from tests.torture.history import History

MOST_REPORTED = 20


@dataclass(frozen=True)
class Stored:
    """Where an event was found."""

    stream_id: str
    version: int
    position: int


def violations(history: History, content: Sequence[Event]) -> list[str]:
    """What contradicts the promises, the first of each kind; empty when all hold."""
    found = [
        *_gapless_positions(content),
        *_gapless_versions(content),
        *_once(content),
        *_acknowledged_is_there(history, content),
        *_nothing_invented(history, content),
        *_followed_in_order(history, content),
    ]
    return found[:MOST_REPORTED]


def _gapless_positions(content: Sequence[Event]) -> Iterable[str]:
    for expected, event in enumerate(content, start=1):
        if event.position != expected:
            yield f"position {expected} is missing: {event.position} comes next"
            return


def _gapless_versions(content: Sequence[Event]) -> Iterable[str]:
    reached: dict[str, int] = {}
    for event in content:
        expected = reached.get(event.stream_id, -1) + 1
        if event.version != expected:
            yield f"stream {event.stream_id}: version {expected} is missing, {event.version} comes next"
            return
        reached[event.stream_id] = event.version


def _once(content: Sequence[Event]) -> Iterable[str]:
    times = Counter((event.stream_id, event.id_bytes) for event in content)
    for (stream_id, event_id), count in times.items():
        if count > 1:
            yield f"event {event_id.hex()} is {count} times in stream {stream_id}"
            return


def _acknowledged_is_there(history: History, content: Sequence[Event]) -> Iterable[str]:
    places = {str(event.event_id): Stored(event.stream_id, event.version, event.position) for event in content}
    for entry in history.acknowledged:
        first = entry.version - len(entry.event_ids) + 1
        for offset, event_id in enumerate(entry.event_ids):
            place = places.get(event_id)
            if place is None:
                yield f"acknowledged event {event_id} of stream {entry.stream_id} is lost"
                return
            if (place.stream_id, place.version) != (entry.stream_id, first + offset):
                yield f"event {event_id} was acknowledged at {entry.stream_id}/{first + offset}, it stands at {place}"
                return
        if places[entry.event_ids[-1]].position != entry.position:
            yield f"event {entry.event_ids[-1]} was acknowledged at position {entry.position}"
            return


def _nothing_invented(history: History, content: Sequence[Event]) -> Iterable[str]:
    for event in content:
        if history.attempted.get(str(event.event_id)) != event.stream_id:
            yield f"event {event.event_id} of stream {event.stream_id} was never sent there"
            return


def _followed_in_order(history: History, content: Sequence[Event]) -> Iterable[str]:
    for expected, (position, event_id) in enumerate(history.followed, start=1):
        if position != expected:
            yield f"the subscriber was given position {position} where {expected} comes next"
            return
        if expected <= len(content) and str(content[expected - 1].event_id) != event_id:
            yield f"the subscriber was given {event_id} at position {position}, another event is stored there"
            return
