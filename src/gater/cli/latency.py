"""A histogram of latencies, of bounded size, that answers percentiles to three digits."""

from __future__ import annotations

from collections import Counter
from typing import Final

_DIGITS: Final = 1_000


class LatencyHistogram:
    """Counts durations by their microseconds, rounded down to three significant digits."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def record(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[_rounded(int(seconds * 1_000_000))] += 1

    def __len__(self) -> int:
        return self._counts.total()

    def percentile(self, percent: float) -> float:
        """The seconds within which so many per cent of the durations lie; 0.0 when there are none."""
        wanted = len(self) * percent / 100
        seen = 0
        for microseconds in sorted(self._counts):
            seen += self._counts[microseconds]
            if seen >= wanted:
                return microseconds / 1_000_000
        return 0.0


def _rounded(microseconds: int) -> int:
    step = 1
    while microseconds >= _DIGITS * step:
        step *= 10
    return microseconds // step * step
