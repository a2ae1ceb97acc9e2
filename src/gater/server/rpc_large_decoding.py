"""Large RPC messages as operations: counted before they are decoded, decoded and checked event by event.

All of it is meant for the thread of large requests: no step of it keeps the interpreter for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from gater.api.operation import Operation
from gater.api.operations import AppendStreams, ImportPage, RecordSnapshotOperation
from gater.api.pubsub_operations import CheckedPublish, Publish
from gater.api.subscription_operations import Report, Settle
from gater.gateway.admission import (
    WeighedEvents,
    admit_writes,
    check_event,
    check_size,
    check_snapshot,
    weigh_events,
    weigh_import,
)
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import GaterError, RequestTooLargeError, ValidationError
from gater.model.events import EncodedEvent, ImportedEvent
from gater.model.expected_version import ANY
from gater.model.limits import (
    MOST_EVENTS,
    MOST_GUARDS,
    MOST_MESSAGE_VALUES,
    MOST_SETTLED,
    MOST_SMALL_BYTES,
    MOST_STREAMS,
    MOST_VALUES,
    Limits,
    check_number,
    too_many,
)
from gater.model.message_body import check_body
from gater.model.snapshots import EncodedSnapshot
from gater.server.large_requests import LARGE_BYTES
from gater.server.rpc_requests import decode_operation
from gater.wire.codec import DECODE_ERRORS, decode_client_frame
from gater.wire.frame_spans import first_items, frame_spans, list_length
from gater.wire.frames import ClientFrame, Request

Outcome = Operation[Any] | GaterError


class LargeMessage(NamedTuple):
    """The frames of a large message, and by request id what its large requests ask for, or why they are refused."""

    frames: list[ClientFrame]
    outcomes: dict[int, Outcome]


class _Write(msgspec.Struct, frozen=True, array_like=True):
    """A StreamWrite whose events are not decoded yet."""

    stream_id: str
    events: msgspec.Raw
    expected_version: int = ANY


class _Imported(msgspec.Struct, frozen=True, array_like=True):
    """An ImportedEvent whose event is sound once it was checked."""

    stream_id: str
    version: int
    created_epoch: int
    event: EncodedEvent


_decode_text: Final = msgspec.msgpack.Decoder(str).decode
_decode_parts: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_writes: Final = msgspec.msgpack.Decoder(list[_Write]).decode
_decode_guards: Final = msgspec.msgpack.Decoder(tuple[StreamGuard, ...]).decode
_decode_event: Final = msgspec.msgpack.Decoder(EncodedEvent).decode
_decode_imported: Final = msgspec.msgpack.Decoder(_Imported).decode

_PUBLISH_VALUES: Final = 8
"""Values of a request to publish besides those of the message."""
_LIST_OF_FOUR: Final = b"\x94"
_NIL: Final = b"\xc0"
_decode_snapshot: Final = msgspec.msgpack.Decoder(RecordSnapshotOperation).decode
_decode_publish: Final = msgspec.msgpack.Decoder(Publish).decode
_LARGE: Final = frozenset(
    {AppendStreams.name, ImportPage.name, RecordSnapshotOperation.name, Publish.name, Settle.name, Report.name}
)
"""The operations that may have more than MOST_SMALL_BYTES."""


def read_large_message(message: bytes, limits: Limits) -> LargeMessage:
    """Take a message apart; raises MalformedError."""
    frames: list[ClientFrame] = []
    outcomes: dict[int, Outcome] = {}
    for start, end, values in frame_spans(message, MOST_VALUES):
        if values > MOST_VALUES:
            # Its arguments are never decoded: the three items before them say which request it is.
            frame = decode_client_frame(_LIST_OF_FOUR + first_items(message, start, 3) + _NIL)
            outcomes[frame.id] = too_many("values", values, MOST_VALUES)
        else:
            frame = decode_client_frame(message[start:end])
            if type(frame) is Request and end - start > LARGE_BYTES:
                outcomes[frame.id] = _outcome(frame, values, limits)
        frames.append(frame)
    return LargeMessage(frames, outcomes)


def _outcome(request: Request, values: int, limits: Limits) -> Outcome:
    try:
        if request.operation == Publish.name:
            check_number("values", values - _PUBLISH_VALUES, MOST_MESSAGE_VALUES)
        return _operation(request, limits)
    except GaterError as error:
        return error
    except DECODE_ERRORS as error:
        return ValidationError("arguments", str(error))


def _operation(request: Request, limits: Limits) -> Operation[Any]:
    size = len(memoryview(request.arguments))
    if request.operation not in _LARGE and size > MOST_SMALL_BYTES:
        raise RequestTooLargeError(size, MOST_SMALL_BYTES)
    if request.operation == AppendStreams.name:
        return _append(_decode_parts(request.arguments), limits)
    if request.operation == ImportPage.name:
        return _import(_decode_parts(request.arguments), limits)
    if request.operation in (Settle.name, Report.name):
        for part in _decode_parts(request.arguments):
            check_number("settlements", list_length(bytes(part)[:5]) or 0, MOST_SETTLED)
    if request.operation == Publish.name:
        asked = _decode_publish(request.arguments)
        return CheckedPublish(asked.instance, asked.topic, check_body(asked.body))
    if request.operation == RecordSnapshotOperation.name:
        return _snapshot(_decode_snapshot(request.arguments))
    return decode_operation(request)


def _snapshot(operation: RecordSnapshotOperation) -> RecordSnapshotOperation:
    check_snapshot(operation.snapshot)
    snapshot = EncodedSnapshot(*msgspec.structs.astuple(operation.snapshot))
    return RecordSnapshotOperation(operation.store, snapshot)


def _append(parts: list[msgspec.Raw], limits: Limits) -> AppendStreams:
    store, writes, guards = _parts(parts, 3)
    _check_length("streams", writes, MOST_STREAMS)
    _check_length("guards", guards, MOST_GUARDS)
    undecoded = _decode_writes(writes)
    check_number("events", sum([list_length(bytes(write.events)) or 0 for write in undecoded]), MOST_EVENTS)
    checked = [
        StreamWrite(write.stream_id, _events(write.events, limits), write.expected_version) for write in undecoded
    ]
    decoded = _decode_guards(guards) if guards else ()
    return AppendStreams(_decode_text(store), admit_writes(tuple(checked), decoded, limits), decoded)


def _import(parts: list[msgspec.Raw], limits: Limits) -> ImportPage:
    store, events = _parts(parts, 2)
    _check_length("events", events, MOST_EVENTS)
    imported = []
    for raw in _taken(_decode_parts(events)):
        one = _decode_imported(raw)
        _check(one.event, limits)
        imported.append(ImportedEvent(one.stream_id, one.version, one.created_epoch, one.event))
    return ImportPage(_decode_text(store), weigh_import(imported, limits))


def _parts(parts: list[msgspec.Raw], count: int) -> list[bytes]:
    """The first arguments of an operation; empty where one was left out, as only the last may be."""
    if len(parts) < 2:
        raise ValidationError("arguments", "too few")
    return [bytes(part) for part in parts[:count]] + [b""] * (count - len(parts))


def _check_length(what: str, raw: bytes, most: int) -> None:
    check_number(what, list_length(raw) or 0, most)


def _events(raw: msgspec.Raw, limits: Limits) -> WeighedEvents:
    return weigh_events([_check(_decode_event(event), limits) for event in _taken(_decode_parts(raw))], limits)


def _taken(parts: list[msgspec.Raw]) -> Iterator[msgspec.Raw]:
    """The parts, each let go of when it was used: to free many at once takes long."""
    parts.reverse()
    while parts:
        yield parts.pop()


def _check(event: EncodedEvent, limits: Limits) -> EncodedEvent:
    check_size(event, limits.max_event_bytes)
    check_event(event)
    return event
