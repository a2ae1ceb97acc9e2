"""A node's part in pub/sub: what it shares, what it tells of its calls, and what joins it to other processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gater.api.operations import VerifyStore
from gater.gateway.gateway import open_gateway
from gater.messages import alerts, diagnostics, health, lifecycle
from gater.messages.origin import current_source
from gater.messages.signing import Keyring
from gater.model.errors import InvalidRequestError, MisconfiguredError
from gater.monitoring.call_monitor import CallMonitor
from gater.monitoring.node_pubsub import NodePubSub
from gater.pubsub import system
from gater.pubsub.adapters.port import Deliver
from gater.telemetry.metrics import Metrics
from tests.unit.gateway.calls import answer, on_files
from tests.unit.pubsub.hub import Hub, HubAdapter
from tests.unit.telemetry.hands import Clock, begin, end


async def test_calls_in_trouble_become_alerts_and_diagnostics() -> None:
    node_pubsub, clock = await NodePubSub.join("n@h"), Clock()
    monitor = CallMonitor(node_pubsub.announcements)
    metrics = Metrics("n@h", tell=node_pubsub.publish_metrics, on_trouble=monitor.report, clock=clock, now=clock.now)
    alarms, traces, figures = (node_pubsub.pubsub.subscribe(name, "*") for name in ("alerts", "diagnostics", "metrics"))
    call = begin(metrics.calls, "read_all")
    clock.move(6)
    end(call)
    end(begin(metrics.calls, "append"), "internal_error")
    end(begin(metrics.calls, "append"), "wrong_expected_version")
    metrics.registration_failed("orders", "no peer")
    metrics.node_up("other")
    metrics.tell_update()
    messenger = node_pubsub.announcements.messenger
    said = [messenger.open(message.body) for message in (*alarms.take(), *traces.take())]
    assert [(alert.title, alert.source) for alert in said if isinstance(alert, alerts.SystemAlert)] == [
        ("slow call", "read_all"),
        ("internal_error", "append"),
    ]
    assert [type(record) for record in said[2:]] == [diagnostics.DebugTrace, diagnostics.ErrorAnalysis]
    told = figures.take()
    assert [message.topic for message in told] == [*["gater:alerts"] * 3, "gater:cluster", "gater:metrics"]
    assert all(message.body[0] == message.body[1]["type"] for message in told)
    await node_pubsub.leave()


async def test_a_node_that_has_left_publishes_nothing_and_has_no_figures() -> None:
    with system.held() as pubsub:
        heard = pubsub.subscribe("metrics", "*")
        node_pubsub = await NodePubSub.join("n@h")
        await node_pubsub.leave()
        await node_pubsub.leave()
        node_pubsub.publish_metrics("gater:metrics", {"type": "metrics_update"})
        assert heard.take() == []
        assert (node_pubsub.instance_figures(), node_pubsub.topic_figures()) == ({}, {})


async def test_nodes_of_a_process_share_one_system_and_leave_it_in_any_order() -> None:
    machine, first = current_source(), await NodePubSub.join("a@h")
    second = await NodePubSub.join("b@h")
    pubsub = second.pubsub
    assert first.pubsub is pubsub
    subscription = pubsub.subscribe("health", "*")
    await first.leave()
    assert current_source() is second.announcements.messenger
    assert second.pubsub.broadcast("health", "t", 1) == 1
    await second.leave()
    assert [message.body async for message in subscription] == [1]
    assert current_source() is machine


class BrokenAdapter(HubAdapter):
    """An adapter whose network cannot be reached."""

    async def start(self, deliver: Deliver) -> None:
        raise MisconfiguredError("pubsub", "nobody answers")


async def test_a_node_whose_adapter_does_not_begin_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(MisconfiguredError):
        await open_gateway(tmp_path, adapter=BrokenAdapter(Hub()))
    with pytest.raises(InvalidRequestError):
        system.release()


async def test_what_a_node_says_is_heard_in_other_processes(tmp_path: Path) -> None:
    hub, keyring = Hub(), Keyring("the secret")
    elsewhere = system.PubSub()
    await elsewhere.carrying.attach(hub.adapter())
    heard = elsewhere.subscribe("lifecycle", "process_lifecycle:stores")
    gateway = await open_gateway(tmp_path, stores=["orders"], keyring=keyring, adapter=hub.adapter())
    await gateway.close()
    gateway = await open_gateway(tmp_path, keyring=keyring, adapter=hub.adapter())
    messenger = gateway.announcements.messenger
    said = [messenger.open(message.body, instance="ex_esdb_lifecycle") for message in heard.take()]
    assert [(record.name, record.event) for record in said if isinstance(record, lifecycle.ProcessLifecycle)] == [
        ("orders", "started"),
        ("orders", "stopped"),
        ("orders", "started"),
    ]
    await gateway.close()
    assert len(hub.connected) == 1


async def test_a_node_says_of_each_of_its_stores_that_it_started_and_stopped(tmp_path: Path) -> None:
    async with on_files(tmp_path, "orders", "stock"):
        pass
    with system.held() as pubsub:
        heard = pubsub.subscribe("lifecycle", "process_lifecycle:stores")
        async with on_files(tmp_path) as gateway:
            messenger = gateway.announcements.messenger
        said = [messenger.open(message.body) for message in heard.take()]
    assert [(record.name, record.event) for record in said if isinstance(record, lifecycle.ProcessLifecycle)] == [
        ("orders", "started"),
        ("stock", "started"),
        ("orders", "stopped"),
        ("stock", "stopped"),
    ]


async def test_the_verification_of_a_store_is_a_health_check(tmp_path: Path) -> None:
    async with on_files(tmp_path, "orders") as gateway:
        heard = gateway.pubsub.subscribe("health", "health_checks:*")
        await answer(gateway, VerifyStore("orders"))
        (message,) = heard.take()
        record = gateway.announcements.messenger.open(message.body)
    assert message.topic == "health_checks:verify:orders"
    assert isinstance(record, health.HealthCheck)
    assert (record.check_name, record.result) == ("verify:orders", "pass")
    assert record.details == {"events": 0, "problems": ()}
