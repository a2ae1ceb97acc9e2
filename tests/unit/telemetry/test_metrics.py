"""The metrics of a node: what is asked, what is told, what a reset leaves."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gater.telemetry import notices
from gater.telemetry.metrics import Metrics
from gater.telemetry.notices import ALERTS_TOPIC, CLUSTER_TOPIC, METRICS_TOPIC, WORKERS_TOPIC
from gater.telemetry.process import ProcessFigures, process_figures
from gater.telemetry.sources import Sources
from tests.unit.telemetry.hands import Clock, Ears, begin, end


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ears() -> Ears:
    return Ears()


def new_metrics(clock: Clock, ears: Ears, **sources: Any) -> Metrics:
    return Metrics("n@h", Sources(**sources), tell=ears, clock=clock, now=clock.now)


@pytest.fixture
def metrics(clock: Clock, ears: Ears) -> Metrics:
    return new_metrics(clock, ears, workers=lambda: {"orders": 2, "stock": 1})


def test_metrics_have_the_groups_of_the_reference(metrics: Metrics) -> None:
    found = metrics.get_metrics()
    assert list(found) == [
        "api_calls",
        "gateway_workers",
        "cluster_nodes",
        "pubsub_messages",
        "swarm_registrations",
        "system_metrics",
        "issues",
        "last_updated",
    ]
    assert {"total", "errors", "avg_duration_us", "current_calls", "by_function"} <= set(found["api_calls"])
    assert found["last_updated"] == 100_000


def test_metrics_are_plain_data(metrics: Metrics) -> None:
    metrics.registration_failed("orders", "no peer")
    found = metrics.get_metrics()
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def test_worker_pool_status_tells_how_many_workers_there_are(metrics: Metrics) -> None:
    metrics.worker_assigned("orders")
    metrics.worker_assigned("orders")
    metrics.worker_released("orders")
    metrics.worker_unavailable("lost")
    assert metrics.get_worker_pool_status() == {
        "available_workers": 3,
        "workers_by_store": {"orders": 2, "stock": 1},
        "active_assignments": 1,
        "total_assignments": 2,
        "unavailable_attempts": 1,
        "assignment_success_rate": pytest.approx(2 / 3),
    }


def test_number_of_workers_is_none_where_nobody_knows(clock: Clock, ears: Ears) -> None:
    metrics = new_metrics(clock, ears)
    assert metrics.get_worker_pool_status()["available_workers"] is None
    assert metrics.get_health()["worker_pool_health"] == "unknown"


def test_health_of_a_node_on_its_own_is_good(metrics: Metrics) -> None:
    assert metrics.get_health() == {
        "status": "healthy",
        "api_health": "healthy",
        "worker_pool_health": "healthy",
        "cluster_health": "healthy",
        "node": "n@h",
        "timestamp": 100_000,
    }


@pytest.mark.parametrize(
    ("code", "health"), [("wrong_expected_version", "healthy"), ("store_unavailable", "unhealthy")]
)
def test_only_failures_speak_against_the_api(metrics: Metrics, code: str, health: str) -> None:
    for _ in range(10):
        end(begin(metrics.calls, "append"), code)
    assert metrics.get_health()["api_health"] == health


def test_lost_nodes_speak_against_the_cluster(metrics: Metrics) -> None:
    metrics.node_up("a")
    metrics.node_up("b")
    metrics.node_down("a")
    metrics.node_down("b")
    assert metrics.get_health()["cluster_health"] == "unhealthy"
    assert metrics.get_health()["status"] == "degraded"


def test_system_metrics_tell_of_the_process(metrics: Metrics, clock: Clock) -> None:
    metrics.node_up("a")
    clock.move(2.5)
    found = metrics.system_metrics()
    assert found["memory"] > 1_000_000
    assert found["process_count"] >= 1
    assert found["schedulers"] >= 1
    assert (found["connected_nodes"], found["uptime_ms"], found["gateway_workers_available"]) == (1, 2_500, 3)
    assert found["timestamp"] == 102_500


def test_messages_are_those_of_all_instances_since_the_reset(clock: Clock, ears: Ears) -> None:
    events = SimpleNamespace(published=5, delivered=7)
    instances = {"events": events, "health": SimpleNamespace(published=1, delivered=0)}
    topics = {"orders:new": 5, "node_health": 1}
    metrics = new_metrics(clock, ears, instances=lambda: instances, topics=lambda: dict(topics))
    messages = metrics.get_metrics()["pubsub_messages"]
    assert messages == {"sent": 6, "received": 7, "by_topic": topics}
    metrics.reset_metrics()
    events.published += 4
    topics.update({"orders:new": 8, "orders:old": 1})
    assert metrics.get_metrics()["pubsub_messages"] == {
        "sent": 4,
        "received": 0,
        "by_topic": {"orders:new": 3, "orders:old": 1},
    }


def test_reset_keeps_the_nodes_and_what_is_under_way(metrics: Metrics) -> None:
    metrics.node_up("a")
    metrics.node_down("b")
    metrics.worker_assigned("orders")
    metrics.registration_succeeded()
    metrics.registration_failed("orders", "why")
    begin(metrics.calls, "append")
    end(begin(metrics.calls, "append"), "overloaded")
    metrics.reset_metrics()
    found = metrics.get_metrics()
    assert (metrics.nodes.connected, metrics.nodes.lost) == (["a"], ["b"])
    assert (found["api_calls"]["total"], found["api_calls"]["errors"], found["api_calls"]["current_calls"]) == (0, 0, 1)
    assert (found["gateway_workers"]["assignments"], found["gateway_workers"]["active_assignments"]) == (0, 1)
    assert found["swarm_registrations"] == {"successes": 0, "failures": 0, "last_registration": None}
    assert found["issues"] == []


def test_slow_call_is_told(metrics: Metrics, clock: Clock, ears: Ears) -> None:
    call = begin(metrics.calls, "read_all")
    clock.move(6)
    end(call)
    assert ears.on(ALERTS_TOPIC) == [
        {
            "type": "performance_alert",
            "package": "gater",
            "node": "n@h",
            "timestamp": 106_000,
            "alert": "slow_api_call",
            "metadata": {"function": "read_all"},
            "duration_us": 6_000_000,
        }
    ]
    assert metrics.get_metrics()["issues"] == ears.on(ALERTS_TOPIC)


def test_failed_calls_and_registrations_are_told_and_refusals_are_not(metrics: Metrics, ears: Ears) -> None:
    for code in ("wrong_expected_version", "internal_error"):
        end(begin(metrics.calls, "append"), code)
    metrics.registration_failed("orders", "no peer")
    assert [(body["alert"], body["metadata"]) for body in ears.on(ALERTS_TOPIC)] == [
        ("api_call_error", {"function": "append", "code": "internal_error"}),
        ("swarm_registration_failed", {"store_id": "orders", "reason": "no peer"}),
    ]


def test_what_happens_to_workers_and_nodes_is_told(metrics: Metrics, ears: Ears) -> None:
    metrics.worker_assigned("orders")
    metrics.worker_released("orders")
    metrics.worker_unavailable("orders")
    metrics.node_up("a")
    metrics.node_down("a")
    assert [body["event"] for body in ears.on(WORKERS_TOPIC)] == ["worker_assigned", "worker_unavailable"]
    assert [body["event"] for body in ears.on(CLUSTER_TOPIC)] == ["node_up", "node_down"]
    assert ears.on(CLUSTER_TOPIC)[0]["metadata"] == {"node": "a"}


def test_update_tells_all_numbers(metrics: Metrics, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = metrics.system_metrics()  # those of the process change from one look to the next
    monkeypatch.setattr(metrics, "system_metrics", lambda: figures)
    metrics.tell_update()
    (body,) = ears.on(METRICS_TOPIC)
    assert (body["type"], body["metadata"]) == ("metrics_update", metrics.get_metrics())


def test_flood_of_failures_is_not_a_flood_of_alerts(
    metrics: Metrics, clock: Clock, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST_ALERTS_A_SECOND", 2)
    for _ in range(10):
        end(begin(metrics.calls, "append"), "overloaded")
    assert len(ears.heard) == 2
    clock.move(1)
    end(begin(metrics.calls, "append"), "overloaded")
    assert [body["metadata"].get("left_out") for body in ears.on(ALERTS_TOPIC)] == [None, None, 8]
    assert metrics.calls.failures == 11


def test_who_fails_to_listen_does_not_disturb_the_call(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def tell(topic: str, body: dict[str, Any]) -> None:
        raise ValueError("broken")

    metrics = Metrics("n", tell=tell, clock=clock, now=clock.now)
    metrics.node_up("a")
    assert metrics.nodes.connected == ["a"]
    assert [record.getMessage() for record in caplog.records] == ["a notice could not be told"]


def test_process_knows_its_memory_and_processors() -> None:
    figures = process_figures()
    assert 0 < figures.memory_bytes <= figures.memory_limit_bytes
    assert 0 < figures.memory_percent < 100
    assert figures.cpus >= 1


def test_share_of_an_unknown_limit_is_zero() -> None:
    assert ProcessFigures(memory_bytes=5, memory_limit_bytes=0, threads=1, cpus=1).memory_percent == 0.0


def test_times_are_milliseconds_of_the_clock_of_the_machine() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= Metrics("n").get_health()["timestamp"] <= time.time_ns() // 1_000_000


def test_what_is_told_has_its_own_topic_and_the_fields_that_all_have(metrics: Metrics, ears: Ears) -> None:
    metrics.tell_update()
    end(begin(metrics.calls, "append"), "internal_error")
    metrics.worker_assigned("orders")
    metrics.node_up("a")
    assert [(topic, body["type"]) for topic, body in ears.heard] == [
        ("gater:metrics", "metrics_update"),
        ("gater:alerts", "performance_alert"),
        ("gater:workers", "worker_event"),
        ("gater:cluster", "cluster_event"),
    ]
    for _, body in ears.heard:
        assert (body["package"], body["node"], body["timestamp"]) == ("gater", "n@h", 100_000)
