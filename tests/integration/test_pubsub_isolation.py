"""Trouble on one instance of pub/sub stays there: alerts arrive while metrics overflow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import gater
from gater.model.errors import OverloadedError
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.system import PubSub, held
from tests.contract.samples import refused, until
from tests.integration.served import node

FLOOD = 3 * POLICIES[Instance.METRICS].bound
"""Messages that are more than may wait for one subscriber."""
EVERY = 1_000
"""Metrics between two alerts."""


async def flood(pubsub: PubSub) -> int:
    """Publish metrics, and alerts among them; returns how many alerts."""
    for number in range(FLOOD):
        pubsub.broadcast("metrics", "throughput_stats:x", {"number": number})
        if number % EVERY == 0:
            pubsub.broadcast("alerts", "system_alerts:critical", number // EVERY)
            await asyncio.sleep(0)
    return len(range(0, FLOOD, EVERY))


async def test_alerts_arrive_while_a_subscriber_of_metrics_is_stuck() -> None:
    with held() as pubsub, pubsub.subscribe("metrics", "*") as stuck, pubsub.subscribe("alerts", "*") as alerts:
        heard: list[int] = []

        async def hear() -> None:
            while await alerts.wait():
                heard.extend([message.body for message in alerts.take()])

        hearing = asyncio.create_task(hear())
        count = await flood(pubsub)
        await until(lambda: heard == list(range(count)))
        hearing.cancel()
        assert stuck.dropped == FLOOD - POLICIES[Instance.METRICS].bound
        assert (alerts.dropped, alerts.high_water) == (0, 1)


async def test_alerts_arrive_over_the_network_while_a_listener_to_metrics_is_stuck(tmp_path: Path) -> None:
    async with (
        node(tmp_path) as running,
        gater.connect(running.url) as api,
        api.pubsub("metrics").subscribe("throughput_stats:*"),
        api.pubsub("alerts").subscribe("system_alerts:critical") as alerts,
    ):
        with held() as pubsub:
            count = await flood(pubsub)
        assert [(await anext(alerts)).body for _ in range(count)] == list(range(count))
        standing = {each.name: each for each in await api.get_pubsub()}
        assert standing["metrics"].dropped > 0
        assert standing["alerts"].dropped == 0


async def test_a_listener_that_loses_nothing_is_disconnected_and_the_others_go_on(tmp_path: Path) -> None:
    bound = POLICIES[Instance.ALERTS].hard_bound
    async with (
        node(tmp_path) as running,
        gater.connect(running.url) as api,
        api.pubsub("alerts").subscribe("flood") as slow,
        api.pubsub("alerts").subscribe("system_alerts:critical") as other,
    ):
        with held() as pubsub:
            for number in range(bound + 1):
                pubsub.broadcast("alerts", "flood", number)
            pubsub.broadcast("alerts", "system_alerts:critical", "still here")
        assert b"listener disconnected" in (await anext(other)).body[-1]
        assert (await anext(other)).body == "still here"
        assert [(await anext(slow)).body for _ in range(bound)] == list(range(bound))
        with refused(OverloadedError):
            await anext(slow)
