"""Durations in buckets, and counts by name."""

from __future__ import annotations

import math

import pytest

from gater.telemetry.histogram import DURATION_BOUNDS, Histogram
from gater.telemetry.tally import OTHER, Tally


def filled(*seconds: float) -> Histogram:
    histogram = Histogram((1.0, 2.0, 4.0))
    for each in seconds:
        histogram.observe(each)
    return histogram


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((), [0, 0, 0, 0]),
        ((0.0,), [1, 1, 1, 1]),
        ((1.0,), [1, 1, 1, 1]),
        ((1.1, 2.0), [0, 2, 2, 2]),
        ((4.0, 4.1), [0, 0, 1, 2]),
        ((0.5, 1.5, 3.0, 100.0), [1, 2, 3, 4]),
    ],
)
def test_a_bucket_counts_what_took_no_longer_than_its_bound(seconds: tuple[float, ...], expected: list[int]) -> None:
    assert filled(*seconds).cumulative() == list(zip((1.0, 2.0, 4.0, math.inf), expected, strict=True))


def test_count_sum_and_mean_follow_from_the_durations() -> None:
    histogram = filled(1.0, 2.0, 6.0)
    assert (histogram.count, histogram.seconds, histogram.mean) == (3, 9.0, 3.0)


def test_mean_and_quantile_of_nothing_are_zero() -> None:
    assert (Histogram().mean, Histogram().quantile(0.99)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("share", "bound"), [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.75, 4.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_quantile_is_the_bound_that_a_share_did_not_exceed(share: float, bound: float) -> None:
    assert filled(0.5, 1.5, 3.0, 100.0).quantile(share) == bound


def test_quantile_skips_buckets_that_are_empty() -> None:
    assert filled(3.0).quantile(0.0) == 4.0


def test_cleared_histogram_begins_again() -> None:
    histogram = filled(1.0, 9.0)
    histogram.clear()
    assert (histogram.count, histogram.seconds) == (0, 0.0)


def test_bounds_ascend() -> None:
    assert list(DURATION_BOUNDS) == sorted(set(DURATION_BOUNDS))


def test_tally_counts_names() -> None:
    tally = Tally()
    for name in ("a", "b", "a"):
        tally.add(name)
    tally.add("b", 5)
    assert tally.as_dict() == {"a": 2, "b": 6}
    assert tally.total == 8


def test_tally_counts_names_beyond_its_bound_as_other() -> None:
    tally = Tally(2)
    for name in ("a", "b", "c", "a", "d"):
        tally.add(name)
    assert tally.as_dict() == {"a": 2, "b": 1, OTHER: 2}


def test_cleared_tally_has_room_again() -> None:
    tally = Tally(1)
    tally.add("a")
    tally.clear()
    tally.add("b")
    assert tally.as_dict() == {"b": 1}
