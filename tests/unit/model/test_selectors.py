"""What a selector may be, in which forms it is given, and what its canonical form is."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.errors import GaterError, InvalidArgumentError, ValidationError
from gater.model.events import JSON, Event
from gater.model.selectors import (
    DEEPEST_JOIN,
    DEEPEST_PATTERN,
    EVENT_FIELDS,
    MOST_PARTS,
    MOST_PARTS_IN_ALL,
    MOST_PATTERN_BYTES,
    MOST_PATTERN_VALUES,
    Selector,
    all_of,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    is_literal,
    is_variable,
    parse_selector,
    reach,
    stream_prefix,
)

A, B, T = by_stream("a"), by_stream("b"), by_event_type("T")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
anything = st.recursive(
    scalars | st.binary(max_size=3) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)
kinds = st.sampled_from(
    ["by_stream", "by_event_type", "by_event_pattern", "by_event_payload", "stream_prefix", "all_of", "any_of", "x"]
)


def nested(levels: int) -> dict[str, Any]:
    pattern: dict[str, Any] = {}
    for _ in range(levels - 1):
        pattern = {"a": pattern}
    return pattern


@pytest.mark.parametrize(
    ("given", "canonical", "stream_id"),
    [
        ("$all", "$all", None),
        ("a", "$a", "a"),
        ("$a", "$a", "a"),
        ("$$a", "$$a", "$a"),
        ("$$all", "$$all", "$all"),
        ("all", "all", "all"),
        ("_", "$_", "_"),
        ("ä$b", "$ä$b", "ä$b"),
    ],
)
def test_streams_have_one_canonical_form(given: str, canonical: str, stream_id: str | None) -> None:
    selector = parse_selector("by_stream", given)
    assert selector == Selector("by_stream", canonical)
    assert parse_selector("by_stream", canonical) == selector
    assert selector.stream_id == stream_id
    assert reach(selector) == (stream_id or "",)


def test_a_stream_by_default_is_all() -> None:
    assert by_stream() == Selector("by_stream", "$all")


@pytest.mark.parametrize("kind", ["by_stream", "stream_prefix", "by_event_type"])
@pytest.mark.parametrize("value", ["", None, 5, b"a", ["a"], {"a": 1}, "a\n", "\ud800", "x" * 256])
def test_names_must_be_names(kind: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_selector(kind, value)
    assert caught.value.argument == ("event_type" if kind == "by_event_type" else "selector")


def test_a_lone_dollar_names_no_stream() -> None:
    with pytest.raises(InvalidArgumentError):
        by_stream("$")


@pytest.mark.parametrize(
    "given",
    [
        Selector("by_event_type", "T"),
        {"by_event_type": "T"},
        ("by_event_type", "T"),
        ["by_event_type", "T"],
    ],
)
def test_every_form_is_the_same_selector(given: Any) -> None:
    assert parse_selector(given) == T
    assert parse_selector("all_of", [given, A]) == parse_selector({"all_of": (given, A)}) == all_of(T, A)
    with pytest.raises(InvalidArgumentError) as caught:
        parse_selector(given, "T")
    assert caught.value.argument == "selector"


NO_KINDS: list[Any] = ["by_time", "", "x" * 1_000, None, 5, b"by_stream", {}, {"by_time": 1}, {5: 1}, [], ["by_stream"]]
NO_KINDS += [["by_stream", "a", "b"], [5, "a"], [["by_stream"], "a"], Selector("by_time", "a")]
NO_KINDS += [{"by_stream": "a", "any_of": []}]


@pytest.mark.parametrize("given", NO_KINDS)
def test_what_is_of_no_known_kind_is_refused_naming_the_kinds(given: Any) -> None:
    calls: list[tuple[Any, ...]] = [(given,), ("any_of", [A, given])]
    if isinstance(given, str | bytes | int | None):
        calls.append((given, "a"))
    for arguments in calls:
        with pytest.raises(InvalidArgumentError) as caught:
            parse_selector(*arguments)
        assert caught.value.argument == "type"
        assert "by_event_payload" in caught.value.reason


def test_a_kind_alone_needs_its_selector() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_selector("by_stream")
    assert caught.value.argument == "selector"


def test_what_derives_from_text_becomes_text() -> None:
    class Word(StrEnum):
        KIND = "by_stream"
        NAME = "a"

    selector = parse_selector(Word.KIND, Word.NAME)
    assert selector == A
    assert type(selector.type) is type(selector.value) is str
    assert type(by_event_payload({"a": Word.NAME}).value["a"]) is str


def test_a_selector_from_the_wire_is_checked_and_made_canonical() -> None:
    sent = all_of(A, any_of(T, stream_prefix("b")), by_event_payload({"n": [1, {"x": None}]}))
    for codec in (msgspec.json, msgspec.msgpack):
        received = codec.decode(codec.encode(sent), type=Selector)
        assert type(received.value) is list
        parsed = parse_selector(received)
        assert parsed == sent
        assert all(type(part) is Selector for part in parsed.value)
    assert parse_selector(Selector("all_of", [["by_stream", "a"]])) == all_of(A)
    with pytest.raises(InvalidArgumentError):
        parse_selector(Selector("all_of", [["by_stream", ""]]))


def test_a_plain_selector_is_read_back() -> None:
    selector = (A | stream_prefix("b")) & by_event_pattern({"version": 1, "data": {"z": [True], "a": "_"}})
    plain = selector.to_plain()
    assert plain == {
        "all_of": [
            {"any_of": [{"by_stream": "$a"}, {"stream_prefix": "b"}]},
            {"by_event_pattern": {"data": {"a": "_", "z": [True]}, "version": 1}},
        ]
    }
    assert parse_selector(plain) == parse_selector(msgspec.json.decode(msgspec.json.encode(plain))) == selector


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


def test_a_selector_is_no_other_thing() -> None:
    assert A != ("by_stream", "$a")
    assert parse_selector("stream_prefix", "$a") != A


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


@pytest.mark.parametrize("kind", ["all_of", "any_of"])
@pytest.mark.parametrize("parts", [[], None, "ab", {"by_stream": "a"}, A, [A] * (MOST_PARTS + 1)])
def test_a_join_has_some_parts(kind: str, parts: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_selector(kind, parts)
    assert caught.value.argument == "selector"
    assert len(parse_selector(kind, [A] * MOST_PARTS).value) == MOST_PARTS


def test_joins_are_as_deep_as_allowed_and_no_deeper() -> None:
    selector: Any = A
    for _ in range(DEEPEST_JOIN):
        selector = {"any_of": [selector]}
    parse_selector(selector)
    endless: list[Any] = []
    endless.append(["all_of", endless])
    deep: Any = A
    for _ in range(100_000):
        deep = ("any_of", [deep])
    for refused in ({"all_of": [selector]}, {"all_of": endless}, deep):
        with pytest.raises(InvalidArgumentError) as caught:
            parse_selector(refused)
        assert caught.value.argument == "selector"


def test_all_parts_together_are_bounded() -> None:
    quarter = MOST_PARTS_IN_ALL // 4 - 1
    any_of(*[all_of(*[A] * quarter)] * 4)
    with pytest.raises(InvalidArgumentError):
        any_of(A, *[all_of(*[A] * quarter)] * 4)


def test_operators_join_and_flatten_the_same_kind() -> None:
    assert all_of(A, T) == A & T
    assert any_of(A, B, T) == A | B | T
    assert (A | B) & T & by_stream("c") == all_of(any_of(A, B), T, by_stream("c"))
    assert any_of(all_of(A, B), all_of(A, T)) == (A & B) | (A & T)


@pytest.mark.parametrize(
    ("selector", "stream_id"),
    [
        (all_of(A, T), "a"),
        (all_of(A, by_stream(), A), "a"),
        (all_of(T, all_of(A)), "a"),
        (all_of(A, B), None),
        (all_of(T), None),
        (any_of(A), None),
        (by_event_pattern({"stream_id": "a"}), None),
        (stream_prefix("a"), None),
    ],
)
def test_one_stream_is_known_where_the_selector_is_confined_to_it(selector: Selector, stream_id: str | None) -> None:
    assert selector.stream_id == stream_id


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (T, ("",)),
        (by_event_payload({"stream_id": "a"}), ("",)),
        (by_event_pattern({}), ("",)),
        (by_event_pattern({"event_stream_id": "a", "version": 3}), ("a",)),
        (by_event_pattern({"stream_id": "_"}), ("",)),
        (by_event_pattern({"stream_id": "$1"}), ("",)),
        (by_event_pattern({"stream_id": 5}), ("",)),
        (stream_prefix("a-"), ("a-",)),
        (any_of(B, A, stream_prefix("c"), A), ("a", "b", "c")),
        (any_of(A, T), ("", "a")),
        (all_of(T, stream_prefix("a")), ("a",)),
        (all_of(T, by_stream()), ("",)),
        (all_of(any_of(A, T), any_of(B, A)), ("a", "b")),
        (all_of(stream_prefix("a"), stream_prefix("abc")), ("abc",)),
        (all_of(by_event_pattern({"stream_id": "longer"}), A), ("a",)),
    ],
)
def test_reach_is_what_a_selector_can_touch(selector: Selector, names: tuple[str, ...]) -> None:
    assert reach(selector) == names


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


@given(anything | kinds, anything)
def test_whatever_comes_in_only_known_errors_come_out(kind: Any, value: Any) -> None:
    for arguments in ((kind, value), ({str(kind): value},), (kind,), ((kind, value),), ("all_of", [(kind, value)])):
        with contextlib.suppress(GaterError):
            parse_selector(*arguments)


@given(kinds, anything)
def test_what_was_parsed_is_canonical(kind: str, value: Any) -> None:
    try:
        selector = parse_selector(kind, value)
    except GaterError:
        return
    assert parse_selector(selector) == parse_selector(selector.to_plain()) == selector
    assert msgspec.msgpack.encode(parse_selector(selector.to_plain())) == msgspec.msgpack.encode(selector)
    reach(selector)


@given(st.dictionaries(st.text(max_size=3), anything, max_size=3))
def test_payload_patterns_are_read_back_from_every_wire(pattern: dict[str, Any]) -> None:
    try:
        selector = by_event_payload(pattern)
    except GaterError:
        return
    for codec in (msgspec.json, msgspec.msgpack):
        assert parse_selector(codec.decode(codec.encode(selector), type=Selector)) == selector
