"""Which events a selector accepts, case by case."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

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
    stream_prefix,
)
from gater.subscriptions.matching import compile_selector, is_same
from tests.unit.subscriptions.accepting import ID, accepts, row


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
