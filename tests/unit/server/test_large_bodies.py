"""Large bodies: read in portions, they give what small ones give."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gater.gateway import admission
from gater.gateway.admission import admit_append
from gater.model.commands import StreamWrite
from gater.model.errors import EventTooLargeError, GaterError, RequestTooLargeError, ValidationError
from gater.model.events import RawEvent
from gater.model.json_rules import check_json, count_values, unescaped
from gater.model.limits import Limits
from gater.server.http.bodies import events_of_append, parts_of_append
from gater.server.http.json_portions import PORTION_ITEMS, list_portions
from gater.server.http.large_bodies import read_append, read_append_streams

LIMITS = Limits()
ID = "0197f5c6-8a5e-7bbb-9d3f-0123456789ab"


def plain(events: tuple[RawEvent, ...]) -> list[tuple[Any, ...]]:
    return [msgspec.structs.astuple(event) for event in events]


def event(**fields: Any) -> dict[str, Any]:
    return {"event_type": "T", "event_id": ID, **fields}


EVENTS = [
    event(),
    event(data={"a": [1, {"b": "]},{"}], "c": "\\"}),
    event(data='"', metadata={"m": ["\\\\", "}"]}),
    event(data="aGk=", content_type="text/plain"),
    event(data=[["x"] * 100, [], {}]),
]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("count", [0, 1, PORTION_ITEMS, 3 * PORTION_ITEMS + 1])
def test_events_read_in_portions_are_those_read_at_once(count: int, indent: int | None) -> None:
    events = [EVENTS[number % len(EVENTS)] for number in range(count)]
    for body in (events, {"events": events}):
        raw = json.dumps(body, indent=indent).encode()
        assert plain(read_append(raw, LIMITS)) == plain(events_of_append(raw))


def test_an_append_to_several_streams_is_the_same_in_portions() -> None:
    appends = [{"stream_id": f"s{number}", "events": EVENTS[: number % 5]} for number in range(1_200)]
    guards = [{"stream_id": f"g{number}", "expected_version": number} for number in range(700)]
    raw = json.dumps({"guards": guards, "appends": appends}).encode()
    writes, read_guards = read_append_streams(raw, LIMITS)
    expected_writes, expected_guards = parts_of_append(raw)
    assert read_guards == expected_guards
    assert [(write.stream_id, write.expected_version, plain(write.events)) for write in writes] == [
        (write.stream_id, write.expected_version, plain(write.events)) for write in expected_writes
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[", b"[{}]", b"1", b'{"events":1}', b'{"events":[1,2]}', b'{"events":[],"more":1}', b"[[],[]]",
        b'[{"event_type":"T"},]', b'[{"event_type":"T"}] x', b'[{"event_type":"T","data":nul}]', b"[" * 100_000,
        b'[{"event_type":"T"},{"event_type":1}]', b'[{"event_type":"T"} {"event_type":"T"}]',
        b'[{"event_type":"\xff"}]',
    ],
)  # fmt: skip
def test_what_is_no_append_is_refused_in_portions_as_it_is_at_once(body: bytes) -> None:
    with pytest.raises(GaterError) as at_once:
        events_of_append(body)
    with pytest.raises(type(at_once.value)):
        read_append(body, LIMITS)


def test_objects_are_counted_before_they_are_decoded() -> None:
    with pytest.raises(RequestTooLargeError):
        list_portions(b"[{},{},{}]", "events", 2)
    assert len(list_portions(b"[{},{},{}]", "events", 3)) == 1


@pytest.mark.parametrize("field", ["data", "metadata"])
def test_an_event_that_is_too_large_is_not_looked_into(field: str) -> None:
    value = {"x": "no JSON \\" * 20}
    raw = json.dumps([event(**{field: value})]).encode().replace(b"no JSON", b"no JSON \xff")
    with pytest.raises(EventTooLargeError):
        read_append(raw, Limits(max_event_bytes=100))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1 << 18, (1 << 18) + 1])
def test_escapes_are_found_wherever_a_part_ends(size: int) -> None:
    for value in ("\\" * size, '"' * size, "a" + '\\"' * size):
        raw = json.dumps([value, "b"]).encode()
        marks = b"".join(unescaped(raw))
        assert len(marks) == len(raw)
        assert marks.count(b'"') == 4


@pytest.mark.parametrize(
    ("value", "count"),
    [(1, 1), ([], 2), ([1, 2], 3), ({"a": 1}, 3), ({"a": ",[{:"}, 3), (["[" * (1 << 19)] * 2, 3), ([[[]]], 4)],
)
def test_values_are_counted_outside_of_texts(value: Any, count: int) -> None:
    assert count_values(json.dumps(value, separators=(",", ":")).encode()) == count


def test_brackets_in_long_texts_are_no_levels() -> None:
    check_json(json.dumps(["[" * 600, '\\"[' * 300_000, []]).encode(), "data")
    with pytest.raises(ValidationError):
        check_json(json.dumps('"[' * 300_000).encode()[:-1] + b'",' + b"[" * 501 + b"]" * 501, "data")
    deep = b"[" * 501 + b"]" * 501
    with pytest.raises(ValidationError, match="levels"):
        check_json(b"[" + json.dumps('"[' * 300_000).encode() + b"," + deep + b"]", "data")


def test_large_appends_are_weighed_where_they_are_read_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    large = json.dumps(EVENTS * 300).encode()
    streams = json.dumps({"appends": [{"stream_id": "s", "events": EVENTS * 300}]}).encode()
    events, (writes, guards) = read_append(large, LIMITS), read_append_streams(streams, LIMITS)
    whole = admit_append((StreamWrite("s", events_of_append(large)),), (), LIMITS)
    monkeypatch.setattr(admission, "_weigh_events", None)
    assert admit_append((StreamWrite("s", events),), (), LIMITS) == whole
    monkeypatch.setattr(admission, "_weigh_append", None)
    assert admit_append(writes, guards, LIMITS) == whole
