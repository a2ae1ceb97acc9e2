"""P8 and what surrounds it: live delivery, late joiners of a full store, and what very many subscribers cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bench.figures import Budget, Figure
from bench.large import Grown, by_events
from bench.load import run_load
from bench.payload import RARE_DATA
from bench.rare import rare_type
from bench.rounds import Run, measured
from bench.servers import gater_server
from bench.table import Row

RATE: Final = 2_000
LIVE_SECONDS: Final = 2.0
"""A turn is at least so long: a 99.9th percentile needs some thousand events."""
MANY: Final = 1_000
RATE_FOR_MANY: Final = 1_000
KINDS: Final = ("by_stream", "by_event_type", "by_event_payload")
SOON: Final = Budget.figure("≤", 5, "ms")


def live_delivery(run: Run) -> list[Row]:
    """P8: from an acknowledged append to the event at a live subscriber, at 2,000 appends a second."""
    with gater_server(run.new_folder("gater") / "data") as server:
        arguments: dict[str, Any] = {"target": server.url, "rate": RATE, "seconds": max(run.seconds, LIVE_SECONDS)}
        found = measured(run, "live", lambda: run_load("bench.follow_load:live_delivery", **arguments))
    work = f"append acknowledged → live subscriber has it, at {RATE:,}/s"
    budgets = {"p50": None, "p99": SOON, "p99.9": None}
    return [Row("P8", f"{work}, {name}", budget, _figure("ms", name, found)) for name, budget in budgets.items()]


def late_joiner(run: Run) -> list[Row]:
    """LATE: a subscription to a full store while 2,000 events a second are appended."""
    store = by_events(run)[-1]
    rows: list[Row] = []
    selectors: dict[str, list[Any]] = {
        "a rare type": ["by_event_type", rare_type(store.events)],
        "a payload": ["by_event_payload", RARE_DATA],
    }
    for name, selector in selectors.items():
        found = measured(run, name, _late(run, store, selector))
        work = f"late joiner, by {name}, {store.events:,} old events, {RATE:,}/s new"
        rows += [
            Row("LATE", f"{work}: until caught up", None, _figure("s", "seconds", found)),
            Row("LATE", f"{work}: then p99 of delivery", SOON, _figure("ms", "p99", found)),
        ]
    return rows


def _late(run: Run, store: Grown, selector: list[Any]) -> Callable[[], dict[str, float]]:
    """Each turn joins late in a copy of its own: the new events of one are not the old ones of the next."""
    arguments: dict[str, Any] = {"selector": selector, "event_type": rare_type(store.events), "rate": RATE}

    def turn() -> dict[str, float]:
        with gater_server(store.for_appends(run)) as server:
            seconds = max(run.seconds, LIVE_SECONDS)
            return run_load("bench.follow_load:late_joiner", target=server.url, **arguments, seconds=seconds)

    return turn


def many_subscribers(run: Run) -> list[Row]:
    """MANY: what an append costs with a thousand subscribers, each to something else, against none and one."""
    none, one = _with_subscribers(run, KINDS[0], 0), _with_subscribers(run, KINDS[0], 1)
    rows = []
    for kind in KINDS:
        many = _with_subscribers(run, kind, MANY)
        work = f"append at {RATE_FOR_MANY:,}/s, {MANY:,} subscribers {kind}"
        for number, few in ((0, none), (1, one)):
            peer = f"Gater with {number} subscribers" if number != 1 else "Gater with 1, to all"
            for what, unit, name in (("p99", "ms", "p99"), ("server CPU an append", "µs", "cpu")):
                figures = _figure(unit, name, many), _figure(unit, name, few)
                rows.append(Row("MANY", f"{work}: {what}", None, figures[0], peer, figures[1]))
    return rows


def _with_subscribers(run: Run, kind: str, subscribers: int) -> list[Mapping[str, float]]:
    with gater_server(run.new_folder("gater") / "data") as server:
        arguments: dict[str, Any] = {
            "target": server.url,
            "pid": server.pid,
            "kind": kind,
            "subscribers": subscribers,
            "rate": RATE_FOR_MANY,
            "seconds": max(run.seconds, LIVE_SECONDS),
        }
        return measured(run, f"{subscribers} {kind}", lambda: run_load("bench.many_load:appends", **arguments))


def _figure(unit: str, name: str, found: list[Mapping[str, float]]) -> Figure:
    return Figure(unit, tuple([result[name] for result in found]))
