"""A store as it is described, in the plainest Python: what every way in is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

ANY: Final = -2
NO_STREAM: Final = -1
STREAM_EXISTS: Final = -4


class RefusedError(Exception):
    """The store refuses: the code of the error, and its fields."""

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code, fields)
        self.code = code
        self.fields = fields


@dataclass(frozen=True)
class Recorded:
    """An event where it stands."""

    stream: str
    version: int
    position: int
    event_id: str
    data: Any = field(hash=False)


@dataclass(frozen=True)
class Proposed:
    """An event to append."""

    event_id: str
    data: Any = field(hash=False)


@dataclass(frozen=True)
class Part:
    """What an append writes to one stream."""

    stream: str
    events: tuple[Proposed, ...]
    expected: int = ANY


@dataclass(frozen=True)
class Exported:
    """An event of another store."""

    stream: str
    version: int
    event: Proposed


@dataclass
class StreamModel:
    """A stream that was written to, or closed."""

    version: int = -1
    first: int = 0
    state: str = "live"


@dataclass
class StoreModel:
    """A store; every method answers (version, position) or what is read, or raises RefusedError."""

    position: int = 0
    streams: dict[str, StreamModel] = field(default_factory=dict)
    events: list[Recorded] = field(default_factory=list)
    """What is stored, in commit order, hidden events included until they are compacted."""
    snapshots: dict[tuple[str, str, int], Any] = field(default_factory=dict)

    # --- writes ---

    def append(self, parts: Sequence[Part], guards: Sequence[tuple[str, int]] = ()) -> list[tuple[int, int]]:
        runs = [self._stored_run(part) for part in parts]
        if any(runs):
            for part, run in zip(parts, runs, strict=True):
                if part.events and not run:
                    raise self._there_already(next(run[0] for run in runs if run))
            return [self._first_answer(part, run) for part, run in zip(parts, runs, strict=True)]
        for part in parts:
            self._check(part.stream, part.expected)
        for stream, expected in guards:
            if not (self._state(stream) == "closed" and expected == ANY):
                self._check(stream, expected)
        return [self._write(part) for part in parts]

    def _stored_run(self, part: Part) -> list[Recorded]:
        """The stored events that this part repeats, as a whole; none when it repeats none."""
        wanted = [event.event_id for event in part.events]
        for place, event_id in enumerate(wanted):
            if event_id in wanted[:place]:
                twice = next(i for i in wanted if wanted.count(i) > 1)
                raise RefusedError("duplicate_event", stream_id=part.stream, event_id=twice)
        here = {event.event_id: event for event in self.events if event.stream == part.stream}
        found = [here[event_id] for event_id in wanted if event_id in here]
        if not found:
            return []
        in_one_run = [event.version for event in found] == [found[0].version + n for n in range(len(wanted))]
        if not in_one_run:
            raise self._there_already(found[0])
        return found

    def _there_already(self, event: Recorded) -> RefusedError:
        place = {"version": event.version, "position": event.position}
        return RefusedError("duplicate_event", stream_id=event.stream, event_id=event.event_id, **place)

    def _first_answer(self, part: Part, run: list[Recorded]) -> tuple[int, int]:
        if not run:
            return self.version(part.stream), self.position
        if part.expected >= 0 and part.expected != run[0].version - 1:
            if part.expected == self.version(part.stream):
                raise self._there_already(run[0])
            raise self._wrong(part.stream, part.expected)
        return run[-1].version, run[-1].position

    def _write(self, part: Part) -> tuple[int, int]:
        if not part.events:
            return self.version(part.stream), self.position
        stream = self.streams.setdefault(part.stream, StreamModel())
        stream.state = "live"
        for event in part.events:
            self._add(part.stream, event)
        return stream.version, self.position

    def _add(self, name: str, event: Proposed) -> None:
        self.position += 1
        stream = self.streams[name]
        stream.version += 1
        self.events.append(Recorded(name, stream.version, self.position, event.event_id, event.data))

    def import_events(self, exported: Sequence[Exported]) -> int:
        new: list[Exported] = []
        reached: dict[str, int] = {}
        for event in exported:
            name, version, event_id = event.stream, event.version, event.event.event_id
            stream = self.streams.get(name)
            if stream is not None and stream.state != "live":
                raise RefusedError("stream_deleted", stream_id=name)
            places = [e for e in self.events if e.stream == name and e.event_id == event_id]
            if places and places[0].version == version:
                continue
            if places:
                raise self._there_already(places[0])
            if any(e.stream == name and e.event.event_id == event_id for e in new):
                raise RefusedError("duplicate_event", stream_id=name, event_id=event_id)
            if name in reached or stream is not None:
                last = reached.get(name, self.version(name))
                if version != last + 1:
                    raise RefusedError("wrong_expected_version", stream_id=name, expected=version - 1, actual=last)
            reached[name] = version
            new.append(event)
        for event in new:
            if event.stream not in self.streams:
                self.streams[event.stream] = StreamModel(event.version - 1, event.version)
            self._add(event.stream, event.event)
        return len(new)

    def delete(self, name: str, expected: int, tombstone: bool) -> tuple[int, int]:
        if tombstone and self._state(name) == "closed":
            return self.version(name), self.position
        self._check(name, expected)
        if tombstone:
            self.streams.setdefault(name, StreamModel())
        if name in self.streams:
            stream = self.streams[name]
            stream.first = stream.version + 1
            stream.state = "closed" if tombstone else "deleted"
        return self.version(name), self.position

    def truncate(self, name: str, before: int) -> tuple[int, int]:
        self._check(name, ANY)
        if name in self.streams:
            stream = self.streams[name]
            stream.first = max(stream.first, min(before, stream.version + 1))
        return self.version(name), self.position

    def compact(self) -> int:
        kept = self.visible()
        removed = len(self.events) - len(kept)
        self.events = kept
        return removed

    # --- what passes ---

    def _state(self, name: str) -> str:
        return self.streams[name].state if name in self.streams else "unknown"

    def _check(self, name: str, expected: int) -> None:
        state, version = self._state(name), self.version(name)
        if state == "closed":
            raise RefusedError("stream_deleted", stream_id=name)
        passes = {
            ANY: True,
            NO_STREAM: state in ("unknown", "deleted"),
            STREAM_EXISTS: state == "live",
        }.get(expected, expected == version)
        if not passes:
            raise self._wrong(name, expected)

    def _wrong(self, name: str, expected: int) -> RefusedError:
        return RefusedError("wrong_expected_version", stream_id=name, expected=expected, actual=self.version(name))

    # --- reads ---

    def version(self, name: str) -> int:
        return self.streams[name].version if name in self.streams else -1

    def visible(self, name: str | None = None) -> list[Recorded]:
        return [
            event
            for event in self.events
            if event.version >= self.streams[event.stream].first and name in (None, event.stream)
        ]

    def read(self, name: str, start: int, count: int, backward: bool) -> list[Recorded]:
        there = self.visible(name)
        if backward:
            return [event for event in there[::-1] if event.version <= start][:count]
        return [event for event in there if event.version >= start][:count]

    def listed(self) -> list[str]:
        return sorted(name for name, stream in self.streams.items() if stream.state == "live")
