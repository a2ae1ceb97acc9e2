"""UmaDB is driven through its own Python client, with its server at its default settings.

One `umadb.Client` is shared by all threads: its calls release the GIL, and a client per thread measured
no faster. Appends carry no condition (as Gater's carry `ANY`), one tag that plays the stream id, and no event
uuid, which is the client's default. UmaDB syncs its file before it acknowledges (two `fdatasync` an append).
The defaults include no page cache; with `--page-cache-max-mb 256` its reads by tag were about twice as fast.
"""

from __future__ import annotations

import time

import umadb

from bench.callers import run_threads
from bench.payload import EVENT_TYPE, PAYLOAD


def new_events(stream: str, count: int) -> list[umadb.Event]:
    """Events as an application makes them: one object each, tagged with their stream."""
    return [umadb.Event(EVENT_TYPE, PAYLOAD, tags=[stream]) for _ in range(count)]


def append(target: str, callers: int, events_per_call: int, seconds: float) -> dict[str, float]:
    """Every caller is a thread of this one process and appends to its own tag."""
    client = umadb.Client(target)
    streams = [f"stream-{caller}" for caller in range(callers)]

    def call(caller: int) -> None:
        client.append(new_events(streams[caller], events_per_call))

    return run_threads(callers, call, seconds=seconds, work_per_call=events_per_call)


def fill(target: str, streams: int, events_per_stream: int) -> dict[str, float]:
    """Writes the store that reads are measured on: streams interleaved, as they are in life."""
    client = umadb.Client(target)
    started = time.perf_counter()
    for _ in range(events_per_stream):
        for first in range(0, streams, 1000):
            names = range(first, min(first + 1000, streams))
            client.append([umadb.Event(EVENT_TYPE, PAYLOAD, tags=[f"read-{name}"]) for name in names])
    return {"count": streams * events_per_stream, "seconds": time.perf_counter() - started}


def read_stream(target: str, callers: int, streams: int, events_per_stream: int, seconds: float) -> dict[str, float]:
    """Reads all events of one tag after the other; counts reads."""
    client = umadb.Client(target)
    queries = [umadb.Query([umadb.QueryItem(tags=[f"read-{stream}"])]) for stream in range(streams)]
    next_stream = list(range(callers))

    def call(caller: int) -> None:
        stream = next_stream[caller]
        next_stream[caller] = (stream + callers) % streams
        events = list(client.read(queries[stream]))
        if len(events) != events_per_stream:
            raise RuntimeError(f"read {len(events)} events of a stream of {events_per_stream}")

    return run_threads(callers, call, seconds=seconds)


def scan(target: str, streams: int, events_per_stream: int) -> dict[str, float]:
    """Iterates once over the whole store, after one short read that warms the connection."""
    client = umadb.Client(target)
    list(client.read(limit=1000))
    started = time.perf_counter()
    count = sum(1 for _ in client.read())
    elapsed = time.perf_counter() - started
    if count != streams * events_per_stream:
        raise RuntimeError(f"scanned {count} events of {streams} streams of {events_per_stream}")
    return {"count": count, "seconds": elapsed}
