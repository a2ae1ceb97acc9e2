"""P12: the time until a server with a large store is ready, and its memory while it is idle."""

from __future__ import annotations

import time

from bench.figures import Budget, Figure
from bench.large import by_events
from bench.rounds import Run
from bench.servers import gater_server
from bench.table import Row

IDLE_SECONDS = 2.0


def start_and_idle(run: Run) -> list[Row]:
    """P12: from the start of the process to 200 on `/health/ready`; then its resident memory after two seconds."""
    store = by_events(run)[-1]
    seconds, megabytes = [], []
    for number in range(run.rounds):
        run.say(f"round {number + 1} of {run.rounds}: start")
        with gater_server(store.folder) as server:
            seconds.append(server.seconds_to_ready)
            time.sleep(IDLE_SECONDS)
            megabytes.append(server.resident_megabytes())
    size = f"with a store of {store.events:,} events"
    return [
        Row("P12", f"server start {size}", Budget.figure("<", 1, "s"), Figure("s", tuple(seconds))),
        Row("P12", f"idle memory {size}", Budget.figure("<", 90, "MB"), Figure("MB", tuple(megabytes))),
    ]
