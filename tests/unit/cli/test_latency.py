"""The histogram of latencies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.cli.latency import LatencyHistogram


def test_percentiles_of_nothing_are_zero() -> None:
    assert LatencyHistogram().percentile(99) == 0.0


def test_percentiles_of_a_hundred_durations() -> None:
    histogram = LatencyHistogram()
    for milliseconds in range(1, 101):
        histogram.record(milliseconds / 1000)
    assert [histogram.percentile(percent) for percent in (1, 50, 99, 100)] == [0.001, 0.05, 0.099, 0.1]


@given(st.lists(st.floats(min_value=1e-6, max_value=100.0), min_size=1), st.floats(min_value=0.1, max_value=100))
def test_a_percentile_is_a_recorded_duration_to_three_digits(durations: list[float], percent: float) -> None:
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.record(duration)
    index = max(-(-len(durations) * percent // 100) - 1, 0)
    expected = sorted(durations)[min(int(index), len(durations) - 1)]
    assert histogram.percentile(percent) == pytest.approx(expected, rel=0.011, abs=2e-6)


def test_a_million_durations_take_little_room() -> None:
    histogram = LatencyHistogram()
    for number in range(100_000):
        histogram.record(number / 1_000)
    assert len(histogram) == 100_000
    assert len(histogram._counts) < 6_000
