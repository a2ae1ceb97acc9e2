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
from gater.store.interests import PRESENT, Term
from gater.subscriptions.interests import interest_of
from gater.subscriptions.matching import compile_selector
from tests.unit.subscriptions.accepting import accepts, row

A, B, T, U = by_stream("a"), by_stream("b"), by_event_type("T"), by_event_type("U")


@pytest.mark.parametrize(
    ("selector", "types"),
    [
        (by_stream(), None),
        (A, None),
        (T, {"T"}),
        (by_event_payload({"a": "x"}), None),
        (by_event_pattern({"stream_id": "a", "event_type": "T", "data": {"k": "v"}}), {"T"}),
        (by_event_pattern({"stream_id": "_", "event_type": "$1", "data": "x", "metadata": {"k": "v"}}), None),
        (by_event_pattern({"stream_id": 1, "event_type": None}), None),
        (all_of(A, T), {"T"}),
        (all_of(T | U, U, by_stream()), {"U"}),
        (T | U, {"T", "U"}),
        (A | T, None),
        (any_of(all_of(A, T), all_of(B, U)), {"T", "U"}),
        (any_of(T, by_event_payload({"a": "x"})), None),
    ],
)
def test_types_of_which_an_accepted_event_is_one(selector: Selector, types: set[str] | None) -> None:
    matcher = compile_selector(selector)
    assert matcher.types == types
    assert matcher.selector == selector


STREAM_A, STREAM_B = Term("stream_id", "a"), Term("stream_id", "b")


@pytest.mark.parametrize(
    ("selector", "clauses"),
    [
        (A, [{STREAM_A}]),
        (T, [{Term("event_type", "T")}]),
        (stream_prefix("a"), [{Term("stream_prefix", "a")}]),
        (by_event_payload({}), [{Term("data", PRESENT)}]),
        (by_event_payload({"a": "_", "b": 1}), [{Term("data", 1, ("b",))}, {Term("data", PRESENT, ("a",))}]),
        (
            by_event_payload({"a": {"b": ["_", "x"]}}),
            [{Term("data", "x", ("a", "b", 1))}, {Term("data", PRESENT, ("a", "b", 0))}],
        ),
        (
            by_event_pattern({"metadata": {"k": "v"}, "version": 3}),
            [{Term("metadata", "v", ("k",))}, {Term("version", 3)}],
        ),
        (by_event_pattern({"stream_id": "_", "event_type": "$1", "data": "$1"}), []),
        (by_event_pattern({"version": ["_"]}), [set()]),
        (all_of(A, T, by_stream()), [{STREAM_A}, {Term("event_type", "T")}]),
        (A | B, [{STREAM_A, STREAM_B}]),
        (A | T, [{STREAM_A, Term("event_type", "T")}]),
        (any_of(all_of(T, A), all_of(B, U)), [{STREAM_A, STREAM_B}]),
        (any_of(A, by_event_pattern({"data": "_"})), []),
    ],
)
def test_terms_of_which_an_accepted_event_fulfils_one_of_each_clause(
    selector: Selector, clauses: list[set[Term]]
) -> None:
    assert list(interest_of(compile_selector(selector)).clauses) == clauses


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
