"""Transient subscriptions over the network: heard on their topic, and gone with the connection that made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gater
from gater import GaterApi, NewEvent
from tests.integration.served import node

TOPIC = "orders:Placed"


async def _is_broadcast(api: GaterApi, messages: Any) -> bool:
    """Whether an event that is appended now is heard before what is published afterwards."""
    await api.append_events("orders", "a", [NewEvent("Placed")])
    await api.pubsub("events").broadcast(TOPIC, "marker")
    heard = (await anext(messages)).body
    if heard == "marker":
        return False
    assert heard[0] == "events"
    assert (await anext(messages)).body == "marker"
    return True


async def test_a_transient_subscription_ends_with_its_connection(tmp_path: Path) -> None:
    async with (
        node(tmp_path) as running,
        gater.connect(running.url) as api,
        api.pubsub("events").subscribe(TOPIC) as messages,
    ):
        assert not await _is_broadcast(api, messages)
        async with gater.connect(running.url) as maker, gater.connect(running.url) as other:
            for each in (maker, other):
                await each.add_transient_subscription("orders", "by_event_type", "Placed")
            assert await _is_broadcast(api, messages)
            await other.remove_transient_subscription("orders", "by_event_type", "Placed")
            assert await _is_broadcast(api, messages)
        while await _is_broadcast(api, messages):
            pass
        assert await api.get_subscriptions("orders") == []


async def test_a_durable_subscription_stays_and_its_consumer_does_not(tmp_path: Path) -> None:
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await api.append_events("orders", "a", [NewEvent("Placed")])
        maker = gater.connect(running.url)
        await maker.save_subscription("orders", name="billing")
        deliveries = maker.consume("orders", "billing")
        assert (await anext(deliveries)).attempt == 1
        assert (await api.get_subscription("orders", "billing")).consumers == 1
        await deliveries.aclose()
        await maker.close()
        while (await api.get_subscription("orders", "billing")).consumers:
            pass
        (delivery,) = await api.pull_events("orders", "billing", wait=10.0)
        assert delivery.attempt == 2
        await delivery.ack()
