"""A histogram of durations: how many fell into each bucket, and how long they took together."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

DURATION_BOUNDS: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""The longest duration that each bucket takes, in seconds; one more bucket takes what is longer."""


class Histogram:
    """Durations in seconds, told one at a time.

    Telling one costs a search among the bounds and two additions, so it may be done for every call of a node; what a
    page of metrics needs besides is worked out when the page is asked for. One thread at a time tells, any may read.
    """

    __slots__ = ("_bounds", "_counts", "seconds")

    def __init__(self, bounds: Sequence[float] = DURATION_BOUNDS) -> None:
        """`bounds` ascend."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.seconds = 0.0
        """All durations together."""

    def observe(self, seconds: float, times: int = 1) -> None:
        """Take in a duration, so many times; one that is exactly a bound belongs to that bound's bucket."""
        self._counts[bisect_left(self._bounds, seconds)] += times
        self.seconds += seconds * times

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self._counts)

    @property
    def mean(self) -> float:
        """Their mean in seconds; 0 when there were none."""
        count = self.count
        return self.seconds / count if count else 0.0

    def cumulative(self) -> list[tuple[float, int]]:
        """Each bound with how many durations were no longer; the last bound is infinite."""
        return list(zip((*self._bounds, math.inf), accumulate(self._counts), strict=True))

    def count_above(self, bound: float) -> int:
        """The number of durations that were longer than one of the bounds."""
        return sum(self._counts[bisect_left(self._bounds, bound) + 1 :])

    def quantile(self, share: float) -> float:
        """The least bound that this share of the durations (0 to 1) did not exceed.

        0 when there were none; the largest bound when it lies beyond all of them.
        """
        wanted = share * self.count
        for bound, reached in self.cumulative():
            if reached >= wanted and reached:
                return min(bound, self._bounds[-1])
        return 0.0

    def clear(self) -> None:
        """Begin again."""
        self._counts = [0] * len(self._counts)
        self.seconds = 0.0
