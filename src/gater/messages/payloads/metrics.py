"""Measurements: the messages on ex_esdb_metrics."""

from __future__ import annotations

from dataclasses import KW_ONLY, field
from typing import Any, Final, Literal, TypeAlias

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Number, Symbol
from gater.messages.origin import self_node
from gater.messages.records import Record, computed, record

INSTANCE: Final = "ex_esdb_metrics"
ResourceKind: TypeAlias = Literal["cpu", "memory", "disk", "network"]

TOPICS: Final = ("performance", "throughput", "latency", "resource_usage")


@record(INSTANCE, "performance_metric")
class PerformanceMetric(Record):
    """A value that was measured."""

    metric_name: Symbol
    value: Number
    unit: str
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)
    component: Symbol | None = None
    tags: Map = field(default_factory=dict)


def _rate(metric: Any) -> float:
    """The rate of a ThroughputMetric; 0 when no time has passed."""
    return metric.count / (metric.duration_ms / 1_000) if metric.duration_ms > 0 else 0.0


@record(INSTANCE, "throughput_metric")
class ThroughputMetric(Record):
    """The rate of an operation in a span of time."""

    operation: Symbol
    count: int
    duration_ms: int
    rate_per_sec: float = field(init=False, metadata=computed(_rate))
    """Follows from count and duration."""
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "latency_metric")
class LatencyMetric(Record):
    """The duration of an operation."""

    operation: Symbol
    latency_ms: float
    percentile: Literal["p50", "p95", "p99", "max", "min", "avg"]
    sample_count: int
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "resource_usage")
class ResourceUsage(Record):
    """The use of a resource."""

    resource_type: ResourceKind
    usage_percent: float
    total_available: int
    current_used: int
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "metric_alert")
class MetricAlert(Record):
    """A value has passed its threshold."""

    metric_name: Symbol
    current_value: Number
    threshold_value: Number
    threshold_type: Literal["min", "max"]
    severity: Literal["warning", "critical"]
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)


performance_metric = PerformanceMetric
throughput_metric = ThroughputMetric
latency_metric = LatencyMetric
resource_usage = ResourceUsage
metric_alert = MetricAlert

broadcast_performance_metric = Broadcaster(PerformanceMetric)
broadcast_throughput_metric = Broadcaster(ThroughputMetric)
broadcast_latency_metric = Broadcaster(LatencyMetric)
broadcast_resource_usage = Broadcaster(ResourceUsage)
broadcast_metric_alert = Broadcaster(MetricAlert)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
