"""P1, P2 and P3: durable appends over the network, against UmaDB and against raw SQLite."""

from __future__ import annotations

from bench.figures import Budget, Figure
from bench.rounds import Run, alternate
from bench.sides import RAW_SQLITE, UMADB, Turn, compared, on_the_network
from bench.table import Row


def many_callers(run: Run) -> list[Row]:
    """P1: one event a call, 64 calls in flight."""
    figures = _measure(run, callers=64, events_per_call=1, with_raw_sqlite=True)
    work = "network append, 1 event of 200 B, 64 in flight"
    return [
        compared("P1", work, Budget.ratio("≥", 4), figures, UMADB),
        compared("P1", f"{work} (peer: batches of 64)", Budget.ratio("≥", 0.3), figures, RAW_SQLITE),
    ]


def one_caller(run: Run) -> list[Row]:
    """P2: one event a call, the next after the answer."""
    figures = _measure(run, callers=1, events_per_call=1)
    return [compared("P2", "network append, 1 event of 200 B, one at a time", Budget.ratio("≥", 2), figures, UMADB)]


def batches(run: Run) -> list[Row]:
    """P3: a hundred events a call, from one caller and from eight."""
    alone = _measure(run, callers=1, events_per_call=100)
    eight = _measure(run, callers=8, events_per_call=100)
    return [
        compared("P3", "network append, 100 events a call, one caller", Budget.ratio("≥", 1.2), alone, UMADB),
        compared("P3", "network append, 100 events a call, 8 in flight", Budget.ratio("≥", 1.5), eight, UMADB),
    ]


def _measure(run: Run, *, callers: int, events_per_call: int, with_raw_sqlite: bool = False) -> dict[str, Figure]:
    with on_the_network(run) as addresses:
        load = {"callers": callers, "events_per_call": events_per_call, "seconds": run.seconds}
        turns: dict[str, Turn] = {
            side.name: side.turn("append", target=address, **load) for side, address in addresses.items()
        }
        if with_raw_sqlite:
            turns[RAW_SQLITE.name] = lambda: RAW_SQLITE.turn(
                "append", target=str(run.new_folder("raw")), seconds=run.seconds
            )()
        return alternate(run, "events/s", turns)
