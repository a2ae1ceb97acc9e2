"""The arguments of the API, checked before they travel."""

from __future__ import annotations

from typing import Any

import pytest

from gater import NO_STREAM, NewEvent, StreamAppend, StreamGuard
from gater.api.arguments import (
    check_count,
    check_direction,
    check_filter,
    check_position,
    check_start_version,
    encode_guards,
    encode_imported,
    encode_writes,
)
from gater.model.errors import GaterError, InvalidArgumentError, ValidationError

LARGEST = (1 << 63) - 1


@pytest.mark.parametrize("value", [0, 1, LARGEST])
def test_whole_numbers_pass(value: int) -> None:
    assert check_start_version(value) == check_position(value) == value
    assert check_count(value + (value == 0)) == value + (value == 0)


@pytest.mark.parametrize("value", [-1, LARGEST + 1, 1.0, "1", True, None, [1]])
def test_everything_else_is_refused_with_its_own_code(value: Any) -> None:
    for check, code in ((check_start_version, "invalid_start_version"), (check_count, "invalid_count")):
        with pytest.raises(GaterError) as caught:
            check(value)
        assert (caught.value.code, caught.value.details) == (code, {"value": value})
    with pytest.raises(InvalidArgumentError) as refused:
        check_position(value, "after")
    assert refused.value.argument == "after"
    with pytest.raises(InvalidArgumentError):
        check_direction(value)


def test_directions() -> None:
    assert (check_direction("forward"), check_direction("backward")) == (False, True)


def test_filters() -> None:
    assert check_filter(None, "prefix") is check_filter("", "prefix") is None
    assert check_filter("a", "prefix") == "a"
    for value in (5, b"a", "a\x00", "x" * 256, 0, False):
        with pytest.raises(InvalidArgumentError) as caught:
            check_filter(value, "prefix")
        assert caught.value.argument == "prefix"


def test_writes_keep_their_order_and_codes() -> None:
    writes = encode_writes(iter([StreamAppend("b", [NewEvent("T")], "no_stream"), StreamAppend("a", [], 3)]))
    assert [(write.stream_id, len(write.events), write.expected_version) for write in writes] == [
        ("b", 1, NO_STREAM),
        ("a", 0, 3),
    ]
    (guard,) = encode_guards([StreamGuard("$anything", "any")])  # type: ignore[arg-type]
    assert (guard.stream_id, guard.expected_version) == ("$anything", -2)


@pytest.mark.parametrize("appends", [[], None, 5, ["a"], [("a", [])], [StreamAppend("a", []), StreamAppend("a", [])]])
def test_appends_are_stream_appends_each_stream_once(appends: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_writes(appends)
    assert caught.value.argument == "appends"


@pytest.mark.parametrize("guards", [None, 5, ["a"], [("a", 1)], [StreamAppend("a", [])]])
def test_guards_are_stream_guards(guards: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_guards(guards)
    assert caught.value.argument == "guards"


@pytest.mark.parametrize("events", [None, 5, {"stream_id": "a"}, "text", b"bytes"])
def test_imported_events_come_in_a_list(events: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_imported(events)
    assert caught.value.argument == "events"


def test_an_imported_event_is_a_mapping() -> None:
    with pytest.raises(ValidationError):
        encode_imported([5])  # type: ignore[list-item]
