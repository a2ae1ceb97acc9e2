"""The `eventsourcing` library saves one event at a time through its SQLite application recorder.

The recorder comes from the library's own factory with nothing set but a file as `SQLITE_DBNAME`: WAL, SQLite's
default `synchronous=FULL`, a pool of 5 + 10 connections, and one writer at a time behind the library's lock.
It is driven at its lowest level (`insert_events` with a ready `StoredEvent`), below aggregates, mappers and
transcoders, which is the fastest way to save one event. The concurrent figure uses 64 threads, the match of
Gater's 64 tasks: the library is blocking, and each save is its own transaction however many threads wait.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

from bench.callers import run_threads
from bench.payload import EVENT_TYPE, PAYLOAD


def append(target: str, callers: int, seconds: float) -> dict[str, float]:
    """Every caller is a thread that saves events of its own aggregate, one by one."""
    environment = Environment(
        "Bench",
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(Path(target) / "eventsourcing.db"),
        },
    )
    factory = InfrastructureFactory.construct(environment)
    recorder = factory.application_recorder()
    aggregates = [uuid4() for _ in range(callers)]
    versions = [0] * callers

    def call(caller: int) -> None:
        versions[caller] += 1
        recorder.insert_events([StoredEvent(aggregates[caller], versions[caller], EVENT_TYPE, PAYLOAD)])

    result = run_threads(callers, call, seconds=seconds)
    factory.close()
    return result
