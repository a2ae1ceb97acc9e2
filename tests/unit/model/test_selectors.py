"""What a selector may be, in which forms it is given, and what it can touch."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
import pytest

from gater.model.errors import InvalidArgumentError
from gater.model.selectors import (
    DEEPEST_JOIN,
    MOST_PARTS,
    MOST_PARTS_IN_ALL,
    Selector,
    all_of,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    parse_selector,
    reach,
    stream_prefix,
)

A, B, T = by_stream("a"), by_stream("b"), by_event_type("T")


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


def test_a_selector_is_no_other_thing() -> None:
    assert A != ("by_stream", "$a")
    assert parse_selector("stream_prefix", "$a") != A


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
