"""Large bodies as commands carry them: counted before they are decoded, then decoded and checked in portions.

All of it is meant for the thread of large requests: no step of it keeps the interpreter for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from gater.gateway.admission import WeighedEvents, admit_writes, check_size, weigh_events
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import EventTooLargeError
from gater.model.events import JSON, EncodedEvent
from gater.model.expected_version import ANY
from gater.model.limits import (
    MOST_EVENTS,
    MOST_GUARDS,
    MOST_STREAMS,
    Limits,
    check_number,
)
from gater.server.http.bodies import (
    EventBody,
    GuardBody,
    check_writes,
    decoded,
    encoded_event,
    stream_guard,
    stream_write,
)
from gater.server.http.json_portions import list_portions

Item = TypeVar("Item")


class _Append(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An AppendBody whose events are not decoded yet."""

    events: msgspec.Raw


class _StreamAppend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A StreamAppendBody whose events are not decoded yet."""

    stream_id: str
    events: msgspec.Raw
    expected_version: int | str = ANY


class _AppendStreams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An AppendStreamsBody whose lists are not decoded yet."""

    appends: msgspec.Raw
    guards: msgspec.Raw = msgspec.Raw(b"[]")


class _Deliveries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An AcksBody or NacksBody whose list is not decoded yet."""

    deliveries: msgspec.Raw


_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_decode_append: Final = msgspec.json.Decoder(_Append).decode
_decode_append_streams: Final = msgspec.json.Decoder(_AppendStreams).decode
_decode_deliveries: Final = msgspec.json.Decoder(_Deliveries).decode
_decode_events: Final = msgspec.json.Decoder(list[EventBody]).decode
_decode_appends: Final = msgspec.json.Decoder(list[_StreamAppend]).decode
_decode_guards: Final = msgspec.json.Decoder(list[GuardBody]).decode


def read_append(body: bytes, limits: Limits) -> WeighedEvents:
    """The events of an append to one stream."""
    raw = decoded(body, _decode_raw)
    if not bytes(raw).startswith(b"["):
        raw = decoded(body, _decode_append).events
    return _events(raw, limits)


def read_append_streams(body: bytes, limits: Limits) -> tuple[tuple[StreamWrite, ...], tuple[StreamGuard, ...]]:
    """The writes and the guards of an append to several streams."""
    outer = decoded(body, _decode_append_streams)
    guards = tuple([stream_guard(one) for one in _items(outer.guards, _decode_guards, "guards", MOST_GUARDS)])
    writes, events = [], 0
    for append in _items(outer.appends, _decode_appends, "streams", MOST_STREAMS):
        write = stream_write(append.stream_id, _events(append.events, limits), append.expected_version)
        writes.append(write)
        events = check_number("events", events + len(write.events), MOST_EVENTS)
    return admit_writes(check_writes(tuple(writes)), guards, limits), guards


def read_deliveries(decode: Callable[[bytes], list[Item]], most: int) -> Callable[[bytes, Limits], list[Item]]:
    """The reader of a body with at most so many `deliveries`, lists of which are decoded so."""

    def read(body: bytes, _: Limits) -> list[Item]:
        return list(_items(decoded(body, _decode_deliveries).deliveries, decode, "deliveries", most))

    return read


def _items(raw: msgspec.Raw, decode: Callable[[bytes], list[Item]], what: str, most: int) -> Iterator[Item]:
    text = bytes(raw)
    for portion in list_portions(text, what, most):
        yield from decoded(b"[%b]" % text[portion] if portion.start else text, decode)


def _events(raw: msgspec.Raw, limits: Limits) -> WeighedEvents:
    items = _items(raw, _decode_events, "events", MOST_EVENTS)
    return weigh_events([_event(body, limits) for body in items], limits)


def _event(body: EventBody, limits: Limits) -> EncodedEvent:
    """The event; what is much too large is not looked into."""
    for part in (body.data, body.metadata):
        size = len(memoryview(part)) if isinstance(part, msgspec.Raw) else 0
        if part is body.data and body.content_type not in (None, JSON):
            size //= 8  # base64 text, of which each letter may be written as an escape
        if size > limits.max_event_bytes:
            raise EventTooLargeError(size, limits.max_event_bytes)
    event = encoded_event(body)
    check_size(event, limits.max_event_bytes)
    return event
