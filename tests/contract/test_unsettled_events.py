"""An event that is not settled for long: other streams do not wait for it, its own stream keeps its order."""

from __future__ import annotations

from typing import Any

from gater import GaterApi
from tests.contract.consumers import Worker, info_of, save
from tests.contract.samples import numbered, until
from tests.contract.ways import Way

STREAMS = 10
EVENTS = 50
"""Events of each stream that are appended at once."""
ROUNDS = {"http": 1}
"""Over HTTP each settlement is a request of its own; elsewhere all together are more than the window of so small a
group holds."""


async def append_all(api: GaterApi, store: str, rounds: int) -> int:
    """Append events of ten streams, in turn; returns how many."""
    for _ in range(rounds):
        for stream in range(STREAMS):
            await api.append_events(store, f"s{stream}", numbered(EVENTS))
    return rounds * STREAMS * EVENTS


async def test_other_streams_do_not_wait_for_an_event_that_is_retried_much_later(
    api: GaterApi, store: str, way: Way
) -> None:
    await api.append_events(store, "late", numbered(3))
    await save(api, store, max_in_flight=100)

    async def work(delivery: Any) -> None:
        if delivery.event.position == 1:
            await delivery.nack("retry", delay=86_400.0)
        else:
            await delivery.ack()

    async with Worker(api, store, work) as worker:
        total = await append_all(api, store, ROUNDS.get(way.name, 3))
        await until(lambda: len(worker.given) == total + 1)
        info = await info_of(api, store)
        assert (info.checkpoint, info.retrying) == (0, 1)
    assert sorted(worker.seen) == [1, *range(4, total + 4)]


async def test_other_streams_do_not_wait_for_a_consumer_that_sits_on_an_event(
    api: GaterApi, store: str, way: Way
) -> None:
    await api.append_events(store, "late", numbered(3))
    await save(api, store, max_in_flight=100)

    held: list[Any] = []

    async def work(delivery: Any) -> None:
        if delivery.event.position == 1:
            held.append(delivery)
        else:
            await delivery.ack()

    async with Worker(api, store, work) as worker:
        total = await append_all(api, store, ROUNDS.get(way.name, 3))
        await until(lambda: len(worker.given) == total + 1)
        await held[0].ack()
        await until(lambda: len(worker.given) == total + 3)
    assert worker.seen[-2:] == [2, 3]
    assert sorted(worker.seen) == list(range(1, total + 4))


async def test_the_events_of_a_stream_that_was_held_up_come_in_order(api: GaterApi, store: str, way: Way) -> None:
    await save(api, store, max_in_flight=100)
    held: list[Any] = []

    async def work(delivery: Any) -> None:
        if delivery.event.stream_id == "s0" and not held:
            held.append(delivery)
        else:
            await delivery.ack()

    async with Worker(api, store, work) as worker:
        total = await append_all(api, store, ROUNDS.get(way.name, 3))
        others = total // STREAMS * (STREAMS - 1)
        await until(lambda: len(worker.given) == others + 1)
        await held[0].ack()
        await until(lambda: len(worker.given) == total)
        await until(lambda: len(set(worker.seen)) == total)
    versions = [delivery.event.version for delivery in worker.given if delivery.event.stream_id == "s0"]
    assert versions == list(range(ROUNDS.get(way.name, 3) * EVENTS))
