"""Whatever bounds bytes weighs the whole event: its data, its metadata, its names, and the event itself."""

from __future__ import annotations

from typing import Any, Final

import pytest

import gater
from gater.api.subscription_operations import GetSubscriptions
from gater.gateway.admission import admit_append
from gater.model.commands import StreamWrite
from gater.model.events import JSON, EventRow, RawEvent, payload_bytes, payload_bytes_of
from gater.model.limits import Limits
from gater.model.selectors import by_event_payload, by_stream
from gater.store import queries
from gater.store.reader import _Filling
from gater.store.tail import Tail
from gater.store.watches import Watches
from gater.subscriptions import group_window
from tests.unit.store.interests import in_events
from tests.unit.store.stores import event_of, memory_store, write
from tests.unit.subscriptions.durable_store import (
    NAME,
    at_work,
    attached,
    made,
    park,
    parked,
    positions,
    settle,
    taken,
    turns,
    until,
)
from tests.unit.subscriptions.groups import group_of

HEAVY: Final = 60
ROOM: Final = 10 * 300
WEIGHTS: Final = ["data", "metadata", "type", "stream", "content_type", "number"]


def row(position: int, weight: str) -> EventRow:
    """An event whose weight is in one of its parts."""
    text = "x" * HEAVY
    return (
        text if weight == "stream" else "s",
        position - 1,
        position,
        bytes(16),
        text if weight == "type" else "T",
        text if weight == "content_type" else JSON,
        b'"%b"' % (b"0" * HEAVY) if weight == "data" else b"{}",
        b'{"a":"%b"}' % (b"0" * HEAVY) if weight == "metadata" else None,
        0,
    )


def raw(event: EventRow) -> RawEvent:
    return RawEvent(event[2].to_bytes(16, "big"), event[4], event[5], event[6], event[7])


def rows(weight: str, count: int = 50) -> list[EventRow]:
    return [row(position, weight) for position in range(1, count + 1)]


def fits(events: list[Any]) -> bool:
    """Whether a page ends with the event that fills it."""
    return payload_bytes_of(events[:-1]) < ROOM <= payload_bytes_of(events)


@pytest.mark.parametrize("weight", WEIGHTS)
async def test_pages_of_the_file_are_bounded(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.reader.PAGE_BYTES", ROOM)
    async with memory_store() as store:
        events = list(map(raw, rows(weight)))
        stream = row(1, weight)[0]
        await write(store, stream, *events)
        for page in (
            store.reader.read_all(0, 1_000, 50),
            store.reader.read_all_backward(51, 1_000),
            store.reader.read_stream(stream, 0, 1_000, False),
            store.reader.read_stream(stream, 49, 1_000, True),
            store.reader.read_types({events[0].event_type}, 0, 1_000, 50),
        ):
            assert fits(page.events)
            assert page.next is not None


@pytest.mark.parametrize("weight", WEIGHTS)
def test_pages_of_the_tail_are_bounded(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.tail.PAGE_BYTES", ROOM)
    tail = Tail(0)
    tail.extend(rows(weight))
    assert fits(tail.after(0, 1_000) or [])


@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_tail_is_bounded(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.tail.MOST_BYTES", ROOM)
    tail = Tail(0)
    for event in rows(weight):
        tail.extend([event])
    kept = tail.after(50 - ROOM // payload_bytes(row(1, weight)), 1_000)
    assert kept is not None
    assert tail.after(50 - len(kept) - 1, 1_000) is None


@pytest.mark.parametrize("weight", WEIGHTS)
def test_what_waits_for_a_follower_is_bounded(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.watches.MOST_WAITING_BYTES", ROOM)
    watches = Watches()
    watch = watches.watch(in_events(by_stream(row(1, weight)[0])))
    most = ROOM // payload_bytes(row(1, weight))
    watches.feed(rows(weight, most))
    assert not watch.behind
    watches.feed([row(most + 1, weight)])
    assert watch.behind


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_group_and_its_deliveries_are_bounded(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "WINDOW_BYTES", ROOM)
    group = group_of(ordering="none", max_in_flight=1_000)
    most = -(-ROOM // payload_bytes(row(1, weight)))
    group.feed(rows(weight, most - 1), most - 1)
    assert group.room
    group.feed([row(most, weight), row(most + 1, weight)], most + 1)
    assert not group.room
    assert fits([event for event, _, _ in group.take("x", 0.0, 1_000, ROOM)])


@pytest.mark.parametrize("weight", WEIGHTS)
def test_what_waits_for_the_writer_weighs_the_whole_event(weight: str) -> None:
    events = rows(weight, 1)
    admitted = admit_append((StreamWrite(events[0][0], tuple(map(raw, events))),), (), Limits())
    assert admitted == payload_bytes_of(events)


async def test_parked_events_come_in_pages_that_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.reader.PAGE_BYTES", ROOM)
    async with at_work() as (store, durables):
        sizes = [10, 10, 10, 5_000, 5_000, 10, 10]
        await write(store, "a", *[event_of(data=b'"%b"' % (b"x" * size)) for size in sizes])
        durable = await made(durables, ordering="none")
        park(durable, *await taken(durable, attached(durable), 7))
        await until(lambda: len(parked(store)) == 7)
        pages, after = [], 0
        while page := durables.parked(NAME, after, 100):
            pages.append([each.position for each in page])
            after = page[-1].position
        assert pages == [[1, 2, 3, 4], [5], [6, 7]]


async def test_what_a_page_does_not_hold_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.reader.PAGE_BYTES", ROOM)
    fetched: list[Any] = []

    def fetching(rows: Any) -> Any:
        for row in rows:
            fetched.append(row)
            yield row

    async with memory_store() as store:
        await write(store, "a", event_of(), *[event_of(data=b'"%b"' % (b"x" * 4_000)) for _ in range(20)])
        connection = store.reader._connection
        filling = _Filling(1_000)
        filling.take(fetching(connection.execute(queries.ALL_FORWARD, (0, 100, 1_000))))
    assert filling.full
    assert len(filling.events) == len(fetched) == 2


async def test_replayed_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.reader.PAGE_BYTES", ROOM)
    monkeypatch.setattr(group_window, "WINDOW_BYTES", 3 * ROOM)
    async with at_work() as (store, durables):
        await write(store, "a", *[event_of(metadata=b'{"a":"%b"}' % (b"x" * 1_000)) for _ in range(40)])
        durable = await made(durables, ordering="none")
        first = attached(durable)
        park(durable, *await taken(durable, first, 40))
        await until(lambda: len(parked(store)) == 40)
        durable.detach(first)
        assert await durables.replay(NAME, None) == 40
        await turns()
        window = durable._group._course.window
        assert 3 * ROOM <= window.bytes < 4 * ROOM
        consumer, seen = attached(durable), list[int]()
        while len(seen) < 40:
            deliveries = await taken(durable, consumer, 1)
            assert window.bytes < 5 * ROOM
            seen += positions(deliveries)
            settle(durable, *deliveries)
        assert seen == list(range(1, 41))
        await until(lambda: not parked(store))


async def test_what_is_read_again_for_a_group_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.reader.PAGE_BYTES", ROOM)
    async with memory_store() as store:
        await write(store, "a", *[event_of(metadata=b'{"a":"%b"}' % (b"x" * 1_000)) for _ in range(40)])
        read, asked = list[int](), list(range(1, 50))
        while asked:
            events, looked_at = store.reader.at_positions(asked)
            assert fits(events) or asked[looked_at - 1] == 49
            read += [event[2] for event in events]
            asked = asked[looked_at:]
        assert read == list(range(1, 41))


async def test_what_a_subscription_writes_is_weighed_while_it_waits() -> None:
    async with at_work() as (store, durables):
        sizes: dict[str, int] = {}
        submit = store.submit

        def noted(command: Any, size: int, done: Any) -> None:
            sizes[type(command).__name__] = size
            submit(command, size, done)

        store.submit = noted  # type: ignore[method-assign]
        await write(store, "a", event_of())
        durable = await made(durables, by_event_payload({"text": "x" * 5_000}), name="heavy")
        assert sizes["SaveSubscription"] > 5_000
        durable = await made(durables, ordering="none")
        ((event, _, receipt),) = await taken(durable, attached(durable), 1)
        durable.nack(event[2], receipt, "park", None, "r" * 1_000)
        durable.after_settling()
        await until(lambda: parked(store))
        assert sizes["ParkEvents"] > 1_000


async def test_subscriptions_come_in_pages_that_are_bounded() -> None:
    async with gater.open(":memory:", stores=["s"]) as api:
        names = [f"sub-{number:02}" for number in range(40)]
        for name in names:
            await api.save_subscription("s", "by_event_payload", {"text": "x" * 60_000}, name)
        page = await api._caller.call(GetSubscriptions("s", "", 500))
        assert 1 <= len(page) < 20
        assert [found.name for found in await api.get_subscriptions("s")] == names
