"""The health of nodes, clusters and components: the messages on ex_esdb_health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from gater.messages.channel import Broadcaster, broadcast_one_of, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Symbol
from gater.messages.records import Record, record
from gater.model.identifiers import check_store_id

INSTANCE: Final = "ex_esdb_health"
NodeStatus: TypeAlias = Literal["healthy", "degraded", "unhealthy", "unknown"]
ComponentStatus: TypeAlias = Literal["healthy", "degraded", "unhealthy"]

TOPICS: Final = ("node_health", "cluster_health", "component_health", "health_checks")


@record(INSTANCE, "node_health_updated")
class NodeHealth(Record):
    """The health of a node."""

    node: Symbol
    status: NodeStatus
    _: KW_ONLY
    checks: Map = field(default_factory=dict)
    load_avg: float | None = None
    memory_usage: float | None = None
    """Per cent."""
    disk_usage: float | None = None
    """Per cent."""


@record(INSTANCE, "cluster_health_updated")
class ClusterHealth(Record):
    """The health of a cluster."""

    status: Literal["healthy", "degraded", "unhealthy"]
    healthy_nodes: int
    total_nodes: int
    _: KW_ONLY
    degraded_nodes: Sequence[Symbol] = ()
    unhealthy_nodes: Sequence[Symbol] = ()
    quorum_status: Literal["available", "lost"] = "available"


@record(INSTANCE, "component_health_updated")
class ComponentHealth(Record):
    """The health of a component of a node."""

    component: Symbol
    node: Symbol
    status: ComponentStatus
    _: KW_ONLY
    details: Map = field(default_factory=dict)
    last_check: datetime | None = None


@record(INSTANCE, "health_check_completed")
class HealthCheck(Record):
    """The result of a health check."""

    check_name: Symbol
    node: Symbol
    result: Literal["pass", "fail", "timeout"]
    _: KW_ONLY
    duration_ms: int | None = None
    details: Map = field(default_factory=dict)
    error: str | None = None


node_health = NodeHealth
cluster_health = ClusterHealth
component_health = ComponentHealth
health_check = HealthCheck

broadcast_node_health = Broadcaster(NodeHealth)
broadcast_cluster_health = Broadcaster(ClusterHealth)
broadcast_component_health = Broadcaster(ComponentHealth)
broadcast_health_check = Broadcaster(HealthCheck)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)


def store_health_topic(store: str) -> str:
    """The topic of everything that concerns the health of one store."""
    return f"{check_store_id(store)}:health"


def cluster_health_topic() -> str:
    """The topic of everything that concerns the health of the cluster."""
    return "cluster:health"


def broadcast_store_health(store_or_topic: str, record: NodeHealth | ComponentHealth | HealthCheck) -> None:
    """Publish on the topic of a store, given by its name or as the topic, which holds a colon."""
    is_topic = isinstance(store_or_topic, str) and ":" in store_or_topic
    topic = store_or_topic if is_topic else store_health_topic(store_or_topic)
    broadcast_one_of((NodeHealth, ComponentHealth, HealthCheck), topic, record)


def broadcast_cluster_health_update(record: ClusterHealth | NodeHealth) -> None:
    """Publish on the topic of the cluster."""
    broadcast_one_of((ClusterHealth, NodeHealth), cluster_health_topic(), record)
