"""P4 and P5: reading one stream, and a whole store, over the network."""

from __future__ import annotations

from bench.figures import Budget, Figure
from bench.load import run_load
from bench.rounds import Run, alternate
from bench.sides import GATER, UMADB, compared, on_the_network
from bench.table import Row

EVENTS_PER_STREAM = 100
STREAMS = 2_000
STREAMS_WHEN_QUICK = 500
FILL_TIMEOUT = 600.0


def one_stream(run: Run) -> list[Row]:
    """P4: one caller reads one stream of 100 events after the other."""
    figures = _measure(run, "reads/s", "read_stream", callers=1, seconds=run.seconds)
    work = "network read of one stream of 100 events (peer: by tag)"
    return [compared("P4", work, Budget.ratio("≥", 3), figures, UMADB)]


def whole_store(run: Run) -> list[Row]:
    """P5: one caller iterates over every event of the store."""
    figures = _measure(run, "events/s", "scan")
    work = f"network scan of a whole store of {_streams(run) * EVENTS_PER_STREAM:,} events"
    return [
        Row("P5", work, Budget.figure("≥", 300_000, "events/s"), figures[GATER.name]),
        compared("P5", work, Budget.ratio("≥", 0.4), figures, UMADB),
    ]


def _streams(run: Run) -> int:
    return STREAMS_WHEN_QUICK if run.quick else STREAMS


def _measure(run: Run, unit: str, function: str, **arguments: object) -> dict[str, Figure]:
    """Both stores hold the same events, written in the same order."""
    with on_the_network(run) as addresses:
        shape = {"streams": _streams(run), "events_per_stream": EVENTS_PER_STREAM}
        for side, address in addresses.items():
            run.say(f"filling {side.name}")
            run_load(f"{side.module}:fill", timeout=FILL_TIMEOUT, target=address, **shape)
        turns = {
            side.name: side.turn(function, target=address, **shape, **arguments) for side, address in addresses.items()
        }
        return alternate(run, unit, turns)
