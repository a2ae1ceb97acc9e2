"""`gater bench`: load a server with appends, and tell how many it takes and how long each waits."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gater.cli import output
from gater.cli.command import Call
from gater.cli.latency import LatencyHistogram
from gater.cli.progress import progress

if TYPE_CHECKING:
    from gater.api.gater_api import GaterApi
    from gater.model.events import NewEvent

EVENT_TYPE: Final = "bench_event:v1"
PROGRESS_STEP: Final = 0.1
"""Seconds."""

_FRAME: Final = b'{"filler":"%b"}'

Seconds = Annotated[float, typer.Option("--seconds", metavar="N", min=0.1, max=3600.0, help="How long to append.")]
InFlight = Annotated[int, typer.Option("--in-flight", metavar="N", min=1, max=1000, help="Calls under way at once.")]
Batch = Annotated[int, typer.Option("--batch", metavar="N", min=1, max=10_000, help="Events in each call.")]
EventBytes = Annotated[
    int, typer.Option("--event-bytes", metavar="N", min=len(_FRAME % b""), max=1 << 20, help="Payload of each event.")
]
BenchStore = Annotated[
    str | None,
    typer.Option("--store", metavar="NAME", help="Append to this store.", show_default="a new one, removed at the end"),
]


@dataclass
class Load:
    """The settings and the results of a benchmark run."""

    store: str
    payload: bytes
    batch: int
    stop_at: float
    latencies: LatencyHistogram

    def events(self) -> list[NewEvent]:
        """The events of one call."""
        from gater.model.events import JSON, NewEvent

        return [NewEvent(EVENT_TYPE, self.payload, content_type=JSON) for _ in range(self.batch)]


async def bench(
    call: Call,
    seconds: Seconds = 5.0,
    in_flight: InFlight = 64,
    batch: Batch = 1,
    event_bytes: EventBytes = 200,
    store: BenchStore = None,
) -> None:
    """Load the server with appends; print events per second and how long a call takes.

    Each of the callers appends to a stream of its own and waits for the answer before it calls again.
    """
    payload = _FRAME % (b"x" * (event_bytes - len(_FRAME % b"")))
    async with call.api() as api, _store(api, store) as name:
        durability = (await api.get_store_status(name)).durability
        started = time.perf_counter()
        load = Load(name, payload, batch, started + seconds, LatencyHistogram())
        async with asyncio.TaskGroup() as group:
            for caller in range(in_flight):
                group.create_task(_append_until(api, load, f"bench-{caller}"))
            group.create_task(_show_progress(seconds))
        elapsed = time.perf_counter() - started
    result = {
        "target": str(call.target),
        "durability": durability,
        "seconds": round(elapsed, 3),
        "in_flight": in_flight,
        "batch": batch,
        "event_bytes": event_bytes,
        **_figures(load.latencies, batch, elapsed),
    }
    if call.json:
        output.print_document(result)
    else:
        output.print_facts(_facts(result))


async def _append_until(api: GaterApi, load: Load, stream_id: str) -> None:
    while (before := time.perf_counter()) < load.stop_at:
        await api.append_events(load.store, stream_id, load.events())
        load.latencies.record(time.perf_counter() - before)


async def _show_progress(seconds: float) -> None:
    with progress("Appending", int(seconds / PROGRESS_STEP), unit="tenths of a second") as advance:
        for _ in range(int(seconds / PROGRESS_STEP)):
            await asyncio.sleep(PROGRESS_STEP)
            advance(1)


@asynccontextmanager
async def _store(api: GaterApi, name: str | None) -> AsyncIterator[str]:
    """The store that was named, or a new one that is removed at the end."""
    if name is not None:
        yield name
        return
    made = f"bench-{secrets.token_hex(4)}"
    await api.create_store(made, description="made by gater bench")
    try:
        yield made
    finally:
        await api.remove_store(made)


def _figures(latencies: LatencyHistogram, batch: int, elapsed: float) -> dict[str, Any]:
    percentiles = {"p50": 50, "p99": 99, "p99_9": 99.9}
    return {
        "calls": len(latencies),
        "events": len(latencies) * batch,
        "events_per_second": round(len(latencies) * batch / elapsed, 1),
        **{f"{name}_ms": round(latencies.percentile(percent) * 1000, 3) for name, percent in percentiles.items()},
    }


def _facts(result: dict[str, Any]) -> list[tuple[str, object]]:
    load = f"{result['in_flight']} callers, {result['batch']} × {result['event_bytes']} B a call, {result['seconds']} s"
    return [
        ("target", f"{result['target']} ({result['durability']})"),
        ("load", load),
        ("appended", f"{result['events']:,} events in {result['calls']:,} calls"),
        ("throughput", f"{result['events_per_second']:,.0f} events/s"),
        ("p50", f"{result['p50_ms']} ms"),
        ("p99", f"{result['p99_ms']} ms"),
        ("p99.9", f"{result['p99_9_ms']} ms"),
    ]
