"""The JSON that callers send: its shapes, and how events in it become what the store keeps.

Payloads are not looked into: their JSON is checked and stored as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from uuid_utils import uuid7

from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import InvalidArgumentError, ValidationError
from gater.model.events import (
    JSON,
    EncodedEvent,
    ImportedEvent,
    RawEvent,
    check_imported,
    encode_payload,
    parse_event_id,
)
from gater.model.expected_version import ANY, WORDS, parse_expected_version
from gater.model.identifiers import check_event_type, check_name, check_stream_id
from gater.model.limits import MOST_EVENTS, MOST_GUARDS, MOST_STREAMS, check_number
from gater.server.http.documented import NAME_SCHEMA, NUMBER_SCHEMA, STORE_SCHEMA, STREAM_SCHEMA
from gater.wire.event_lines import line_metadata, line_payload

Body = TypeVar("Body")

Name = Annotated[str, msgspec.Meta(extra_json_schema=NAME_SCHEMA)]
StreamId = Annotated[str, msgspec.Meta(extra_json_schema=STREAM_SCHEMA)]
WholeNumber = Annotated[int, msgspec.Meta(extra_json_schema=NUMBER_SCHEMA)]
ExpectedVersion = Annotated[
    int | str,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [{"enum": [*WORDS, *WORDS.values()]}, NUMBER_SCHEMA],
            "description": "A version, or a word.",
        }
    ),
]
Metadata = Annotated[msgspec.Raw | msgspec.UnsetType, msgspec.Meta(extra_json_schema={"type": ["object", "null"]})]


class EventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event to append.

    `data` is any JSON; with a `content_type` other than `application/json` it is base64 text. `event_id` (a UUID,
    made when absent) makes the append repeatable.
    """

    event_type: Name
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata: Metadata = msgspec.UNSET
    event_id: Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})] | None = None
    content_type: Name | None = None


class AppendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events to append to one stream."""

    events: list[EventBody]


class StreamAppendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events to append to one of several streams; `expected_version` is a version or a word."""

    stream_id: StreamId
    events: list[EventBody]
    expected_version: ExpectedVersion = ANY


class GuardBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on a stream that is not written to."""

    stream_id: Name
    expected_version: ExpectedVersion


class AppendStreamsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Appends to several streams, done whole if every expected version and every guard holds."""

    appends: Annotated[list[StreamAppendBody], msgspec.Meta(extra_json_schema={"minItems": 1})]
    guards: list[GuardBody] = []


class StoreBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A store to make."""

    store: Annotated[str, msgspec.Meta(extra_json_schema=STORE_SCHEMA)]
    in_memory: bool = False
    description: str = ""
    tags: list[str] = []


class TruncateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version at which a stream is to begin."""

    before_version: WholeNumber


class SnapshotBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A snapshot to keep; `data` as in an event, `created_epoch` in milliseconds."""

    data: msgspec.Raw
    metadata: Metadata = msgspec.UNSET
    source_uuid: str | None = None
    source_type: str | None = None
    source_version: WholeNumber | None = None
    content_type: Name | None = None
    created_at: datetime | None = None
    created_epoch: WholeNumber | None = None


class ImportedLine(EventBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An event as an export, a read or a delivery wrote it; `position`, `created` and `attempt` are not used.

    Earlier exports have `data_base64` in place of `data`.
    """

    stream_id: StreamId
    version: WholeNumber
    event_id: Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
    created_epoch: WholeNumber
    data_base64: str | msgspec.UnsetType = msgspec.UNSET
    position: int | None = None
    created: str | None = None
    attempt: int | None = None


decode_append: Final = msgspec.json.Decoder(AppendBody | list[EventBody]).decode
decode_append_streams: Final = msgspec.json.Decoder(AppendStreamsBody).decode
decode_store: Final = msgspec.json.Decoder(StoreBody).decode
decode_truncate: Final = msgspec.json.Decoder(TruncateBody).decode
decode_snapshot: Final = msgspec.json.Decoder(SnapshotBody).decode
decode_imported_line: Final = msgspec.json.Decoder(ImportedLine).decode


def decoded(raw: bytes, decode: Callable[[bytes], Body]) -> Body:
    """JSON as `decode` reads it, or ValidationError."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise ValidationError("body", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationError("body", f"not JSON: {error}") from None


def events_of_append(raw: bytes) -> tuple[RawEvent, ...]:
    """The events of an append to one stream as a command carries them."""
    body = decoded(raw, decode_append)
    events = body if isinstance(body, list) else body.events
    check_number("events", len(events), MOST_EVENTS)
    return tuple([raw_event(event) for event in events])


def raw_event(body: EventBody, data_base64: str | msgspec.UnsetType = msgspec.UNSET) -> RawEvent:
    """The event as a command carries it; InvalidArgumentError or ValidationError names the field."""
    data, content_type = payload(body.data, body.content_type, data_base64)
    return RawEvent(
        uuid7().bytes if body.event_id is None else parse_event_id(body.event_id),
        check_event_type(body.event_type),
        content_type,
        data,
        _metadata(body.metadata),
    )


def encoded_event(body: EventBody) -> EncodedEvent:
    """The same event, of the type that says that it was checked."""
    return EncodedEvent(*msgspec.structs.astuple(raw_event(body)))


def imported_event(line: ImportedLine) -> ImportedEvent:
    """The event of an export as an import carries it."""
    check_imported(line.version, line.created_epoch)
    raw = raw_event(line, line.data_base64)
    return ImportedEvent(check_stream_id(line.stream_id), line.version, line.created_epoch, raw)


def payload(
    data: msgspec.Raw | msgspec.UnsetType,
    content_type: str | None,
    data_base64: str | msgspec.UnsetType = msgspec.UNSET,
) -> tuple[bytes, str]:
    """The bytes of a payload and its content type; without data, that is null."""
    try:
        return encode_payload(*line_payload(data, content_type, data_base64), "data")
    except ValueError as error:
        raise ValidationError("data", str(error)) from None


def _metadata(metadata: msgspec.Raw | msgspec.UnsetType) -> bytes | None:
    try:
        raw = line_metadata(metadata)
    except ValueError:
        raise ValidationError("metadata", "a JSON object") from None
    return None if raw is None else encode_payload(raw, JSON, "metadata")[0]


def parts_of_append(raw: bytes) -> tuple[tuple[StreamWrite, ...], tuple[StreamGuard, ...]]:
    """The writes and the guards of an append to several streams."""
    body = decoded(raw, decode_append_streams)
    return stream_writes(body), stream_guards(body)


def stream_writes(body: AppendStreamsBody) -> tuple[StreamWrite, ...]:
    """The writes of an append to several streams, each named once."""
    check_number("streams", len(body.appends), MOST_STREAMS)
    check_number("events", sum([len(append.events) for append in body.appends]), MOST_EVENTS)
    return check_writes(
        tuple(
            [
                stream_write(append.stream_id, tuple(map(raw_event, append.events)), append.expected_version)
                for append in body.appends
            ]
        )
    )


def stream_write(stream_id: str, events: tuple[RawEvent, ...], expected_version: int | str) -> StreamWrite:
    """One of the writes of an append to several streams."""
    return StreamWrite(check_stream_id(stream_id), events, parse_expected_version(expected_version))


def check_writes(writes: tuple[StreamWrite, ...]) -> tuple[StreamWrite, ...]:
    """The writes, if there are any, and each names another stream."""
    if not writes or len({write.stream_id for write in writes}) < len(writes):
        raise InvalidArgumentError("appends", "one or more streams, each named once")
    return writes


def stream_guards(body: AppendStreamsBody) -> tuple[StreamGuard, ...]:
    """The guards of an append to several streams."""
    check_number("guards", len(body.guards), MOST_GUARDS)
    return tuple(map(stream_guard, body.guards))


def stream_guard(body: GuardBody) -> StreamGuard:
    """The guard as a command carries it."""
    return StreamGuard(check_name(body.stream_id, "stream_id"), parse_expected_version(body.expected_version))


def snapshot_record(body: SnapshotBody) -> dict[str, Any]:
    """The snapshot record that the API takes."""
    data, content_type = payload(body.data, body.content_type)
    metadata = _metadata(body.metadata)
    given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    kept = None if metadata is None else msgspec.Raw(metadata)
    return {**given, "data": data, "content_type": content_type, "metadata": kept}
