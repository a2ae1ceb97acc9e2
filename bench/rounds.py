"""Sides take turns, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure


@dataclass(frozen=True, slots=True)
class Run:
    """The settings of a run: folder, seconds of a turn, number of turns, size of the stores."""

    folder: Path
    seconds: float
    rounds: int
    quick: bool
    large: bool
    say: Callable[[str], None]

    def new_folder(self, name: str) -> Path:
        """An empty folder that lasts as long as the run."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


def alternate(run: Run, unit: str, sides: Mapping[str, Callable[[], float]]) -> dict[str, Figure]:
    """Gives each side one turn a round, in the opposite order every other round."""
    values: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(run.rounds):
        order = list(sides)
        if number % 2 == 1:
            order.reverse()
        for name in order:
            run.say(f"round {number + 1} of {run.rounds}: {name}")
            values[name].append(sides[name]())
    return {name: Figure(unit, tuple(measured)) for name, measured in values.items()}


def measured(run: Run, name: str, turn: Callable[[], Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The figures of each round of a load that has no peer and gives several."""
    found = []
    for number in range(run.rounds):
        run.say(f"round {number + 1} of {run.rounds}: {name}")
        found.append(turn())
    return found
