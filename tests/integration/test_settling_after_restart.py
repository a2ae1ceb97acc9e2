"""What was delivered before a node started again is settled after it, before anybody consumes."""

from __future__ import annotations

from pathlib import Path

import gater
from tests.contract.consumers import NAME, is_doing, save
from tests.contract.samples import numbered
from tests.integration.served import node


async def test_deliveries_of_before_a_restart_are_settled_before_anybody_consumes(tmp_path: Path) -> None:
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await save(api, "orders", ordering="none")
        await api.append_events("orders", "a", numbered(5))
        held = await api.pull_events("orders", NAME, 5)
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await api.ack_event("orders", NAME, held[3])
        await api.ack_event("orders", NAME, held[0])
        await api.nack_event("orders", NAME, held[1], "skip")
        await api.nack_event("orders", NAME, held[2], "park")
        await api.nack_event("orders", NAME, held[4], "retry", delay=0.0)
        await is_doing(api, "orders", checkpoint=4, lag=1, parked=1)
        [again] = await api.pull_events("orders", NAME, 5)
        assert (again.event.position, again.attempt) == (5, 2)


async def test_acknowledgements_of_before_two_restarts_are_kept(tmp_path: Path) -> None:
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await save(api, "orders", ordering="none")
        await api.append_events("orders", "a", numbered(3))
        held = await api.pull_events("orders", NAME, 3)
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await api.ack_event("orders", NAME, held[1])
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        again = await api.pull_events("orders", NAME, 3)
        assert [delivery.event.position for delivery in again] == [1, 3]
