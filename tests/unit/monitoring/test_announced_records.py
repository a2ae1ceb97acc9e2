"""Which record a node publishes of what happens to it, on which instance and topic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gater.messages import alerts, audit, diagnostics, health, lifecycle, logs, metrics, security, system
from gater.messages.records import Record
from gater.monitoring.announcements import Announcements
from gater.pubsub.bus import SlowSubscriber
from gater.pubsub.instances import Instance
from tests.unit.monitoring.listening import NODE, Listener

AT = datetime(2026, 1, 2, tzinfo=UTC)
SAYINGS: list[tuple[str, Callable[[Announcements], None], list[tuple[Instance, str, type[Record], dict[str, Any]]]]] = [
    (
        "store crashed",
        lambda said: said.store_state("orders", "crashed", "disk full"),
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
        "configured",
        lambda said: said.configured("orders/a", {"operation": "truncate_stream"}, "keeper"),
        [
            (
                Instance.SYSTEM,
                "configuration_changes:orders/a",
                system.SystemConfig,
                {"component": "orders/a", "changes": {"operation": "truncate_stream"}, "changed_by": "keeper"},
            )
        ],
    ),
    (
        "node health",
        lambda said: said.node_health("degraded", {"api_health": "degraded"}, 0.5, 40.0, 90.5),
        [
            (
                Instance.HEALTH,
                "node_health",
                health.NodeHealth,
                {
                    "node": NODE,
                    "status": "degraded",
                    "checks": {"api_health": "degraded"},
                    "load_avg": 0.5,
                    "memory_usage": 40.0,
                    "disk_usage": 90.5,
                },
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
        "check passed",
        lambda said: said.checked("verify", True, 1.25, {"events": 7}),
        [
            (
                Instance.HEALTH,
                "health_checks:verify",
                health.HealthCheck,
                {"check_name": "verify", "result": "pass", "duration_ms": 1_250, "details": {"events": 7}},
            )
        ],
    ),
    (
        "check failed",
        lambda said: said.checked("verify", False, 0.0, {}),
        [(Instance.HEALTH, "health_checks:verify", health.HealthCheck, {"result": "fail"})],
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
        "latency",
        lambda said: said.latency("append", 0.0025, 60),
        [
            (
                Instance.METRICS,
                "performance_metrics:append",
                metrics.LatencyMetric,
                {"operation": "append", "latency_ms": 2.5, "percentile": "avg", "sample_count": 60},
            )
        ],
    ),
    (
        "resource",
        lambda said: said.resource("disk", 12.5, 800, 100),
        [
            (
                Instance.METRICS,
                "performance_metrics:disk",
                metrics.ResourceUsage,
                {"resource_type": "disk", "usage_percent": 12.5, "total_available": 800, "current_used": 100},
            )
        ],
    ),
    (
        "not known",
        lambda said: said.not_known("wrong token", "10.0.0.1"),
        [
            (
                Instance.SECURITY,
                "security_events:authentication",
                security.AuthEvent,
                {
                    "event_type": "login_failure",
                    "auth_method": "token",
                    "source_ip": "10.0.0.1",
                    "metadata": {"reason": "wrong token"},
                },
            )
        ],
    ),
    (
        "not allowed",
        lambda said: said.not_allowed("reader", "remove_store", "orders", None),
        [
            (
                Instance.SECURITY,
                "security_events:authorization",
                security.AccessViolation,
                {
                    "violation_type": "permission_denied",
                    "resource": "orders",
                    "action": "remove_store",
                    "user_id": "reader",
                },
            )
        ],
    ),
    (
        "administered",
        lambda said: said.administered("keeper", "delete_stream", "orders/a", "ok", 0.2, "10.0.0.1"),
        [
            (
                Instance.AUDIT,
                "audit_trail:admin_operations",
                audit.AccessLog,
                {
                    "user_id": "keeper",
                    "resource_id": "orders/a",
                    "action": "delete_stream",
                    "success": True,
                    "duration_ms": 200,
                    "source_ip": "10.0.0.1",
                },
            )
        ],
    ),
    (
        "administered in vain",
        lambda said: said.administered("keeper", "delete_stream", "orders/a", "stream_not_found", 0.2, None),
        [
            (
                Instance.AUDIT,
                "audit_trail:admin_operations",
                audit.AccessLog,
                {"action": "delete_stream (stream_not_found)", "success": False},
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
        lambda said: said.slow_listener(SlowSubscriber(Instance.AUDIT, "audit_trail:*", 10_000, False)),
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
        lambda said: said.slow_listener(SlowSubscriber(Instance.ALERTS, "*", 10_000, True)),
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
        "busy instance",
        lambda said: said.busy_instance(Instance.SECURITY, 1_234, 100),
        [
            (
                Instance.ALERTS,
                "system_alerts:warning",
                alerts.SystemAlert,
                {
                    "title": "unusual volume",
                    "source": "security",
                    "description": "1,234 messages a second on security, where up to 100 are usual",
                },
            )
        ],
    ),
    (
        "failing instance",
        lambda said: said.failing_instance(Instance.HEALTH, 12),
        [
            (
                Instance.ALERTS,
                "system_alerts:critical",
                alerts.SystemAlert,
                {"severity": "error", "title": "messages fail", "source": "health"},
            )
        ],
    ),
    (
        "instance down",
        lambda said: said.instance_down(Instance.HEALTH),
        [
            (
                Instance.HEALTH,
                "process_health:pubsub:health",
                health.ComponentHealth,
                {"component": "pubsub:health", "status": "unhealthy"},
            ),
            (
                Instance.ALERTS,
                "system_alerts:critical",
                alerts.SystemAlert,
                {"severity": "critical", "title": "instance down", "source": "health"},
            ),
        ],
    ),
    (
        "limit reached",
        lambda said: said.limit_reached("connections", 1_000),
        [
            (
                Instance.ALERTS,
                "system_alerts:warning",
                alerts.SystemAlert,
                {
                    "title": "limit reached",
                    "source": "connections",
                    "description": "there are 1,000 connections, and no more are taken",
                },
            )
        ],
    ),
    (
        "slow call",
        lambda said: said.slow_call("read_all", 6.25),
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
        lambda said: said.failed_call("read_all", "store_corrupt"),
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
        lambda said: said.logged("warning", "store", "a store is slow", {"store": "orders"}, AT),
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
    said: Announcements, listener: Listener, event: str, happened: str
) -> None:
    said.node_state(event)
    (_, topic, of_system), (_, _, of_node) = listener.heard()
    assert isinstance(of_system, system.SystemLifecycle)
    assert (topic, of_system.event, of_system.version) == (f"system_status:{NODE}", event, "1.2.3")
    assert isinstance(of_node, lifecycle.NodeLifecycle)
    assert (of_node.node, of_node.event, of_node.cluster_size) == (NODE, happened, 1)
