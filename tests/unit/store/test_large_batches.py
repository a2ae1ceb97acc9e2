"""Large batches on a file: the event loop neither weighs their events nor frees them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gater.model.events import EventRow, WeighedRows, payload_bytes, payload_bytes_of
from gater.model.limits import Limits
from gater.model.selectors import parse_selector
from gater.store import rows, watches
from gater.store.batches import BATCH_BYTES
from gater.store.connection import open_memory
from gater.store.rows import FlatRows
from gater.store.store import Store, new_config, open_file_store
from tests.unit.store.interests import in_events
from tests.unit.store.stores import append, new_machine

LARGE = BATCH_BYTES + 1
EVENTS = 2_000


@pytest.fixture
def store(tmp_path: Path) -> AsyncGenerator[Store, None]:
    return opened(tmp_path)


async def opened(tmp_path: Path) -> AsyncGenerator[Store, None]:
    store = await open_file_store(tmp_path, "s", Limits(), new_config("s", tmp_path, memory=False))
    yield store
    await store.close()


async def test_the_events_of_a_large_batch_come_with_their_weight(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sequence[EventRow]] = []
    weighed: list[int] = []

    def weigh(events: Sequence[EventRow]) -> int:
        weighed.append(payload_bytes_of(events))
        return weighed[-1]

    monkeypatch.setattr(watches, "payload_bytes_of", weigh)
    monkeypatch.setattr(watches, "perf_counter", iter(range(10_000)).__next__)  # each turn is over at once
    place = store.tail.watches.watch(in_events(parse_selector("by_event_type", "T")))
    store.tail.observers.append(seen.append)
    store.tail.observers.append(lambda events: weighed.append(sum(map(payload_bytes, events))))
    assert await store.run(append("s", range(EVENTS)), LARGE)
    whole, given, expected = weighed
    assert isinstance(seen[0], WeighedRows)
    assert whole == expected
    assert given < whole / 10
    assert len(place.take()) < EVENTS


async def test_a_large_batch_is_freed_on_the_writers_thread(store: Store) -> None:
    seen: list[Any] = []
    store.tail.observers.append(seen.append)
    await store.run(append("s", range(EVENTS)), LARGE)
    log: Any = store._log
    plan = log._writer._machine._plan
    await store.run(append("s", [EVENTS]), LARGE)  # after it the thread has done what it was given before
    large, _ = seen
    assert large == []
    assert plan.events == []
    assert not plan.places._places
    assert store.tail.position == EVENTS + 1


async def test_events_of_a_large_batch_that_wait_outlive_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "TURN_SECONDS", 0.0)
    place = store.tail.watches.watch(in_events(parse_selector("by_event_type", "T")))
    await store.run(append("s", range(500)), LARGE)
    await store.run(append("s", [500]), LARGE)
    found = place.take()
    while len(found) < 501:
        await place.wait()
        found += place.take()
    assert [event[2] for event in found] == list(range(1, 502))


def test_rows_are_inserted_and_let_go_of_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_FLAT", 6)
    connection, flat, portions = open_memory(), FlatRows(2), set()
    connection.execute("CREATE TABLE numbers (a, b)")
    for number in range(100):
        flat.portion()
        flat.last += (number, -number)
        portions.add(id(flat.last))
        assert len(flat.last) <= 6
    flat.insert(connection, "INSERT INTO numbers VALUES ")
    assert connection.execute("SELECT * FROM numbers ORDER BY a").fetchall() == [(n, -n) for n in range(100)]
    assert not flat._full


def test_a_large_batch_is_written_whole_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_FLAT", 9)
    machine = new_machine()
    machine.apply([append("s", range(2_000))])
    assert machine.connection.execute("SELECT count(*), max(position) FROM events").fetchall() == [(2_000, 2_000)]
