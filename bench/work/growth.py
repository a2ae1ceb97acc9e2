"""P10: what an append and a read cost as a store grows, against the same work on a small store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.figures import Budget
from bench.large import READ_COUNT, Grown, by_events, by_streams
from bench.load import rate, run_load
from bench.rounds import Run, alternate
from bench.table import Row

APPENDS = 20_000
APPENDS_WHEN_QUICK = 5_000
BUDGET = Budget.ratio("≤", 1.2)


def growth(run: Run) -> list[Row]:
    """P10: from 100,000 events and from 1,000 streams to as many as this run builds."""
    return [
        *_compared(run, by_events(run), lambda store: f"{store.events:,} events"),
        *_compared(run, by_streams(run), lambda store: f"{store.streams:,} streams"),
    ]


def _compared(run: Run, stores: list[Grown], size: Callable[[Grown], str]) -> list[Row]:
    reads = alternate(run, "µs", {size(store): _read_cost(run, store) for store in stores})
    appends = alternate(run, "µs", {size(store): _append_cost(run, store) for store in stores})
    small = size(stores[0])
    return [
        Row("P10", f"{work}, at {size(store)}", BUDGET, costs[size(store)], f"Gater at {small}", costs[small])
        for work, costs in (
            ("append of 1 event to a random stream, 64 tasks", appends),
            (f"read of a random stream's last {READ_COUNT} events", reads),
        )
        for store in stores[1:]
    ]


def _read_cost(run: Run, store: Grown) -> Callable[[], float]:
    arguments: dict[str, Any] = {"target": str(store.folder), "streams": store.streams, "seconds": run.seconds}
    return lambda: _microseconds(run_load("bench.large_load:read_random_streams", **arguments))


def _append_cost(run: Run, store: Grown) -> Callable[[], float]:
    arguments = {"streams": store.streams, "appends": APPENDS_WHEN_QUICK if run.quick else APPENDS}

    def cost() -> float:
        target = str(store.for_appends(run))
        return _microseconds(run_load("bench.large_load:append_to_random_streams", target=target, **arguments))

    return cost


def _microseconds(result: dict[str, float]) -> float:
    return 1e6 / rate(result)
