"""Raw SQLite is one loop that commits batches of 64 rows to the kind of table an event store needs.

Streams and event types are numbers; events are found by stream and version, by id and by type.
It has no callers to answer, checks no versions and makes no promises but durability: the ceiling, not a store.
WAL and `synchronous=FULL`, so each commit is fsynced, as Gater's are. Ids are UUIDv7, made in the loop.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import apsw

from bench.payload import PAYLOAD

BATCH: Final = 64
TYPE: Final = 1

SCHEMA: Final = """
create table events (
  position integer primary key,
  stream   integer not null,
  version  integer not null,
  id       blob    not null,
  type     integer not null,
  created  integer not null,
  data     blob    not null
);
create unique index events_by_stream on events (stream, version);
create index        events_by_id     on events (id);
create index        events_by_type   on events (type);
"""
INSERT: Final = "insert into events values (?, ?, ?, ?, ?, ?, ?)"


def uuid7() -> bytes:
    """A UUIDv7 (RFC 9562 §5.7): milliseconds first, so that new ids go to the end of their index."""
    random = int.from_bytes(os.urandom(10))
    value = (time.time_ns() // 1_000_000) << 80 | 0x7000_8000_0000_0000_0000 | random & 0x0FFF_3FFF_FFFF_FFFF_FFFF
    return value.to_bytes(16)


def append(target: str, seconds: float) -> dict[str, float]:
    """Commits batches of one row for each of 64 streams until the time is over; counts rows."""
    connection = apsw.Connection(str(Path(target) / "raw.db"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.execute(SCHEMA)
    position = version = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        created = time.time_ns() // 1000
        rows = [(position + 1 + stream, stream, version, uuid7(), TYPE, created, PAYLOAD) for stream in range(BATCH)]
        with connection:
            connection.executemany(INSERT, rows)
        position += BATCH
        version += 1
    connection.close()
    return {"count": position, "seconds": elapsed}
