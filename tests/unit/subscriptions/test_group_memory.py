"""What the consumer groups of a node hold in memory together, and that nothing is lost or goes out of order for it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import pytest

from gater.model.events import payload_bytes
from gater.model.memory_budget import Share
from gater.model.selectors import by_stream
from gater.store.store import Store
from gater.subscriptions.channels import NOWHERE
from gater.subscriptions.durable import Delivery, DurableSubscription
from gater.subscriptions.durables import Durables
from gater.subscriptions.group_budget import GroupBudget
from tests.unit.store.stores import event_of, memory_store, write
from tests.unit.subscriptions.durable_store import attached, made, positions, settle, taken, turns, until

LARGE: Final = 100_000
EVENTS: Final = 20
LIMIT: Final = 4 << 20
LET_GO: Final = 300
"""Bytes that count for an event whose payload is not in memory."""


@asynccontextmanager
async def large_events(streams: int) -> AsyncGenerator[tuple[Store, Durables, Share], None]:
    """A store of large events in some streams by turns, and a share of the memory for its groups."""
    share = Share("groups", LIMIT)
    async with memory_store() as store:
        durables = Durables(store, NOWHERE, GroupBudget(share))
        for number in range(EVENTS):
            await write(store, f"s-{number % streams}", event_of(data=b'"%b"' % (b"x" * LARGE)))
        try:
            yield store, durables, share
        finally:
            await durables.close()
            assert share.used == 0


def held(durables: Durables) -> int:
    """The bytes that all groups hold, counted one by one."""
    running = durables._running.values()
    return sum(payload_bytes(entry.row) for each in running for entry in each._group._course.window.kept())


async def groups(durables: Durables, count: int, **settings: object) -> list[DurableSubscription]:
    """So many subscriptions to everything."""
    return [await made(durables, by_stream(), f"g-{number}", **settings) for number in range(count)]


async def consumed(durable: DurableSubscription, count: int) -> list[Delivery]:
    """So many deliveries to a consumer that acknowledges each page."""
    found: list[Delivery] = []
    async with asyncio.timeout(20), aclosing(durable.consume(1_000)) as pages:
        async for page in pages:
            settle(durable, *page)
            found += page
            if len(found) >= count:
                break
    return found


def in_order(deliveries: list[Delivery]) -> bool:
    """Whether each stream came in its order."""
    versions: dict[str, list[int]] = defaultdict(list)
    for event, _, _ in deliveries:
        versions[event[0]].append(event[1])
    return all(found == sorted(found) for found in versions.values())


@pytest.mark.parametrize("ordering", ["key", "none"])
async def test_groups_without_consumers_hold_no_more_than_their_share(ordering: str) -> None:
    async with large_events(streams=4) as (_, durables, share):
        for durable in await groups(durables, 300, ordering=ordering):
            consumer = attached(durable)
            first = await taken(durable, consumer, 2)
            settle(durable, first[0])
            durable.detach(consumer)
        await turns()
        assert held(durables) == share.used <= LIMIT
        assert share.refused > 0
        durable = durables.get("g-0")
        found = await consumed(durable, EVENTS - 1)
        assert sorted(positions(found)) == list(range(2, EVENTS + 1))
        assert {event[2]: attempt for event, attempt, _ in found}[2] == 2
        assert ordering == "none" or in_order(found)


@pytest.mark.parametrize("ordering", ["key", "none"])
async def test_groups_whose_consumers_do_not_acknowledge_hold_no_more_than_their_share(ordering: str) -> None:
    async with large_events(streams=4) as (_, durables, share):
        running = await groups(durables, 100, ordering=ordering, max_in_flight=10)
        consuming = [durable.consume(1_000) for durable in running]
        first = [await anext(pages) for pages in consuming]
        await turns()
        assert held(durables) == share.used <= LIMIT
        assert share.used > len(running)
        for durable, pages, found in list(zip(running, consuming, first, strict=True))[:5]:
            settle(durable, *found)
            while len(found) < EVENTS:
                found += (page := await anext(pages))
                settle(durable, *page)
            assert sorted(positions(found)) == list(range(1, EVENTS + 1))
            assert ordering == "none" or in_order(found)
            assert durable.info().redelivered == 0
        for pages in consuming:
            await pages.aclose()


async def test_retries_wait_as_long_as_they_were_told_when_payloads_are_let_go_of() -> None:
    async with large_events(streams=1) as (_, durables, share):
        durable = await made(durables, by_stream(), "late", max_in_flight=10)
        consumer = attached(durable)
        [(event, _, receipt)] = await taken(durable, consumer, 1)
        durable.nack(event[2], receipt, "retry", 60.0, "later")
        durable.after_settling()
        due = durable._group.next_due
        durable.detach(consumer)
        for other in await groups(durables, 10):
            attached(other)
        await until(lambda: share.refused)
        await turns()
        assert all(entry.is_let_go for entry in durable._group._course.window.kept())
        assert (durable._group.next_due, durable.info().retrying) == (due, 1)
        consumer = attached(durable)
        await turns()
        assert durable.take(consumer, 10) == []
        durable.detach(consumer)
        durable._group.tick(due or 0.0)
        again = await consumed(durable, 1)
        assert [(event[2], attempt) for event, attempt, _ in again] == [(1, 2)]


async def test_a_group_alone_keeps_what_it_has_read_when_its_consumer_leaves() -> None:
    async with large_events(streams=4) as (_, durables, share):
        [durable] = await groups(durables, 1, ordering="none")
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 1))
        durable.detach(consumer)
        await turns()
        assert share.used == held(durables) > (EVENTS - 1) * LARGE
        found: list[Delivery] = []
        consumer = attached(durable)
        while page := durable.take(consumer, EVENTS):
            found += page
        assert sorted(positions(found)) == list(range(2, EVENTS + 1))


async def test_a_group_of_one_stream_goes_on_where_it_was_when_it_let_go() -> None:
    async with large_events(streams=2) as (_, durables, share):
        durable = await made(durables, by_stream("s-1"), "one")
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 1))
        await turns()
        durable.detach(consumer)
        share.limit = 1
        await turns()
        assert share.used < 2 * LET_GO
        found = await consumed(durable, EVENTS // 2 - 1)
        assert positions(found) == list(range(4, EVENTS + 1, 2))


async def test_replayed_events_are_let_go_of_and_delivered() -> None:
    async with large_events(streams=2) as (store, durables, share):
        durable = await made(durables, by_stream(), "parking", ordering="none")
        consumer = attached(durable)
        found = await taken(durable, consumer, EVENTS)
        for event, _, receipt in found:
            durable.nack(event[2], receipt, "park", None, "bad")
        durable.after_settling()
        await until(lambda: store.subscriptions.count_parked("parking") == EVENTS)
        durable.detach(consumer)
        share.limit = 1
        await durables.replay("parking", None)
        await turns()
        assert share.used <= EVENTS * LET_GO
        assert sorted(positions(await consumed(durable, EVENTS))) == list(range(1, EVENTS + 1))
