"""What is known of every event that a selector accepts, so that most events need no closer look."""

from __future__ import annotations

import pytest

from gater.model.events import BINARY
from gater.model.selectors import (
    Selector,
    all_of,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from gater.subscriptions.matching import compile_selector
from tests.unit.subscriptions.accepting import accepts, row

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
