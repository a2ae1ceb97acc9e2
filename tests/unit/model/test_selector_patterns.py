"""What a pattern may be, how large, what its canonical form is, and which text in it means itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gater.model.errors import ValidationError
from gater.model.events import JSON, Event
from gater.model.selectors import (
    DEEPEST_PATTERN,
    EVENT_FIELDS,
    MOST_PATTERN_BYTES,
    MOST_PATTERN_VALUES,
    Selector,
    by_event_pattern,
    by_event_payload,
    is_literal,
    is_variable,
    parse_selector,
)


def nested(levels: int) -> dict[str, Any]:
    pattern: dict[str, Any] = {}
    for _ in range(levels - 1):
        pattern = {"a": pattern}
    return pattern


def test_the_order_of_keys_makes_no_difference() -> None:
    one = by_event_payload({"b": {"y": 1, "x": 2}, "a": 0})
    other = by_event_payload({"a": 0, "b": {"x": 2, "y": 1}})
    assert one == other
    assert hash(one) == hash(other)
    assert msgspec.json.encode(one.to_plain()) == msgspec.json.encode(other.to_plain())
    assert list(one.value) == ["a", "b"]


@pytest.mark.parametrize(("one", "other"), [(True, 1), (25, 25.0), ("1", 1), (None, False), ([1], [True])])
def test_selectors_are_as_different_as_what_they_match(one: Any, other: Any) -> None:
    assert by_event_payload({"a": one}) != by_event_payload({"a": other})


def test_a_negative_zero_is_zero() -> None:
    assert msgspec.json.encode(by_event_payload({"a": -0.0}).to_plain()) == b'{"by_event_payload":{"a":0.0}}'


def test_tuples_in_patterns_become_lists() -> None:
    assert by_event_payload({"a": (1, (2,))}).value == {"a": [1, [2]]}


def test_a_pattern_is_not_changed_with_what_it_was_made_of_or_gave_away() -> None:
    given: dict[str, Any] = {"a": {"b": [1]}}
    selector = by_event_payload(given)
    given["a"]["b"].append(2)
    selector.to_plain()["by_event_payload"]["a"]["b"].append(3)
    assert selector == by_event_payload({"a": {"b": [1]}})


def test_patterns_name_the_fields_of_events() -> None:
    wanted = dict.fromkeys(EVENT_FIELDS, "_")
    assert by_event_pattern(wanted).value == wanted
    assert set(EVENT_FIELDS) == Event("a", 0, 1, bytes(16), "T", JSON, b"1", None, 0).to_dict().keys()
    given = {"event_stream_id": "a", "event_number": 1}
    assert by_event_pattern(given) == by_event_pattern({"version": 1, "stream_id": "a"})


@pytest.mark.parametrize("field", ["data_content_type", "type", "", "Stream_id", "metadata_content_type"])
def test_an_unknown_field_is_named(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        by_event_pattern({"version": 1, field: 1})
    assert caught.value.field == field
    assert by_event_payload({field: 1}).value == {field: 1}


def test_a_field_is_named_once() -> None:
    with pytest.raises(ValidationError) as caught:
        by_event_pattern({"event_number": 1, "version": 1})
    assert caught.value.field == "version"


NO_PATTERNS: list[Any] = ["a", None, [], 5, {5: 1}, {"data": {None: 1}}, {"data": b"x"}, {"data": object()}]
NO_PATTERNS += [{"data": float("nan")}, {"data": [float("inf")]}, {"data": {1, 2}}, {"data": 1j}]
NO_PATTERNS += [{"data": 1 << 64}, {"data": -(1 << 63) - 1}, {"data": "\ud800"}, {"data": {"\udfff": 1}}]


@pytest.mark.parametrize("kind", ["by_event_pattern", "by_event_payload"])
@pytest.mark.parametrize("value", NO_PATTERNS)
def test_patterns_are_json_maps(kind: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_selector(kind, value)
    assert caught.value.field == "selector"


@pytest.mark.parametrize("kind", ["by_event_pattern", "by_event_payload"])
def test_a_pattern_may_be_empty(kind: str) -> None:
    assert parse_selector(kind, {}) == Selector(kind, {})


def test_a_pattern_is_as_deep_as_allowed_and_no_deeper() -> None:
    assert by_event_payload(nested(DEEPEST_PATTERN)).value == nested(DEEPEST_PATTERN)
    endless: dict[str, Any] = {}
    endless["a"] = [endless]
    for pattern in (nested(DEEPEST_PATTERN + 1), nested(100_000), endless):
        with pytest.raises(ValidationError):
            by_event_payload(pattern)


def test_a_pattern_has_as_many_values_as_allowed_and_no_more() -> None:
    keys = [str(number) for number in range(MOST_PATTERN_VALUES)]
    by_event_payload(dict.fromkeys(keys[1:]))
    by_event_payload({"a": [0] * (MOST_PATTERN_VALUES - 2)})
    again = [0] * 500
    for pattern in (dict.fromkeys(keys), {"a": [0] * (MOST_PATTERN_VALUES - 1)}, {"a": [again] * 500}):
        with pytest.raises(ValidationError):
            by_event_payload(pattern)


def test_a_pattern_has_as_many_bytes_as_allowed_and_no_more() -> None:
    room = MOST_PATTERN_BYTES - len(b'{"a":""}')
    by_event_payload({"a": "x" * room})
    for text in ("x" * (room + 1), "é" * room):
        with pytest.raises(ValidationError):
            by_event_payload({"a": text})


@pytest.mark.parametrize("text", ["$1", "$9", "$10", "$123456"])
def test_numbered_dollars_are_variables(text: str) -> None:
    assert is_variable(text)
    assert not is_literal(text)


@pytest.mark.parametrize("text", ["$", "$0", "$01", "$1 ", "$1\n", "$a", "a$1", "__", "", "$٣"])
def test_other_text_means_itself(text: str) -> None:
    assert is_literal(text)
    assert not is_variable(text)


@pytest.mark.parametrize("value", ["_", None, 1, ["a"], {}])
def test_wildcards_and_other_values_are_not_literal_text(value: Any) -> None:
    assert not is_literal(value)
    assert not is_variable(value)
