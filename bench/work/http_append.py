"""P11: durable appends over HTTP/JSON."""

from __future__ import annotations

from bench.figures import Budget
from bench.load import rate, run_load
from bench.rounds import Run, alternate
from bench.servers import gater_server
from bench.sides import GATER
from bench.table import Row

CALLERS = 64


def many_callers(run: Run) -> list[Row]:
    """P11: one event a request, 64 kept-alive connections with one request in flight on each."""
    with gater_server(run.new_folder("gater") / "data") as server:
        figures = alternate(
            run,
            "requests/s",
            {
                GATER.name: lambda: rate(
                    run_load("bench.http_load:append", target=server.url, callers=CALLERS, seconds=run.seconds)
                )
            },
        )
    budget = Budget.figure("≥", 6_000, "requests/s")
    return [Row("P11", "HTTP append, 1 event of 200 B, 64 in flight", budget, figures[GATER.name])]
