"""The rules for a write before it is ordered, whatever its source: names, ids, sizes, expected versions, sound JSON.

The API object has checked most of this already; a client of another make may not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import (
    EventTooLargeError,
    InvalidArgumentError,
    RequestTooLargeError,
    ValidationError,
)
from gater.model.events import EVENT_WEIGHT, JSON, EncodedEvent, ImportedEvent, RawEvent, check_imported, is_object
from gater.model.expected_version import parse_expected_version
from gater.model.identifiers import check_event_type, check_name, check_stream_id
from gater.model.json_rules import check_json
from gater.model.limits import MOST_EVENTS, MOST_GUARDS, MOST_STREAMS, Limits, check_number
from gater.model.snapshots import (
    EncodedSnapshot,
    Snapshot,
    check_snapshot_numbers,
    check_snapshot_version,
    snapshot_bytes,
)

_check_content_type: Final = lru_cache(256)(check_name)


class WeighedEvents(tuple[RawEvent, ...]):
    """Events of a large request, checked and weighed by the thread that read it, so that the event loop need not.

    No decoder of what comes over a wire makes them.
    """

    weight = 0


class AdmittedWrites(tuple[StreamWrite, ...]):
    """The same for the writes of a large append, admitted with its guards."""

    weight = 0


class WeighedImport(tuple[ImportedEvent, ...]):
    """The same for events that are imported, with the names of their streams."""

    weight = 0


def weigh_events(events: Iterable[EncodedEvent], limits: Limits) -> WeighedEvents:
    """Weigh events whose content was checked; EventTooLargeError for one that is too large."""
    weighed = WeighedEvents(events)
    weighed.weight = _weigh_events(weighed, limits)
    return weighed


def admit_writes(writes: tuple[StreamWrite, ...], guards: tuple[StreamGuard, ...], limits: Limits) -> AdmittedWrites:
    """Admit a large append, whose guards are these and stay so (see `admit_append`)."""
    admitted = AdmittedWrites(writes)
    admitted.weight = _weigh_append(writes, guards, limits)
    return admitted


def weigh_import(events: Iterable[ImportedEvent], limits: Limits) -> WeighedImport:
    """Check and weigh events of an import; raises what is wrong with them."""
    weighed = WeighedImport(events)
    weighed.weight = _weigh_import(weighed, limits)
    return weighed


def admit_append(writes: tuple[StreamWrite, ...], guards: tuple[StreamGuard, ...], limits: Limits) -> int:
    """Weigh an append for the queue; raises what is wrong with it."""
    if len(writes) != 1 or guards:
        return writes.weight if type(writes) is AdmittedWrites else _weigh_append(writes, guards, limits)
    (write,) = writes  # the usual case
    if type(writes) is AdmittedWrites:
        return writes.weight
    count = len(write.events)
    if count > MOST_EVENTS:
        check_number("events", count, MOST_EVENTS)
    check_stream_id(write.stream_id)
    parse_expected_version(write.expected_version)
    return _within(len(write.stream_id) + _admit_events(write.events, limits), limits) + EVENT_WEIGHT * count


def _weigh_append(writes: tuple[StreamWrite, ...], guards: tuple[StreamGuard, ...], limits: Limits) -> int:
    check_number("streams", len(writes), MOST_STREAMS)
    check_number("guards", len(guards), MOST_GUARDS)
    if not writes or len({write.stream_id for write in writes}) < len(writes):
        raise InvalidArgumentError("appends", "one or more streams, each named once")
    events = check_number("events", sum([len(write.events) for write in writes]), MOST_EVENTS)
    total = 0
    for write in writes:
        check_stream_id(write.stream_id)
        parse_expected_version(write.expected_version)
        total += len(write.stream_id) + _admit_events(write.events, limits)
    for guard in guards:
        check_name(guard.stream_id, "stream_id")
        parse_expected_version(guard.expected_version)
        total += len(guard.stream_id)
    return _within(total, limits) + EVENT_WEIGHT * (events + len(guards))


def admit_import(events: tuple[ImportedEvent, ...], limits: Limits) -> int:
    """Weigh an import for the queue; raises what is wrong with it."""
    check_number("events", len(events), MOST_EVENTS)
    total = events.weight if type(events) is WeighedImport else _weigh_import(events, limits)
    return _within(total, limits) + EVENT_WEIGHT * len(events)


def _weigh_import(events: tuple[ImportedEvent, ...], limits: Limits) -> int:
    total = 0
    for imported in events:
        check_stream_id(imported.stream_id)
        check_imported(imported.version, imported.created_epoch)
        total += len(imported.stream_id)
    return total + _weigh_events([imported.event for imported in events], limits)


def admit_snapshot(snapshot: Snapshot, limits: Limits) -> int:
    """Weigh a snapshot for the queue; raises what is wrong with it."""
    check_name(snapshot.source_uuid, "source_uuid")
    check_name(snapshot.stream_uuid, "stream_uuid")
    check_snapshot_version(snapshot.version)
    check_snapshot_numbers(snapshot.source_version, snapshot.created_epoch)
    check_name(snapshot.content_type, "content_type")
    if type(snapshot) is not EncodedSnapshot:
        check_snapshot(snapshot)
    size = snapshot_bytes(msgspec.structs.astuple(snapshot))
    return _within(size - EVENT_WEIGHT, limits) + EVENT_WEIGHT


def check_snapshot(snapshot: Snapshot) -> None:
    """Raise what is wrong with what a snapshot holds, whatever its size."""
    _check_json(snapshot.content_type, snapshot.raw_data, snapshot.raw_metadata)


def _admit_events(events: tuple[RawEvent, ...], limits: Limits) -> int:
    return events.weight if type(events) is WeighedEvents else _weigh_events(events, limits)


def _weigh_events(events: Iterable[RawEvent], limits: Limits) -> int:
    """Bytes of the events' data, metadata and names."""
    total, most = 0, limits.max_event_bytes
    for event in events:
        size = len(event.data) if event.metadata is None else len(event.data) + len(event.metadata)
        if size > most:
            raise EventTooLargeError(size, most)
        if type(event) is not EncodedEvent:
            check_event(event)
        total += size + len(event.event_type) + len(event.content_type)
    return total


def check_size(event: RawEvent, most: int) -> None:
    """Raise EventTooLargeError when an event's data and metadata have more than `most` bytes."""
    if event.content_bytes > most:
        raise EventTooLargeError(event.content_bytes, most)


def check_event(event: RawEvent) -> None:
    """Raise what is wrong with an event, whatever its size."""
    if len(event.event_id) != 16:
        raise InvalidArgumentError("event_id", "a UUID, 16 bytes")
    check_event_type(event.event_type)
    _check_content_type(event.content_type, "content_type")
    _check_json(event.content_type, event.data, event.metadata)
    if event.metadata is not None and not is_object(event.metadata):
        raise ValidationError("metadata", "a JSON object")


def _check_json(content_type: str, data: bytes, metadata: bytes | None) -> None:
    """Refuse data that is marked as JSON and is not, or readers would fail later."""
    if content_type == JSON:
        check_json(data, "data")
    if metadata is not None:
        check_json(metadata, "metadata")


def _within(total: int, limits: Limits) -> int:
    if total > limits.max_request_bytes:
        raise RequestTooLargeError(total, limits.max_request_bytes)
    return total
