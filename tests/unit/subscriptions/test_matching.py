"""Which events a selector accepts, against a slow matcher written from the rules, and what finds them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.events import BINARY, JSON
from gater.model.selectors import (
    EVENT_FIELDS,
    Selector,
    all_of,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    is_variable,
    stream_prefix,
)
from gater.store.machine import EventRow
from gater.subscriptions.matching import compile_selector, is_same

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def row(
    data: Any = None,
    *,
    raw: bytes | None = None,
    stream_id: str = "orders-1",
    event_type: str = "Placed",
    content_type: str = JSON,
    metadata: bytes | None = None,
    created: int = 1_700_000_000_123_456,
) -> EventRow:
    encoded = msgspec.json.encode(data) if raw is None else raw
    return stream_id, 25, 26, ID.bytes, event_type, content_type, encoded, metadata, created


def accepts(selector: Selector, event: EventRow) -> bool:
    return compile_selector(selector).accepts(event)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (by_stream(), True),
        (by_stream("orders-1"), True),
        (by_stream("orders-"), False),
        (by_event_type("Placed"), True),
        (by_event_type("placed"), False),
        (stream_prefix("orders-"), True),
        (stream_prefix("orders-1"), True),
        (stream_prefix("rders"), False),
        (all_of(by_stream("orders-1"), by_event_type("Placed")), True),
        (all_of(by_stream("orders-1"), by_event_type("Paid")), False),
        (all_of(by_stream()), True),
        (any_of(by_stream("orders-2"), by_event_type("Placed")), True),
        (any_of(by_stream("orders-1"), by_event_type("Paid")), True),
        (any_of(by_stream("orders-2"), by_event_type("Paid")), False),
        (any_of(by_stream("orders-2"), by_event_payload({"n": 5})), True),
        (any_of(by_stream("orders-2"), by_event_payload({"n": 6})), False),
        (all_of(any_of(by_stream(), by_event_type("Paid")), by_event_payload({"n": 5})), True),
    ],
)
def test_kinds_of_selectors(selector: Selector, expected: bool) -> None:
    assert accepts(selector, row({"n": 5})) is expected


MATCHES: list[tuple[Any, Any]] = [
    ({}, {}),
    ({}, {"a": 1}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": {"b": {"c": "x"}}}, {"a": {"b": {"c": "x", "d": 1}, "e": 2}}),
    ({"a": [1, "x", None]}, {"a": [1, "x", None]}),
    ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}),
    ({"a": []}, {"a": []}),
    ({"a": {}}, {"a": {"b": 1}}),
    ({"a": None}, {"a": None}),
    ({"a": 2.5}, {"a": 2.5}),
    ({"a": 0.0}, {"a": -0.0}),
    ({"a": (1 << 64) - 1}, {"a": (1 << 64) - 1}),
    ({"a": "_"}, {"a": None}),
    ({"a": "_"}, {"a": {"b": [1]}}),
    ({"a": ["_", 2]}, {"a": [{}, 2]}),
    ({"a": "$1"}, {"a": None}),
    ({"a": "$1", "b": "$1"}, {"a": {"x": [1, True]}, "b": {"x": [1, True]}}),
    ({"a": "$1", "b": "$2"}, {"a": 1, "b": 2}),
    ({"a": ["$1", {"b": "$1"}]}, {"a": ["x", {"b": "x"}]}),
    ({"a": "$0", "b": "$x", "c": "__"}, {"a": "$0", "b": "$x", "c": "__"}),
    ({"_": 1}, {"_": 1}),
    ({"": ""}, {"": ""}),
    ({"ä": "日\u2028"}, {"ä": "日\u2028"}),
    ({'q"': "\\ \n \x7f /"}, {'q"': "\\ \n \x7f /"}),
]
MISMATCHES: list[tuple[Any, Any]] = [
    ({}, []),
    ({}, None),
    ({}, "a"),
    ({"a": 1}, {}),
    ({"a": 1}, {"b": 1}),
    ({"a": 1}, {"a": 1.0}),
    ({"a": 25.0}, {"a": 25}),
    ({"a": 1}, {"a": True}),
    ({"a": True}, {"a": 1}),
    ({"a": False}, {"a": 0}),
    ({"a": None}, {}),
    ({"a": None}, {"a": False}),
    ({"a": 1}, {"a": "1"}),
    ({"a": "1"}, {"a": 1}),
    ({"a": "x"}, {"a": "X"}),
    ({"a": "x"}, {"b": "x"}),
    ({"a": {"b": 1}}, {"a": {"c": 1}}),
    ({"a": {}}, {"a": []}),
    ({"a": []}, {"a": {}}),
    ({"a": [1]}, {"a": [True]}),
    ({"a": [1]}, {"a": [1, 2]}),
    ({"a": [1, 2]}, {"a": [1]}),
    ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}),
    ({"a": "_"}, {"b": None}),
    ({"a": "$1"}, {"b": 1}),
    ({"a": "$1", "b": "$1"}, {"a": 1, "b": 2}),
    ({"a": "$1", "b": "$1"}, {"a": 1, "b": True}),
    ({"a": "$1", "b": "$1"}, {"a": [1], "b": [1.0]}),
    ({"a": "$1", "b": "$1"}, {"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
    ({"a": "$1", "b": {"c": "$1"}}, {"a": "x", "b": {"c": "y"}}),
    ({"a": "ä"}, {"a": "a\u0308"}),
]


@pytest.mark.parametrize(("pattern", "data"), MATCHES)
def test_payload_matches(pattern: Any, data: Any) -> None:
    assert accepts(by_event_payload(pattern), row(data))
    assert accepts(by_event_payload(pattern), row(raw=json.dumps(data, indent=1).encode()))
    assert accepts(by_event_pattern({"data": pattern}), row(data))
    assert accepts(by_event_pattern({"metadata": pattern}), row(metadata=msgspec.json.encode(data)))


@pytest.mark.parametrize(("pattern", "data"), MISMATCHES)
def test_payload_does_not_match(pattern: Any, data: Any) -> None:
    assert not accepts(by_event_payload(pattern), row(data))
    assert not accepts(by_event_pattern({"data": pattern}), row(data))
    if isinstance(data, dict):
        assert not accepts(by_event_pattern({"metadata": pattern}), row(metadata=msgspec.json.encode(data)))


@pytest.mark.parametrize("pattern", [1, None, True, "x", [1, {"a": 2}], "_", "$1"])
def test_data_need_not_be_an_object(pattern: Any) -> None:
    data = [1, {"a": 2, "b": 3}] if isinstance(pattern, list) else pattern
    assert accepts(by_event_pattern({"data": pattern}), row(data))


@pytest.mark.parametrize(
    "raw",
    [rb'{"a":"\u004a\u00e4"}', rb'{"\u0061":"J\u00E4"}', b'{"a" : "J\\u00e4"}', '{"\\u0061":"Jä"}'.encode()],
)
def test_escaped_text_is_found(raw: bytes) -> None:
    assert accepts(by_event_payload({"a": "Jä"}), row(raw=raw))
    assert accepts(by_event_pattern({"data": {"a": "Jä"}}), row(raw=raw))
    assert not accepts(by_event_payload({"a": "Ja"}), row(raw=raw))


@pytest.mark.parametrize("content_type", [BINARY, "text/json", "APPLICATION/JSON"])
def test_data_that_is_not_json_matches_no_pattern_but_wildcards(content_type: str) -> None:
    event = row({"a": 1}, content_type=content_type)
    assert not accepts(by_event_payload({}), event)
    assert not accepts(by_event_payload({"a": 1}), event)
    patterns: list[Any] = [{}, {"a": 1}, '{"a":1}', [], 1]
    for pattern in patterns:
        assert not accepts(by_event_pattern({"data": pattern}), event)
    assert accepts(by_event_pattern({"data": "_"}), event)
    assert accepts(by_event_pattern({"data": "$1"}), event)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a":1', b'{"a":1}x', b'{"a":1,"b":"\xff"}', b"[" * 200_000 + b'"a"1'])
def test_data_that_cannot_be_decoded_matches_no_pattern(raw: bytes) -> None:
    assert not accepts(by_event_payload({"a": 1}), row(raw=raw))
    assert not accepts(by_event_payload({}), row(raw=raw))
    assert not accepts(by_event_pattern({"data": {"a": "_"}}), row(raw=raw))
    assert not accepts(by_event_pattern({"data": "$1"}), row(raw=raw))
    assert accepts(by_event_pattern({"data": "_"}), row(raw=raw))


SHOWN: dict[str, Any] = {
    "stream_id": "orders-1",
    "version": 25,
    "position": 26,
    "event_id": str(ID),
    "event_type": "Placed",
    "data": {"a": "orders-1"},
    "content_type": JSON,
    "metadata": {"user": "u"},
    "created": "2023-11-14T22:13:20.123456Z",
    "created_epoch": 1_700_000_000_123_456,
}


@pytest.mark.parametrize("field", EVENT_FIELDS)
def test_every_field_matches_as_it_is_shown(field: str) -> None:
    event = row({"a": "orders-1"}, metadata=b'{"user":"u"}')
    assert accepts(by_event_pattern(SHOWN), event)
    for pattern in (SHOWN[field], "_", "$1"):
        assert accepts(by_event_pattern({field: pattern}), event)
    for pattern in (None, True, 25.0, 1, "x", "ORDERS-1", str(ID).upper(), {"x": "_"}, [], ["_"]):
        assert not accepts(by_event_pattern({field: pattern}), event)
        assert not accepts(by_event_pattern({**SHOWN, field: pattern}), event)


@pytest.mark.parametrize("field", ["version", "position", "created_epoch"])
def test_numbers_of_fields_are_strict(field: str) -> None:
    event = ("a", 1, 1, ID.bytes, "T", JSON, b"1", None, 1)
    assert accepts(by_event_pattern({field: 1}), event)
    assert not accepts(by_event_pattern({field: True}), event)
    assert not accepts(by_event_pattern({field: 1.0}), event)


def test_a_time_without_a_fraction_is_matched_as_it_is_shown() -> None:
    event = row(created=1_700_000_000_000_000)
    assert accepts(by_event_pattern({"created": "2023-11-14T22:13:20Z"}), event)
    assert not accepts(by_event_pattern({"created": "2023-11-14T22:13:20.000000Z"}), event)


def test_absent_metadata_is_an_empty_map() -> None:
    assert accepts(by_event_pattern({"metadata": {}}), row())
    assert accepts(by_event_pattern({"metadata": "_"}), row())
    assert not accepts(by_event_pattern({"metadata": {"user": "_"}}), row())
    assert not accepts(by_event_pattern({"metadata": {"user": "u"}}), row())


def test_variables_bind_across_fields() -> None:
    pattern = by_event_pattern({"stream_id": "$1", "data": {"order": "$1"}, "version": "$2", "metadata": {"n": "$2"}})
    assert accepts(pattern, row({"order": "orders-1"}, metadata=b'{"n":25}'))
    assert not accepts(pattern, row({"order": "orders-2"}, metadata=b'{"n":25}'))
    assert not accepts(pattern, row({"order": "orders-1"}, metadata=b'{"n":25.0}'))


def test_variables_bind_anew_for_each_event_and_each_part() -> None:
    part = by_event_payload({"a": "$1", "b": "$1"})
    matcher = compile_selector(all_of(part, by_event_payload({"c": "$1"})))
    assert matcher.accepts(row({"a": 1, "b": 1, "c": 2}))
    assert matcher.accepts(row({"a": 2, "b": 2, "c": 1}))


def test_a_payload_that_is_ruled_out_by_other_parts_is_not_decoded() -> None:
    class Guarded(bytes):
        def __contains__(self, key: object) -> bool:
            raise AssertionError("looked into")

    event = row(raw=Guarded(b'{"a":1}'))
    for cheap in (by_event_type("Paid"), by_stream("orders-2"), stream_prefix("x"), by_event_pattern({"version": 1})):
        assert not accepts(all_of(by_event_payload({"a": 1}), cheap), event)
        assert not accepts(all_of(any_of(by_event_payload({"a": 1}), by_stream()), cheap), event)
    with pytest.raises(AssertionError):
        accepts(by_event_payload({"a": 1}), event)


A, B, T, U = by_stream("a"), by_stream("b"), by_event_type("T"), by_event_type("U")


@pytest.mark.parametrize(
    ("selector", "streams", "types", "payload"),
    [
        (by_stream(), None, None, None),
        (A, {"a"}, None, None),
        (T, None, {"T"}, None),
        (stream_prefix("a"), None, None, None),
        (by_event_payload({"a": "x"}), None, None, ("a", "x")),
        (by_event_payload({"a": "x", "b": "longer", "c": "_", "d": "$12345678"}), None, None, ("b", "longer")),
        (by_event_payload({"a": 1, "b": {"c": "x"}, "d": ["x"], "e": "_", "f": "$1"}), None, None, None),
        (by_event_pattern({"stream_id": "a", "event_type": "T", "data": {"k": "v"}}), {"a"}, {"T"}, ("k", "v")),
        (by_event_pattern({"stream_id": "_", "event_type": "$1", "data": "x", "metadata": {"k": "v"}}), *[None] * 3),
        (by_event_pattern({"stream_id": 1, "event_type": None}), None, None, None),
        (all_of(A, T), {"a"}, {"T"}, None),
        (all_of(A, B), set(), None, None),
        (all_of(T | U, U, by_stream()), None, {"U"}, None),
        (all_of(A | B, B), {"b"}, None, None),
        (all_of(A, by_event_payload({"a": "x"})), {"a"}, None, ("a", "x")),
        (A | B, {"a", "b"}, None, None),
        (T | U, None, {"T", "U"}, None),
        (A | T, None, None, None),
        (any_of(all_of(A, T), all_of(B, U)), {"a", "b"}, {"T", "U"}, None),
        (any_of(T, by_event_payload({"a": "x"})), None, None, None),
        (any_of(by_event_payload({"a": "x"}), by_event_pattern({"data": {"a": "x"}})), None, None, ("a", "x")),
        (any_of(by_event_payload({"a": "x"}), by_event_payload({"a": "y"})), None, None, None),
        (any_of(A, by_stream()), None, None, None),
    ],
)
def test_conditions_that_an_accepted_event_fulfils(
    selector: Selector, streams: set[str] | None, types: set[str] | None, payload: tuple[str, str] | None
) -> None:
    matcher = compile_selector(selector)
    assert (matcher.streams, matcher.types, matcher.payload) == (streams, types, payload)
    assert matcher.selector == selector


@pytest.mark.parametrize("selector", [by_stream(), by_event_pattern({}), by_stream() & by_stream(), A | by_stream()])
def test_what_accepts_everything_says_so(selector: Selector) -> None:
    matcher = compile_selector(selector)
    assert matcher.everything
    assert matcher.accepts(row(raw=b"", content_type=BINARY))


@pytest.mark.parametrize("selector", [A, T, stream_prefix("a"), by_event_payload({}), by_stream() & A, A | B])
def test_what_does_not_accept_everything_does_not_say_so(selector: Selector) -> None:
    assert not compile_selector(selector).everything


SAME: list[tuple[Any, Any]] = [(1, 1), ([1, {"a": None}], [1, {"a": None}]), ({"a": 1, "b": 2}, {"b": 2, "a": 1})]
DIFFERENT: list[tuple[Any, Any]] = [(1, True), (1, 1.0), ({"a": [1]}, {"a": [True]}), ([1], [1, 1]), ({}, [])]
DIFFERENT += [({"a": 1}, {"b": 1}), ("a", b"a")]


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(*pair, True) for pair in SAME] + [(*pair, False) for pair in DIFFERENT]
)
def test_values_are_the_same_when_their_types_are(one: Any, other: Any, expected: bool) -> None:
    assert is_same(one, other) is expected
    assert is_same(other, one) is expected


def test_values_may_be_deeper_than_the_stack() -> None:
    deep = [json.loads("1"), json.loads("1")]
    for index in range(2):
        for _ in range(50_000):
            deep[index] = [deep[index]]
    assert is_same(*deep)


texts = st.sampled_from(["", "a", "b", "ab", "J", "_", "$1", "$2", "$", "ä", '"', "\\", "\n", "\x7f", "1", "true"])
values = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 1, 2, -1, 0.0, 1.0, 2.5, 1e22, 1 << 63]) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=3)
streams = st.sampled_from(["a", "ab", "b"])
types = st.sampled_from(["T", "U"])


@st.composite
def patterns_of(draw: st.DrawFn, value: Any) -> Any:
    """A pattern that is likely to match the value: parts left out, some replaced."""
    choice = draw(st.integers(0, 9))
    if choice == 0:
        return draw(st.sampled_from(["_", "$1", "$2"]))
    if choice == 1:
        return draw(values)
    if isinstance(value, dict):
        return {key: draw(patterns_of(inner)) for key, inner in value.items() if draw(st.integers(0, 3))}
    if isinstance(value, list):
        return [draw(patterns_of(inner)) for inner in value]
    return value


@st.composite
def written(draw: st.DrawFn, value: Any) -> bytes:
    """The value as JSON in one of the ways in which it can be written."""
    indent, ascii_only = draw(st.sampled_from([None, 1])), draw(st.booleans())
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    if draw(st.booleans()):
        escaped = draw(st.sampled_from("abJ_1$"))
        raw = _escape_in_texts(raw, escaped)
    assert json.loads(raw) == value
    return raw.encode()


def _escape_in_texts(raw: str, character: str) -> str:
    pieces, inside, place = [], False, 0
    while place < len(raw):
        piece = raw[place : place + 2] if inside and raw[place] == "\\" else raw[place]
        if raw[place : place + 2] == "\\u":
            piece = raw[place : place + 6]
        place += len(piece)
        inside ^= piece == '"'
        pieces.append(f"\\u{ord(character):04x}" if inside and piece == character else piece)
    return "".join(pieces)


def slow_match(pattern: Any, value: Any, bound: dict[str, Any]) -> bool:
    """The rules as they are written down, without a thought of speed."""
    if pattern == "_":
        return True
    if is_variable(pattern):
        if pattern not in bound:
            bound[pattern] = value
        return exactly(bound[pattern]) == exactly(value)
    if type(pattern) is not type(value):
        return False
    if isinstance(pattern, dict):
        return all(key in value and slow_match(inner, value[key], bound) for key, inner in pattern.items())
    if isinstance(pattern, list):
        return len(pattern) == len(value) and all(
            slow_match(inner, item, bound) for inner, item in zip(pattern, value, strict=True)
        )
    return bool(pattern == value)


def exactly(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


@given(st.data(), objects)
def test_a_payload_predicate_agrees_with_the_rules(data: st.DataObject, value: dict[str, Any]) -> None:
    pattern = data.draw(patterns_of(value))
    if not isinstance(pattern, dict):
        pattern = {"a": pattern}
    raw = data.draw(written(value))
    expected = slow_match(pattern, value, {})
    assert accepts(by_event_payload(pattern), row(raw=raw)) is expected
    assert accepts(by_event_pattern({"data": pattern}), row(raw=raw)) is expected
    assert accepts(by_event_pattern({"metadata": pattern}), row(metadata=raw)) is expected


@given(st.data(), values)
def test_a_data_predicate_agrees_with_the_rules(data: st.DataObject, value: Any) -> None:
    pattern = data.draw(patterns_of(value))
    raw = data.draw(written(value))
    assert accepts(by_event_pattern({"data": pattern}), row(raw=raw)) is slow_match(pattern, value, {})


@st.composite
def leaves(draw: st.DrawFn) -> Selector:
    fields = {"stream_id": streams, "event_type": types, "data": objects | texts, "version": st.sampled_from([25, 1])}
    return draw(
        st.builds(by_stream, streams | st.just("$all"))
        | st.builds(by_event_type, types)
        | st.builds(stream_prefix, streams)
        | st.builds(by_event_payload, objects)
        | st.builds(by_event_pattern, st.fixed_dictionaries({}, optional=fields))
    )


selectors = st.recursive(
    leaves(),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([all_of(*parts), any_of(*parts)])
    ),
    max_leaves=6,
)
rows = st.builds(
    row, objects | values, stream_id=streams, event_type=types, content_type=st.sampled_from([JSON, JSON, JSON, BINARY])
)


def slow_accepts(selector: Selector, event: EventRow) -> bool:
    stream_id, version, _, _, event_type, content_type, raw, _, _ = event
    data = msgspec.json.decode(raw) if content_type == JSON else raw
    match selector.type:
        case "by_stream":
            return selector.value in ("$all", "$" + stream_id)
        case "by_event_type":
            return bool(selector.value == event_type)
        case "stream_prefix":
            return stream_id.startswith(selector.value)
        case "by_event_payload":
            return content_type == JSON and slow_match(selector.value, data, {})
        case "by_event_pattern":
            fields = {"stream_id": stream_id, "event_type": event_type, "data": data, "version": version}
            return slow_match(selector.value, fields, {})
        case "all_of":
            return all(slow_accepts(part, event) for part in selector.value)
        case _:
            return any(slow_accepts(part, event) for part in selector.value)


@given(selectors, rows)
def test_an_accepted_event_fulfils_every_condition(selector: Selector, event: EventRow) -> None:
    matcher = compile_selector(selector)
    accepted = matcher.accepts(event)
    assert accepted is slow_accepts(selector, event)
    if not accepted:
        assert not matcher.everything
        return
    assert matcher.streams is None or event[0] in matcher.streams
    assert matcher.types is None or event[4] in matcher.types
    assert selector.stream_id in (None, event[0])
    if matcher.payload is not None:
        key, text = matcher.payload
        assert event[5] == JSON
        assert msgspec.json.decode(event[6])[key] == text
