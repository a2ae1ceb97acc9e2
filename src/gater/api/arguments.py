"""The arguments of the API, checked once, before they travel."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec

from gater.api.subscription_operations import LONGEST_WAIT
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import (
    InvalidArgumentError,
    InvalidCountError,
    InvalidStartVersionError,
    ValidationError,
)
from gater.model.events import (
    BINARY,
    JSON,
    EventLike,
    ImportedEvent,
    NewEvent,
    check_gave,
    check_imported,
    encode_events,
)
from gater.model.expected_version import ANY, LARGEST_VERSION, parse_expected_version
from gater.model.identifiers import check_name, check_stream_id
from gater.model.limits import MOST_EVENTS, MOST_GUARDS, MOST_STREAMS, check_number

Value = TypeVar("Value")

Direction = Literal["forward", "backward"]

LIVE: Final = -1
"""As `start_from`: only what is committed from now on."""

_IMPORT_FIELDS: Final = frozenset({"stream_id", "version", "created_epoch", "data_base64"})
_UNUSED_FIELDS: Final = frozenset({"position", "created", "attempt"})
"""Further fields of event lines, depending on the writer."""


class StreamAppend(msgspec.Struct, frozen=True):
    """Events that `append_streams` appends to one stream."""

    stream_id: str
    events: Iterable[EventLike]
    expected_version: int | str = ANY


def check_start_version(value: Any) -> int:
    """The version a read starts at: a whole number, 0 or more."""
    if type(value) is not int or not 0 <= value <= LARGEST_VERSION:
        raise InvalidStartVersionError(value)
    return value


def check_begin(value: Any) -> int:
    """Check the beginning of a subscription: a whole number, 0 or more, or LIVE."""
    return LIVE if type(value) is int and value == LIVE else check_start_version(value)


def read_start(value: int | None, backward: bool) -> int:
    """The version a read starts at; None: the first, or backward the last, whichever these are."""
    if value is None:
        return LARGEST_VERSION if backward else 0
    return check_start_version(value)


def read_after(value: int | None, backward: bool) -> int | None:
    """The position after which a read of a store starts; None: at its beginning, or backward at its end."""
    if value is None:
        return None if backward else 0
    return check_position(value, "after")


def check_history(value: Any) -> str:
    """The history that a call goes on from; empty for None."""
    if value is not None and not isinstance(value, str):
        raise InvalidArgumentError("history", f"the text that get_store_status gives, not {value!r}")
    return value or ""


def check_count(value: Any) -> int:
    """Check a number of items: a whole number, 1 or more."""
    if type(value) is not int or not 1 <= value <= LARGEST_VERSION:
        raise InvalidCountError(value)
    return value


def check_position(value: Any, argument: str = "after_position") -> int:
    """A position: a whole number, 0 or more."""
    if type(value) is not int or not 0 <= value <= LARGEST_VERSION:
        raise InvalidArgumentError(argument, f"a position (0 or more), not {value!r}")
    return value


def check_direction(value: Any) -> bool:
    """Whether the direction is backward."""
    if value == "forward":
        return False
    if value == "backward":
        return True
    raise InvalidArgumentError("direction", f"forward or backward, not {value!r}")


def check_filter(value: Any, argument: str) -> str | None:
    """Check the filter of a listing: a name, or None for no bound (which empty text means too)."""
    return None if value is None or value == "" else check_name(value, argument)


def encode_writes(appends: Iterable[StreamAppend]) -> tuple[StreamWrite, ...]:
    """The writes of a command for these appends; a stream may be named once."""
    writes = tuple(
        [
            StreamWrite(
                check_stream_id(append.stream_id),
                encode_events(append.events),
                parse_expected_version(append.expected_version),
            )
            for append in _each(appends, StreamAppend, "appends")
        ]
    )
    check_gave("appends", appends, writes)
    check_number("streams", len(writes), MOST_STREAMS)
    check_number("events", sum([len(write.events) for write in writes]), MOST_EVENTS)
    names = {write.stream_id for write in writes}
    if not writes or len(names) < len(writes):
        raise InvalidArgumentError("appends", "one or more streams, each named once")
    return writes


def _each(values: Any, kind: type[Value], argument: str) -> Iterator[Value]:
    if not isinstance(values, Iterable):
        raise InvalidArgumentError(argument, f"a list of {kind.__name__}, not {type(values).__name__}")
    for value in values:
        if not isinstance(value, kind):
            raise InvalidArgumentError(argument, f"a list of {kind.__name__}, not of {type(value).__name__}")
        yield value


def encode_guards(guards: Iterable[StreamGuard]) -> tuple[StreamGuard, ...]:
    """The guards with their expected versions as codes."""
    encoded = tuple(
        [
            StreamGuard(check_name(guard.stream_id, "stream_id"), parse_expected_version(guard.expected_version))
            for guard in _each(guards, StreamGuard, "guards")
        ]
    )
    check_number("guards", len(encoded), MOST_GUARDS)
    return check_gave("guards", guards, encoded)


def encode_imported(events: Iterable[Mapping[str, Any]]) -> tuple[ImportedEvent, ...]:
    """The events of a command for exported events."""
    if isinstance(events, Mapping | str | bytes) or not isinstance(events, Iterable):
        raise InvalidArgumentError("events", f"a list of events, not one {type(events).__name__}")
    return check_gave("events", events, tuple([_imported(event) for event in events]))


def _imported(event: Mapping[str, Any]) -> ImportedEvent:
    if not isinstance(event, Mapping):
        raise ValidationError("events", f"mappings, not {type(event).__name__}")
    for field in ("stream_id", "version", "event_id", "event_type", "created_epoch"):
        if event.get(field) is None:
            raise ValidationError(field, "missing")
    version, created = event["version"], event["created_epoch"]
    check_imported(version, created)
    unknown = set(event) - _IMPORT_FIELDS - _UNUSED_FIELDS - set(NewEvent.__struct_fields__)
    if unknown:
        raise ValidationError(str(sorted(map(str, unknown))[0]), "an exported event has no such field")
    fields = {name: event[name] for name in NewEvent.__struct_fields__ if name in event}
    raw = NewEvent(**{**fields, **_binary_payload(event)}).encoded()
    return ImportedEvent(check_stream_id(event["stream_id"]), version, created, raw)


def _binary_payload(event: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of an exported event that is not JSON: base64 text, in earlier exports called `data_base64`."""
    data, content_type = event.get("data"), event.get("content_type")
    if "data_base64" in event:
        if "data" in event:
            raise ValidationError("data", "not beside data_base64")
        data, content_type = event["data_base64"], content_type or BINARY
    elif not isinstance(data, str) or content_type in (None, JSON):
        return {}
    try:
        return {"data": b64decode(data, validate=True), "content_type": content_type}
    except (TypeError, ValueError):
        raise ValidationError("data", f"base64 text or bytes, for the content type is {content_type}") from None


def check_timeout(value: Any) -> float:
    """Seconds that a call may take."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise InvalidArgumentError("timeout", f"a number of seconds above 0, not {value!r}")
    return float(value)


def check_wait(value: Any) -> float:
    """Seconds to wait: 0 to LONGEST_WAIT."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_WAIT:
        raise InvalidArgumentError("wait", f"0 to {LONGEST_WAIT:g} seconds, not {value!r}")
    return float(value)
