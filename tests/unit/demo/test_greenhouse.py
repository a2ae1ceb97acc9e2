"""The generator of the greenhouse domain."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.demo import greenhouse

LEVELS = ("humidity", "light", "intensity")


def test_a_new_greenhouse_is_initialized_first() -> None:
    first, *others = greenhouse.generate(Random(1), -1, 50)
    assert first.event_type == "initialized:v1"
    assert set(first.data) == {"temperature", "humidity", "light"}
    assert first.metadata is None
    assert len(others) == 49
    assert "initialized:v1" not in {event.event_type for event in others}


def test_a_greenhouse_with_events_is_not_initialized_again() -> None:
    assert "initialized:v1" not in {event.event_type for event in greenhouse.generate(Random(1), 0, 500)}


@pytest.mark.parametrize("version", [-1, 0, 7])
def test_no_events_are_generated_when_none_are_asked_for(version: int) -> None:
    assert greenhouse.generate(Random(1), version, 0) == []


def test_all_fourteen_types_come_up() -> None:
    events = greenhouse.generate(Random(1), 0, 1_000)
    assert {event.event_type for event in events} == {name for name, _ in greenhouse.EVENT_TYPES}
    assert len(greenhouse.EVENT_TYPES) == 14


@given(st.integers(), st.integers(min_value=1, max_value=30))
def test_values_stay_in_their_ranges(seed: int, count: int) -> None:
    for event in greenhouse.generate(Random(seed), -1, count):
        assert 6 <= event.data.get("temperature", 6) <= 35
        assert all(1 <= event.data.get(level, 1) <= 100 for level in LEVELS)
        assert event.data.get("operator", "John") in greenhouse.OPERATORS
        assert ("operator" in event.data) == event.event_type.startswith("desired_")


def test_every_event_after_the_first_names_its_cause_and_correlation() -> None:
    events = greenhouse.generate(Random(1), 0, 20)
    ids = [event.metadata[name] for event in events for name in ("causation_id", "correlation_id")]
    assert len(set(ids)) == 40


def test_the_same_seed_gives_the_same_events() -> None:
    first, second = (greenhouse.generate(Random(5), -1, 20) for _ in range(2))
    assert [(event.event_type, event.data, event.metadata) for event in first] == [
        (event.event_type, event.data, event.metadata) for event in second
    ]


def test_streams_are_named_as_they_are_offered() -> None:
    assert [greenhouse.stream_of(number) for number in range(1, 8)] == list(greenhouse.STREAMS)
