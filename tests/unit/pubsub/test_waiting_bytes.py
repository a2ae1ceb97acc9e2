"""Messages that wait are bounded in bytes, for all subscribers together."""

from __future__ import annotations

import pytest

from gater.model.errors import OverloadedError
from gater.model.memory_budget import Share
from gater.pubsub.bus import Bus
from gater.pubsub.instances import Instance

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
