"""Events as applications propose them, as commands carry them, and as stores return them."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from gater.model.errors import InvalidArgumentError, ValidationError
from gater.model.identifiers import check_event_type, check_name
from gater.model.json_rules import SHALLOW_BYTES, check_json, check_nesting, decode_json
from gater.model.limits import MOST_EVENTS, check_number

JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"

LARGEST_IMPORTED_VERSION: Final = (1 << 53) - 1
"""Readers of JSON of every make keep numbers up to here exact, and what is appended later has room."""
LATEST_EPOCH: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""

Item = TypeVar("Item")

EventRow = tuple[str, int, int, bytes, str, str, bytes, bytes | None, int]
"""An event as it is read from a store: the fields of Event, in their order."""
STREAM: Final = 0
VERSION: Final = 1
POSITION: Final = 2
EVENT_ID: Final = 3
TYPE: Final = 4
CONTENT_TYPE: Final = 5
DATA: Final = 6
METADATA: Final = 7
CREATED: Final = 8

EVENT_WEIGHT: Final = 256
"""Bytes that an event weighs beside its names and its payload: about what an empty one takes in memory."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FLAT: Final = frozenset({str, int, float, bool, type(None)})
_NAMES: Final = frozenset({str})
_encode_json = msgspec.json.Encoder().encode


class RawEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event on its way to a stream: encoded, with its identity, not looked into again."""

    event_id: bytes
    event_type: str
    content_type: str
    data: bytes
    metadata: bytes | None = None

    @property
    def content_bytes(self) -> int:
        """Bytes of data and metadata, which `max_event_bytes` bounds."""
        return len(self.data) if self.metadata is None else len(self.data) + len(self.metadata)


class EncodedEvent(RawEvent, frozen=True, array_like=True, gc=False):
    """A raw event that was made or checked in this process: what it holds is sound, whatever its size.

    What comes over a wire is of this type only after each field was checked.
    """


class NewEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An event to append.

    `data` is a JSON-able value, or bytes, which are taken as they are (`application/octet-stream` unless
    `content_type` says otherwise). `metadata` is a JSON-able mapping. `event_id` makes the append repeatable
    without doubling it: a UUIDv7 when absent, so that the same object can be appended again safely.
    """

    event_type: str
    data: Any = None
    metadata: Mapping[str, Any] | None = None
    event_id: UUID | str | None = msgspec.field(default_factory=uuid7)
    content_type: str | None = None

    def encoded(self) -> EncodedEvent:
        """The event as a command carries it; raises InvalidArgumentError or ValidationError naming the field."""
        data, content_type = encode_payload(self.data, self.content_type, "data")
        metadata = None if self.metadata is None else _encode_metadata(self.metadata)
        event_id = uuid7().bytes if self.event_id is None else parse_event_id(self.event_id)
        return EncodedEvent(event_id, check_event_type(self.event_type), content_type, data, metadata)


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event as it is stored: where it stands, and its payload, which is decoded only when looked at."""

    stream_id: str
    version: int
    """0-based place in its stream."""
    position: int
    """1-based place in its store, in commit order."""
    id_bytes: bytes
    event_type: str
    content_type: str
    raw_data: bytes
    raw_metadata: bytes | None
    created_epoch: int
    """When it was written: microseconds since 1970, UTC."""

    @property
    def event_id(self) -> UUID:
        """The event's identity."""
        return UUID(bytes=self.id_bytes)

    @property
    def data(self) -> Any:
        """The payload: decoded when it is JSON, bytes otherwise."""
        return decode_payload(self.raw_data, self.content_type)

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata; empty when none was given."""
        return {} if self.raw_metadata is None else decode_json(self.raw_metadata, "metadata")

    @property
    def payload_bytes(self) -> int:
        """Its weight in bytes (see `payload_bytes`)."""
        return payload_bytes(msgspec.structs.astuple(self))

    @property
    def created(self) -> datetime:
        """When it was written, UTC."""
        return _EPOCH + timedelta(microseconds=self.created_epoch)

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON shows it, in plain values: binary data as base64 text, `json.dumps` takes it.

        `import_events` takes it, too. Raises ValidationError for an event of an old file that cannot be decoded.
        """
        data = self.data if self.content_type == JSON else b64encode(self.raw_data).decode()
        return {**self.to_plain(), "data": data, "created": utc_text(self.created)}

    def to_plain(self) -> dict[str, Any]:
        """The event as plain values, its data and metadata decoded; binary data stays bytes."""
        return {
            "stream_id": self.stream_id,
            "version": self.version,
            "position": self.position,
            "event_id": str(self.event_id),
            "event_type": self.event_type,
            "data": self.data,
            "content_type": self.content_type,
            "metadata": self.metadata,
            "created": self.created.isoformat(),
            "created_epoch": self.created_epoch,
        }


def utc_text(time: datetime) -> str:
    """A time in UTC as JSON shows it (ISO 8601)."""
    return time.isoformat().removesuffix("+00:00") + "Z"


def payload_bytes(row: EventRow) -> int:
    """Weight of an event wherever bytes are bounded: data, metadata, names, and a share for the event itself.

    Names are counted in characters: they are short, and the share covers the difference.
    """
    stream, _, _, _, event_type, content_type, data, metadata, _ = row
    size = EVENT_WEIGHT + len(stream) + len(event_type) + len(content_type) + len(data)
    return size if metadata is None else size + len(metadata)


class WeighedRows(list[EventRow]):
    """The events of a large batch, with their weight: the event loop takes them without a look at each."""

    weight = 0


def weigh_rows(rows: list[EventRow]) -> WeighedRows:
    """The same events with their weight."""
    weighed = WeighedRows(rows)
    weighed.weight = payload_bytes_of(rows)
    return weighed


def payload_bytes_of(rows: Iterable[EventRow]) -> int:
    """Weight of some events together: the sum of `payload_bytes`, without a call for each."""
    if type(rows) is WeighedRows:
        return rows.weight
    return sum(
        [
            EVENT_WEIGHT + len(stream) + len(event_type) + len(content_type) + len(data)
            if metadata is None
            else EVENT_WEIGHT + len(stream) + len(event_type) + len(content_type) + len(data) + len(metadata)
            for stream, _, _, _, event_type, content_type, data, metadata, _ in rows
        ]
    )


def take_fitting(rows: Iterable[EventRow], count: int, room: int) -> tuple[list[EventRow], int]:
    """Up to `count` of some events, at least 1, up to the one with which they weigh `room` bytes; and their weight.

    None is fetched beyond the last of them.
    """
    taken: list[EventRow] = []
    append, size = taken.append, 0
    for row in rows:
        stream, _, _, _, event_type, content_type, data, metadata, _ = row
        size += EVENT_WEIGHT + len(stream) + len(event_type) + len(content_type) + len(data)
        if metadata is not None:
            size += len(metadata)
        append(row)
        count -= 1
        if size >= room or not count:
            break
    return taken, size


def fitting(rows: Sequence[EventRow], room: int) -> int:
    """The number of these events up to the one with which they weigh `room` bytes, that one included."""
    size = 0
    for count, row in enumerate(rows, 1):
        size += payload_bytes(row)
        if size >= room:
            return count
    return len(rows)


def epoch_of(time: datetime | int) -> int:
    """A time as microseconds since 1970, which it may be already; a datetime without a zone is UTC."""
    if isinstance(time, datetime):
        return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)
    if type(time) is not int or not 0 <= time <= LATEST_EPOCH:
        raise InvalidArgumentError("time", f"a datetime, or microseconds since 1970, not {time!r}")
    return time


class ImportedEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event moved from another store, with the version and the time it had there."""

    stream_id: str
    version: int
    created_epoch: int
    event: RawEvent


def check_imported(version: Any, created_epoch: Any) -> None:
    """Raises ValidationError for a version or a time (microseconds since 1970) that no event can have."""
    if type(version) is not int or not 0 <= version <= LARGEST_IMPORTED_VERSION:
        raise ValidationError("version", f"a whole number from 0 to {LARGEST_IMPORTED_VERSION}, not {version!r}")
    if type(created_epoch) is not int or not 0 <= created_epoch <= LATEST_EPOCH:
        raise ValidationError("created_epoch", f"microseconds since 1970, up to the year 9999, not {created_epoch!r}")


EventLike = NewEvent | Mapping[str, Any]


def encode_events(events: Iterable[EventLike]) -> tuple[RawEvent, ...]:
    """The events of a command: from NewEvents, or mappings with the same fields."""
    if type(events) is not list and (
        isinstance(events, NewEvent | Mapping | str | bytes) or not isinstance(events, Iterable)
    ):
        raise InvalidArgumentError("events", f"a list of events, not one {type(events).__name__}")
    if isinstance(events, list | Sequence) and len(events) > MOST_EVENTS:
        check_number("events", len(events), MOST_EVENTS)
    encoded = [(event if type(event) is NewEvent else _as_new_event(event)).encoded() for event in events]
    return tuple(encoded) or check_gave("events", events, ())


def check_gave(argument: str, source: Iterable[Any], items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The items; InvalidArgumentError when their source is an iterator that gave none, as one that was used up does."""
    if not items and isinstance(source, Iterator):
        raise InvalidArgumentError(argument, "an iterator that gives something: one that was used up gives nothing")
    return items


def _as_new_event(event: EventLike) -> NewEvent:
    if not isinstance(event, Mapping):
        raise InvalidArgumentError("events", f"NewEvent or a mapping, not {type(event).__name__}")
    unknown = set(event) - _NEW_EVENT_FIELDS
    if unknown:
        raise ValidationError(str(sorted(map(str, unknown))[0]), "an event has no such field")
    if "event_type" not in event:
        raise ValidationError("event_type", "missing")
    return NewEvent(**event)


_NEW_EVENT_FIELDS: Final = frozenset(NewEvent.__struct_fields__)


def parse_event_id(value: Any) -> bytes:
    """The 16 bytes of an event id given as a UUID, its text, or its bytes."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, bytes) and len(value) == 16:
        return value
    try:
        return UUID(str(value)).bytes
    except ValueError:
        raise InvalidArgumentError("event_id", f"a UUID, not {value!r}") from None


def encode_payload(data: Any, content_type: str | None, field: str) -> tuple[bytes, str]:
    """The bytes of a payload and its content type; bytes are taken as they are, all else becomes JSON."""
    if isinstance(data, bytes | bytearray | memoryview):
        raw, content_type = bytes(data), BINARY if content_type is None else content_type
        if content_type == JSON:
            check_json(raw, field)
        return raw, JSON if content_type == JSON else check_name(content_type, "content_type")
    if content_type not in (None, JSON):
        raise InvalidArgumentError("content_type", f"{JSON} for a value that is not bytes")
    return encode_json(data, field), JSON


def encode_json(value: Any, field: str) -> bytes:
    """The value as JSON; raises ValidationError naming the field when it cannot be."""
    try:
        raw = _encode_json(value)
        if not is_flat(value):
            value = _plain(value, raw, field)
        # The encoder writes null for a number that JSON has no way to write.
        if b"null" in raw and _has_unwritable_number(value):
            raise ValueError("NaN and infinite numbers are not")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(field, f"not JSON-able: {error}") from None
    if len(raw) > SHALLOW_BYTES:
        check_nesting(raw, field)
    return raw


def is_flat(value: Any) -> bool:
    """Whether a value is text, a number or the like, or an object of such values, as most payloads are."""
    if type(value) is not dict:
        return type(value) in _FLAT
    return _FLAT.issuperset(map(type, value.values())) and _NAMES.issuperset(map(type, value))


def _plain(value: Any, raw: bytes, field: str) -> Any:
    """The value, which encodes to `raw`, in plain types; raises ValueError when two of its names are the same."""
    lengths: list[int] = []

    def checked(part: Any) -> None:
        # The encoder copies the bytes of a `Raw`, wherever it is, without looking at them; here it becomes null.
        check_json(bytes(part), field)
        lengths.append(len(bytes(part)) - len(b"null"))

    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=checked)
    if len(_encode_json(plain)) + sum(lengths) != len(raw):
        raise ValueError("two names of an object are the same text")
    return plain


def _has_unwritable_number(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return True
        if isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += item
    return False


def decode_payload(raw: bytes, content_type: str) -> Any:
    """A payload as its reader sees it: the JSON value, or the bytes."""
    return decode_json(raw, "data") if content_type == JSON else raw


def _encode_metadata(metadata: Any) -> bytes:
    if isinstance(metadata, bytes):
        check_json(metadata, "metadata")
        if not is_object(metadata):
            raise ValidationError("metadata", "a JSON object")
        return metadata
    if not isinstance(metadata, Mapping):
        raise ValidationError("metadata", f"a mapping, not {type(metadata).__name__}")
    return encode_json(metadata, "metadata")


def is_object(raw: bytes) -> bool:
    """Whether these bytes, which are JSON, are an object."""
    return raw.lstrip(b" \t\r\n").startswith(b"{")
