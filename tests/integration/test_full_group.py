"""A consumer group that is full, seen from outside: its state, its alert, its figure, and a restart of its node."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import gater
from gater import Delivery
from gater.messages.envelope import open_envelope
from gater.messages.payloads.alerts import SystemAlert
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring
from gater.monitoring import node_monitor
from gater.pubsub.system import held
from gater.subscriptions import group_window
from tests.contract.consumers import NAME, Worker, is_doing, save
from tests.contract.samples import numbered, until
from tests.integration.served import ORDERS, client_of, node

KEY = "the secret"
REASON = "5 events are not settled; the first is at position 2 of stream s"


@pytest.fixture(autouse=True)
def full_with_three_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "MOST_WAITING", 3)
    monkeypatch.setattr(node_monitor, "CHECK_SECONDS", 0.05)


async def refuse_all_but_the_first(delivery: Delivery) -> None:
    if delivery.event.version == 0:
        await delivery.ack()
    else:
        await delivery.nack("retry", delay=86_400.0)


async def state_of(client: httpx.AsyncClient) -> tuple[str, str]:
    info = (await client.get(f"{ORDERS}/subscriptions/{NAME}")).json()
    return info["state"], info["reason"]


async def figure(client: httpx.AsyncClient) -> dict[str, float]:
    """The states of the subscription at /metrics, with 1 for the present one."""
    page = (await client.get("/metrics")).text
    [family] = [f for f in text_string_to_metric_families(page) if f.name == "gater_subscription_state"]
    return {sample.labels["state"]: sample.value for sample in family.samples if sample.value}


def told(message: Any) -> SystemAlert:
    record = open_envelope(message.body, asyncio.get_running_loop().time(), Keyring(KEY), ReplayGuard(window=1e12))
    assert isinstance(record, SystemAlert)
    return record


async def test_a_full_group_says_so_by_state_alert_and_figure_and_names_the_event(tmp_path: Path) -> None:
    with held() as pubsub:
        heard = pubsub.subscribe("alerts", "system_alerts:warning")
        async with node(tmp_path, secret_key_base=KEY) as running, gater.connect(running.url) as api:
            await save(api, "orders", max_in_flight=1, ordering="none")
            await api.append_events("orders", "s", numbered(6))
            async with client_of(running) as client, Worker(api, "orders", refuse_all_but_the_first) as worker:
                await until(lambda: len(worker.given) == 6)
                await heard.wait()
                assert await state_of(client) == ("full", REASON)
                assert await figure(client) == {"full": 1}
        alert = told(heard.take()[0])
    assert (alert.title, alert.description, alert.source) == ("a subscription is full", REASON, f"orders/{NAME}")


async def test_a_full_group_goes_on_after_a_restart_with_what_was_not_settled(tmp_path: Path) -> None:
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await save(api, "orders", max_in_flight=1, ordering="none")
        await api.append_events("orders", "s", numbered(6))
        async with client_of(running) as client, Worker(api, "orders", refuse_all_but_the_first) as worker:
            await until(lambda: len(worker.given) == 6)
            assert await state_of(client) == ("full", REASON)
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await api.append_events("orders", "s", numbered(1))
        async with Worker(api, "orders") as worker:
            await until(lambda: len(worker.given) == 6)
            await is_doing(api, "orders", checkpoint=7, lag=0)
        assert sorted(worker.attempts) == [*[(position, 2) for position in range(2, 7)], (7, 1)]


async def test_streams_that_were_held_up_go_on_in_order_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_window, "LEAST_WINDOW", 4)
    monkeypatch.setattr(group_window, "MOST_WAITING", 100)

    async def refuse_late_ones(delivery: Delivery) -> None:
        if delivery.event.stream_id == "late":
            await delivery.nack("retry", delay=86_400.0)
        else:
            await delivery.ack()

    async with node(tmp_path) as running, gater.connect(running.url) as api:
        await save(api, "orders", max_in_flight=2)
        for number in range(20):
            await api.append_events("orders", "late", numbered(2))
            await api.append_events("orders", f"s{number}", numbered(1))
        async with Worker(api, "orders", refuse_late_ones) as worker:
            await until(lambda: len(worker.given) == 21)
    async with node(tmp_path) as running, gater.connect(running.url) as api:
        async with Worker(api, "orders") as worker:
            await until(lambda: len(worker.given) == 40)
            await is_doing(api, "orders", checkpoint=60, lag=0)
        assert [delivery.event.stream_id for delivery in worker.given] == ["late"] * 40
        assert worker.seen == sorted(worker.seen)
