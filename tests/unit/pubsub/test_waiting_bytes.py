"""Messages that wait are bounded in bytes, for all subscribers together."""

from __future__ import annotations

import pytest

import gater
from gater.api.pubsub_operations import Listen
from gater.model.errors import OverloadedError
from gater.model.limits import PAGE_BYTES
from gater.model.memory_budget import Share
from gater.pubsub.bus import Bus
from gater.pubsub.instances import Instance
from gater.pubsub.weighing import weight_of

BODY = {"text": "x" * 10_000}


async def test_the_oldest_of_large_messages_are_dropped_where_the_policy_says_so() -> None:
    share = Share("messages", 100_000)
    bus = Bus(Instance.EVENTS, share=share)
    subscription = bus.subscribe("a")
    for _ in range(100):
        bus.broadcast("a", BODY)
    stats = bus.stats()
    assert 5 <= stats.depth <= 11
    assert stats.dropped == 100 - stats.depth
    assert share.used <= share.limit
    subscription.close()
    assert share.used == 0


@pytest.mark.parametrize("instance", [Instance.SECURITY, Instance.AUDIT, Instance.ALERTS])
async def test_a_subscriber_that_must_not_miss_any_is_disconnected_and_that_is_told(instance: Instance) -> None:
    told: list[object] = []
    bus = Bus(instance, [told.append], Share("messages", 100_000))
    subscription = bus.subscribe("a")
    for _ in range(100):
        bus.broadcast("a", BODY)
    assert bus.stats().disconnected == 1
    assert bus.stats().dropped == 0
    assert told
    with pytest.raises(OverloadedError):
        async for _ in subscription:
            pass


async def test_what_was_read_is_not_counted() -> None:
    share = Share("messages", 1_000_000)
    bus = Bus(Instance.EVENTS, share=share)
    subscription = bus.subscribe("a")
    for _ in range(10):
        bus.broadcast("a", BODY)
    assert share.used > 80_000
    bus.close()
    async for _ in subscription:
        pass
    assert share.used == 0


async def test_a_page_is_bounded_in_bytes_and_what_it_does_not_hold_still_counts() -> None:
    share = Share("messages", 1_000_000)
    bus = Bus(Instance.EVENTS, share=share)
    subscription = bus.subscribe("a")
    for _ in range(30):
        bus.broadcast("a", BODY)
    weight = weight_of(BODY)
    assert len(subscription.take_page(500, 5 * weight)) == 5
    assert share.used == 25 * weight
    assert len(subscription.take_page(3, 5 * weight)) == 3
    assert share.used == 22 * weight
    assert len(subscription.take_page(500, 100 * weight)) == 22
    assert (share.used, subscription.take_page(500, 1)) == (0, [])


async def test_a_message_larger_than_a_page_goes_alone() -> None:
    bus = Bus(Instance.EVENTS)
    subscription = bus.subscribe("a")
    for body in ("small", BODY, "small"):
        bus.broadcast("a", body)
    pages = [[message.body for message in subscription.take_page(500, 1_000)] for _ in range(2)]
    assert pages == [["small", BODY], ["small"]]


async def test_listeners_are_given_pages_that_are_bounded_in_bytes() -> None:
    async with gater.open(":memory:") as api:
        pages = api._caller.stream(Listen("events", "t"))
        assert await anext(pages) == []
        for number in range(40):
            await api.pubsub("events").broadcast("t", [number, "x" * 100_000])
        sizes, numbers = list[int](), list[int]()
        while len(numbers) < 40:
            page = await anext(pages)
            sizes.append(len(page))
            numbers += [message.body[0] for message in page]
        assert numbers == list(range(40))
        assert max(sizes) <= -(-PAGE_BYTES // 100_000)
        await pages.aclose()
