"""P10, filtered: what a matching event costs a subscription that reads a store from the beginning, as it grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.figures import Budget
from bench.large import Grown, by_events
from bench.load import rate, run_load
from bench.payload import RARE_DATA
from bench.rare import OF_EACH_TYPE, PAYLOAD_DISTANCE, rare_type
from bench.rounds import Run, alternate
from bench.table import Row

BUDGET = Budget.ratio("≤", 1.2)


def catching_up(run: Run) -> list[Row]:
    """P10F: a filtered subscription from the beginning until it has caught up, for each matching event.

    A type is found through the index of blocks: as many events of a rare type cost the same in a store of any size.
    A payload is looked for in every event: the cost of a match stays the same while matches are as frequent.
    """
    stores = by_events(run)
    works: dict[str, Callable[[Grown], list[Any]]] = {
        f"filtered subscribe, {OF_EACH_TYPE} events of a rare type": lambda store: [
            "by_event_type",
            rare_type(store.events),
        ],
        f"filtered subscribe, payload of 1 event in {PAYLOAD_DISTANCE:,}": lambda _: ["by_event_payload", RARE_DATA],
    }
    return [row for work, selector in works.items() for row in _compared(run, stores, work, selector)]


def _compared(run: Run, stores: list[Grown], work: str, selector: Callable[[Grown], list[Any]]) -> list[Row]:
    costs = alternate(run, "µs a match", {_size(store): _cost(run, store, selector(store)) for store in stores})
    small = _size(stores[0])
    return [
        Row("P10", f"{work}, {_size(store)}", BUDGET, costs[_size(store)], f"Gater at {small}", costs[small])
        for store in stores[1:]
    ]


def _cost(run: Run, store: Grown, selector: list[Any]) -> Callable[[], float]:
    arguments: dict[str, Any] = {"target": str(store.folder), "selector": selector, "seconds": run.seconds}
    return lambda: 1e6 / rate(run_load("bench.follow_load:catch_up", **arguments))


def _size(store: Grown) -> str:
    return f"{store.events:,} events"
