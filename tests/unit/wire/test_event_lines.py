"""Events as lines of JSON: nothing is lost between an export and an import."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.api.arguments import encode_imported
from gater.model.errors import GaterError, ValidationError
from gater.model.events import BINARY, JSON, Event, encode_events
from gater.model.json_rules import on_one_line
from gater.model.json_view import event_line
from gater.server.http.bodies import decode_imported_line
from gater.server.http.bodies import imported_event as http_event
from gater.wire.event_lines import export_line, imported_event, new_event

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
STYLES = st.sampled_from([{}, {"indent": 2}, {"separators": (" , ", " : ")}, {"ensure_ascii": False}])
JSON_BYTES = st.builds(
    lambda value, style, before, after: before + json.dumps(value, **style).encode("utf-8", "replace") + after,
    JSON_VALUES,
    STYLES,
    st.sampled_from([b"", b" ", b"\n"]),
    st.sampled_from([b"", b"\t", b"\r\n"]),
)
PAYLOADS = st.tuples(JSON_BYTES, st.just(JSON)) | st.tuples(st.binary(), st.sampled_from([BINARY, "text/plain"]))
METADATA = st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=3).map(
    lambda value: json.dumps(value, separators=(",", ":")).encode()
)
NAMES = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20).filter(lambda name: name[0] != "$")


@st.composite
def events(draw: st.DrawFn) -> Event:
    data, content_type = draw(PAYLOADS)
    return Event(
        draw(NAMES),
        draw(st.integers(0, 2**53 - 1)),
        draw(st.integers(1, 2**62)),
        draw(st.binary(min_size=16, max_size=16)),
        draw(NAMES),
        content_type,
        data,
        draw(METADATA),
        draw(st.integers(0, 2**52)),
    )


@given(events())
def test_an_exported_event_is_imported_as_it_was(event: Event) -> None:
    line = export_line(event)
    assert b"\n" not in line
    (imported,) = encode_imported([imported_event(1, line)])
    raw = imported.event
    assert (imported.stream_id, imported.version, imported.created_epoch) == (
        event.stream_id,
        event.version,
        event.created_epoch,
    )
    assert (raw.event_id, raw.event_type, raw.content_type) == (event.id_bytes, event.event_type, event.content_type)
    assert raw.metadata == event.raw_metadata
    if event.content_type != JSON:
        assert raw.data == event.raw_data
    elif on_one_line(event.raw_data) is event.raw_data:
        assert raw.data == event.raw_data.strip()
    else:
        assert json.loads(raw.data) == json.loads(event.raw_data)


@given(events())
def test_an_exported_line_has_the_promised_fields_in_their_order(event: Event) -> None:
    fields = list(json.loads(export_line(event)))
    order = [
        "stream_id",
        "version",
        "event_id",
        "event_type",
        "data",
        "content_type",
        "metadata",
        "created_epoch",
    ]
    assert fields == [name for name in order if name in fields]
    assert set(order) - set(fields) <= {"metadata"}


def test_json_over_several_lines_is_put_on_one() -> None:
    event = Event("s", 0, 1, b"1" * 16, "t", JSON, b'{\r\n"n": 1.10\n}', b'{\n "a": 1\n}', 0)
    for line in (export_line(event), event_line(event)):
        assert b'"data":{"n":1.10}' in line
        assert b'"metadata":{"a":1}' in line
        assert len(line.splitlines()) == 1


def test_an_old_event_that_is_no_json_still_makes_one_line() -> None:
    assert len(event_line(Event("s", 0, 1, b"1" * 16, "t", JSON, b'{"n":\n\xff}', None, 0)).splitlines()) == 1


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'"data_base64":"AAEC"', (b"\x00\x01\x02", BINARY)),
        (b'"data_base64":"AAEC","content_type":"image/png"', (b"\x00\x01\x02", "image/png")),
        (b'"data_base64":"ewogImEiOiAxCn0=","content_type":"application/json"', (b'{\n "a": 1\n}', JSON)),
        (b'"data":"AAEC","content_type":"image/png"', (b"\x00\x01\x02", "image/png")),
        (b'"data":"AAEC"', (b'"AAEC"', JSON)),
    ],
)
def test_lines_of_earlier_exports_are_read_as_those_of_now(payload: bytes, expected: tuple[bytes, str]) -> None:
    read = new_event(1, b'{"event_type":"t",' + payload + b"}")
    assert (read["data"], read["content_type"]) == expected
    line = b'{"stream_id":"s","version":0,"event_id":"01a209f1-28fe-73be-9191-0baf46b781c2","event_type":"t",' + payload
    line += b',"created_epoch":5}'
    (imported,) = encode_imported([imported_event(1, line)])
    assert (imported.event.data, imported.event.content_type) == expected
    (imported,) = encode_imported([json.loads(line)]) if expected[1] != JSON else (imported,)
    assert (imported.event.data, imported.event.content_type) == expected
    over_http = http_event(decode_imported_line(line)).event
    assert (over_http.data, over_http.content_type) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b"nonsense", "malformed"),
        (b'{"event_type": 1}', "str"),
        (b'{"data": 1}', "event_type"),
        (b'{"event_type": "t", "colour": 1}', "colour"),
        (b'{"event_type": "t", "data": 1, "data_base64": "AA=="}', "both"),
        (b'{"event_type": "t", "data_base64": "A"}', "base64"),
        (b'{"event_type": "t", "data_base64": "*AA="}', "base64"),
        (b'{"event_type": "t", "data": 1, "content_type": "text/plain"}', "base64 text"),
        (b'{"event_type": "t", "data": "\xc3\xa4", "content_type": "text/plain"}', "base64"),
        (b'{"event_type": "t", "metadata": [1]}', "metadata"),
        (b'{"event_type": "t\xff"}', "UTF-8"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(line: bytes, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        new_event(17, line)
    assert caught.value.details["field"] == "line 17"
    assert reason.lower() in caught.value.details["reason"].lower()


@given(st.binary())
def test_any_bytes_are_a_line_or_a_clear_error(line: bytes) -> None:
    for read, check in ((new_event, encode_events), (imported_event, encode_imported)):
        with suppress(GaterError):
            check([read(1, line)])


def test_a_deeply_nested_line_is_refused() -> None:
    with pytest.raises(ValidationError):
        new_event(1, b'{"event_type": "t", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_a_new_event_without_data_is_null() -> None:
    assert new_event(1, b'{"event_type": "t"}')["data"] == b"null"


def test_what_read_prints_can_be_imported() -> None:
    line = (
        b'{"stream_id":"s","version":0,"position":9,"event_id":"01a209f1-28fe-73be-9191-0baf46b781c2","event_type":"t",'
        b'"data":{"a":1},"content_type":"application/json","metadata":{},"created":"2026-01-01T00:00:00Z",'
        b'"created_epoch":5}'
    )
    (imported,) = encode_imported([imported_event(1, line)])
    assert (imported.event.data, imported.event.metadata) == (b'{"a":1}', b"{}")
