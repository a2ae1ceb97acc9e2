"""P6: durable appends in the caller's own process, against the `eventsourcing` library on SQLite."""

from __future__ import annotations

from typing import Any

from bench.figures import Budget, Figure
from bench.rounds import Run, alternate
from bench.sides import EVENTSOURCING, GATER, Side, Turn, compared
from bench.table import Row


def appends(run: Run) -> list[Row]:
    """P6: one caller, and 64 (tasks on Gater's side, threads on the library's)."""
    single = _measure(run, callers=1)
    many = _measure(run, callers=64)
    return [
        compared("P6", "in-process append, one at a time", Budget.ratio("≥", 1.3), single, EVENTSOURCING),
        compared("P6", "in-process append, 64 tasks", Budget.ratio("≥", 10), many, EVENTSOURCING),
    ]


def _measure(run: Run, *, callers: int) -> dict[str, Figure]:
    turns = {GATER.name: _turn(run, GATER, callers=callers, events_per_call=1)}
    if EVENTSOURCING.is_installed:
        turns[EVENTSOURCING.name] = _turn(run, EVENTSOURCING, callers=callers)
    return alternate(run, "events/s", turns)


def _turn(run: Run, side: Side, **arguments: Any) -> Turn:
    """Each turn begins with an empty file of its own."""
    return lambda: side.turn("append", target=str(run.new_folder("own")), seconds=run.seconds, **arguments)()
