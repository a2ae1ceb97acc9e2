"""Which record a node publishes of what happens to it, on which instance and topic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gater.messages import alerts, diagnostics, health, lifecycle, logs, metrics, system
from gater.messages.payloads.system import SystemState
from gater.messages.records import Record
from gater.model.version import __version__
from gater.monitoring.announcements import Announcements
from gater.monitoring.call_monitor import CallMonitor
from gater.monitoring.lifecycle import announce_log_line, announce_node, announce_store
from gater.monitoring.pubsub_monitor import announce_slow_subscriber
from gater.pubsub.bus import SlowSubscriber
from gater.pubsub.instances import Instance
from gater.telemetry.calls import FailedCall, SlowCall
from tests.unit.monitoring.listening import NODE, Listener

AT = datetime(2026, 1, 2, tzinfo=UTC)
SAYINGS: list[tuple[str, Callable[[Announcements], None], list[tuple[Instance, str, type[Record], dict[str, Any]]]]] = [
    (
        "store crashed",
        lambda said: announce_store(said, "orders", "crashed", "disk full"),
        [
            (
                Instance.LIFECYCLE,
                "process_lifecycle:stores",
                lifecycle.ProcessLifecycle,
                {"pid": "orders", "module": "store", "event": "crashed", "name": "orders", "reason": "disk full"},
            )
        ],
    ),
    (
        "component health",
        lambda said: said.component_health("orders", "unhealthy", {"reason": "disk full"}),
        [
            (
                Instance.HEALTH,
                "process_health:orders",
                health.ComponentHealth,
                {"component": "orders", "node": NODE, "status": "unhealthy", "details": {"reason": "disk full"}},
            )
        ],
    ),
    (
        "throughput",
        lambda said: said.throughput("append", 60, 30.0),
        [
            (
                Instance.METRICS,
                "throughput_stats:append",
                metrics.ThroughputMetric,
                {"operation": "append", "count": 60, "duration_ms": 30_000, "rate_per_sec": 2.0},
            )
        ],
    ),
    (
        "warning",
        lambda said: said.alert("warning", "performance", "slow", "it is slow", "orders"),
        [
            (
                Instance.ALERTS,
                "system_alerts:warning",
                alerts.SystemAlert,
                {"severity": "warning", "category": "performance", "title": "slow", "description": "it is slow"},
            )
        ],
    ),
    (
        "error",
        lambda said: said.alert("error", "data", "t", "d", "orders"),
        [(Instance.ALERTS, "system_alerts:critical", alerts.SystemAlert, {"severity": "error", "requires_ack": True})],
    ),
    (
        "slow listener",
        lambda said: announce_slow_subscriber(said, SlowSubscriber(Instance.AUDIT, "audit_trail:*", 10_000, False)),
        [
            (
                Instance.ALERTS,
                "system_alerts:warning",
                alerts.SystemAlert,
                {
                    "title": "slow listener",
                    "source": "audit",
                    "description": "10,000 messages wait for a listener to audit_trail:* on audit",
                },
            )
        ],
    ),
    (
        "listener disconnected",
        lambda said: announce_slow_subscriber(said, SlowSubscriber(Instance.ALERTS, "*", 10_000, True)),
        [
            (
                Instance.ALERTS,
                "system_alerts:critical",
                alerts.SystemAlert,
                {"severity": "error", "title": "listener disconnected", "source": "alerts"},
            )
        ],
    ),
    (
        "slow call",
        lambda said: CallMonitor(said).report(SlowCall("read_all", 6.25)),
        [
            (
                Instance.ALERTS,
                "system_alerts:warning",
                alerts.SystemAlert,
                {"title": "slow call", "source": "read_all", "category": "performance"},
            ),
            (
                Instance.DIAGNOSTICS,
                "diagnostics:performance_trace",
                diagnostics.DebugTrace,
                {"operation": "read_all", "trace_data": {"seconds": 6.25}, "duration_ms": 6_250},
            ),
        ],
    ),
    (
        "failed call",
        lambda said: CallMonitor(said).report(FailedCall("read_all", 0.0, "store_corrupt")),
        [
            (
                Instance.ALERTS,
                "system_alerts:critical",
                alerts.SystemAlert,
                {"severity": "error", "title": "store_corrupt", "source": "read_all"},
            ),
            (
                Instance.DIAGNOSTICS,
                "diagnostics:errors:read_all",
                diagnostics.ErrorAnalysis,
                {"error_type": "store_corrupt", "context": {"operation": "read_all"}},
            ),
        ],
    ),
    (
        "log line",
        lambda said: announce_log_line(said, "warning", "store", "a store is slow", {"store": "orders"}, AT),
        [
            (
                Instance.LOGGING,
                "logs:gater:warn",
                logs.LogEntry,
                {
                    "level": "warn",
                    "message": "a store is slow",
                    "module": "store",
                    "metadata": {"store": "orders"},
                    "timestamp": AT,
                },
            )
        ],
    ),
]


@pytest.mark.parametrize(("say", "expected"), [pytest.param(say, expected, id=name) for name, say, expected in SAYINGS])
def test_the_right_record_is_published_in_the_right_place(
    say: Callable[[Announcements], None],
    expected: list[tuple[Instance, str, type[Record], dict[str, Any]]],
    said: Announcements,
    listener: Listener,
) -> None:
    say(said)
    heard = listener.heard()
    assert [(instance, topic, type(record)) for instance, topic, record in heard] == [each[:3] for each in expected]
    for (_, _, record), (_, _, _, fields) in zip(heard, expected, strict=True):
        found = record.to_dict()
        assert {name: found[name] for name in fields} == fields
        assert found.get("node", NODE) == NODE


@pytest.mark.parametrize(
    ("event", "happened"),
    [("starting", "joining"), ("started", "joined"), ("stopping", "leaving"), ("stopped", "left")],
)
def test_start_and_stop_are_told_of_system_and_node(
    said: Announcements, listener: Listener, event: SystemState, happened: str
) -> None:
    announce_node(said, event)
    (_, topic, of_system), (_, _, of_node) = listener.heard()
    assert isinstance(of_system, system.SystemLifecycle)
    assert (topic, of_system.event, of_system.version) == (f"system_status:{NODE}", event, __version__)
    assert isinstance(of_node, lifecycle.NodeLifecycle)
    assert (of_node.node, of_node.event, of_node.cluster_size) == (NODE, happened, 1)
