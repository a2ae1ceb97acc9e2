"""A figure is the median of several rounds with its spread; a budget says what it, or its ratio, must reach."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, measured once a round, in the order of the rounds."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that the table shows and that ratios are made of."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance between the best and the worst round, as a share of the median."""
        return (max(self.values) - min(self.values)) / 2 / self.median

    def __str__(self) -> str:
        return f"{number(self.median)} {self.unit} ± {self.spread:.0%}"

    def to_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "median": self.median, "spread": self.spread, "rounds": list(self.values)}


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on Gater's own figure, or on the ratio of Gater's figure to its peer's."""

    on: Literal["figure", "ratio"]
    sense: Literal["≥", "≤", "<"]
    limit: float
    unit: str = ""

    @classmethod
    def ratio(cls, sense: Literal["≥", "≤", "<"], limit: float) -> Self:
        return cls("ratio", sense, limit, "×")

    @classmethod
    def figure(cls, sense: Literal["≥", "≤", "<"], limit: float, unit: str) -> Self:
        return cls("figure", sense, limit, unit)

    def is_met(self, figure: float, ratio: float | None) -> bool | None:
        """None when the budget is on a ratio and there is no peer to make one with."""
        value = figure if self.on == "figure" else ratio
        if value is None:
            return None
        if self.sense == "≥":
            return value >= self.limit
        return value <= self.limit if self.sense == "≤" else value < self.limit

    def __str__(self) -> str:
        return f"{self.sense} {number(self.limit)} {self.unit}"


def number(value: float) -> str:
    """Three digits that matter, thousands grouped: 46,120 and 82.4 and 1.31 and 0.3."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
