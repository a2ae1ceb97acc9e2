"""P13: pub/sub in one process, against core NATS; and whether a flood on one instance delays another."""

from __future__ import annotations

from bench.figures import Budget, Figure
from bench.load import run_load
from bench.rounds import Run, alternate, measured
from bench.servers import jetstream_server
from bench.sides import NATS, Turn, compared, rate
from bench.table import Row

LOAD = "bench.pubsub_load"
TOPICS = 100_000
FLOOD = 100_000


def deliveries(run: Run) -> list[Row]:
    """P13: deliveries to listeners of one topic; with few other topics, and with 100,000."""
    budget = Budget.figure("≥", 150_000, "deliveries/s")
    one = _measure(run, listeners=1)
    ten = _measure(run, listeners=10)
    few = Figure("deliveries/s", tuple(_deliver(run, 1, 1)() for _ in range(run.rounds)))
    many = Figure("deliveries/s", tuple(_deliver(run, 1, TOPICS)() for _ in range(run.rounds)))
    return [
        compared("P13", "pub/sub, one topic, one listener", budget, one, NATS),
        compared("P13", "pub/sub, one topic, ten listeners", budget, ten, NATS),
        Row("P13", f"the same beside {TOPICS:,} topics, against one", Budget.ratio("≥", 0.8), many, "one topic", few),
    ]


def isolation(run: Run) -> list[Row]:
    """ISO: how late alerts arrive while metrics are flooded and a listener to them is stuck."""
    found = measured(run, "flood", lambda: run_load(f"{LOAD}:isolation", rate=FLOOD, seconds=run.seconds))
    p99 = Figure("ms", tuple(turn["p99"] for turn in found))
    flooded = min(turn["flooded"] for turn in found)
    work = f"alerts, p99, beside {flooded:,.0f} metrics/s and a stuck listener"
    return [Row("ISO", work, Budget.figure("≤", 5, "ms"), p99)]


def _measure(run: Run, *, listeners: int) -> dict[str, Figure]:
    turns: dict[str, Turn] = {"Gater": _deliver(run, listeners, 1)}
    if not NATS.is_installed:
        return alternate(run, "deliveries/s", turns)
    with jetstream_server(run.new_folder("nats") / "data") as server:
        arguments = {"target": server.url, "listeners": listeners, "seconds": run.seconds}
        turns[NATS.name] = lambda: NATS.turn("deliver", **arguments)()
        return alternate(run, "deliveries/s", turns)


def _deliver(run: Run, listeners: int, topics: int) -> Turn:
    arguments = {"listeners": listeners, "topics": topics, "seconds": run.seconds}
    return lambda: rate(run_load(f"{LOAD}:deliver", **arguments))
