"""P9: a durable subscription over the network, each delivery acknowledged, against a JetStream pull consumer."""

from __future__ import annotations

import itertools
from typing import Any, Final

from bench.figures import Budget, Figure
from bench.load import run_load
from bench.rounds import Run, alternate
from bench.sides import GATER, JETSTREAM, Side, Turn, compared, on_the_network
from bench.table import Row

PREFETCH: Final = 1_000
EVENTS_PER_STREAM: Final = 50
STREAMS: Final = 4_000
STREAMS_WHEN_QUICK: Final = 1_000
FILL_TIMEOUT: Final = 600.0


def deliveries(run: Run) -> list[Row]:
    """P9: one consumer, prefetch 1,000; with the order of each stream kept, and without."""
    figures = _measure(run)
    streams = _streams(run)
    work = f"acked deliveries, {streams * EVENTS_PER_STREAM:,} events of {streams:,} streams"
    peer = {JETSTREAM.name: figures[JETSTREAM.name]} if JETSTREAM.name in figures else {}
    budget = Budget.figure("≥", 50_000, "deliveries/s")
    return [
        compared("P9", f"{work}, ordering {ordering}", budget, {GATER.name: figures[ordering], **peer}, JETSTREAM)
        for ordering in ("key", "none")
    ]


def _measure(run: Run) -> dict[str, Figure]:
    with on_the_network(run, JETSTREAM) as addresses:
        shape = {"streams": _streams(run), "events_per_stream": EVENTS_PER_STREAM}
        for side, address in addresses.items():
            run.say(f"filling {side.name}")
            run_load(f"{side.module}:fill", timeout=FILL_TIMEOUT, target=address, **shape)
        load = {"prefetch": PREFETCH, "deliveries": _streams(run) * EVENTS_PER_STREAM}
        turns = {
            ordering: _turn(GATER, target=addresses[GATER], ordering=ordering, **load) for ordering in ("key", "none")
        }
        if JETSTREAM in addresses:
            turns[JETSTREAM.name] = _turn(JETSTREAM, target=addresses[JETSTREAM], **load)
        return alternate(run, "deliveries/s", turns)


def _turn(side: Side, **arguments: Any) -> Turn:
    """Each turn has a durable subscription of its own, which begins with the first event."""
    numbers = itertools.count(1)
    ordering = arguments.get("ordering", "")
    return lambda: side.turn("consume", group=f"turn-{ordering}-{next(numbers)}", **arguments)()


def _streams(run: Run) -> int:
    return STREAMS_WHEN_QUICK if run.quick else STREAMS
