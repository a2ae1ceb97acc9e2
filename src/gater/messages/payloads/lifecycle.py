"""Starts and stops of nodes, processes and members of the cluster: the messages on ex_esdb_lifecycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, field
from typing import Any, Final, Literal, TypeAlias

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Handle, Map, Symbol
from gater.messages.origin import self_node
from gater.messages.records import Record, derived, record

INSTANCE: Final = "ex_esdb_lifecycle"
NodeEvent: TypeAlias = Literal["joining", "joined", "leaving", "left", "down", "reconnected"]
ProcessEvent: TypeAlias = Literal["started", "stopped", "crashed", "restarted"]

TOPICS: Final = ("node_lifecycle", "process_lifecycle", "supervision", "cluster_membership")


@record(INSTANCE, "node_lifecycle_event")
class NodeLifecycle(Record):
    """A node comes or goes."""

    node: Symbol
    event: NodeEvent
    cluster_size: int
    """After the event."""
    _: KW_ONLY
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "process_lifecycle_event")
class ProcessLifecycle(Record):
    """A process, or a task that matters like one, has started or ended."""

    pid: Handle
    module: Symbol
    event: ProcessEvent
    _: KW_ONLY
    name: Symbol | None = None
    node: Symbol = field(default_factory=self_node)
    reason: Any = None
    restart_count: int = 0


@record(INSTANCE, "supervision_event")
class SupervisionEvent(Record):
    """A supervisor has started or given up a process."""

    supervisor: Handle
    child_spec: Map
    event: Literal["child_started", "child_terminated", "restart_limit_exceeded"]
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)
    reason: Any = None


@record(INSTANCE, "cluster_membership_changed")
class ClusterMembership(Record):
    """The members of the cluster are others than before."""

    event: Literal["node_added", "node_removed", "partition_detected", "partition_healed"]
    affected_nodes: Sequence[Symbol]
    active_nodes: Sequence[Symbol]
    _: KW_ONLY
    total_nodes: int = derived(lambda membership: len(membership.active_nodes))
    """The number of active nodes, unless it is given."""
    quorum_status: Literal["available", "lost"] = "available"
    originating_node: Symbol = field(default_factory=self_node)


node_lifecycle = NodeLifecycle
process_lifecycle = ProcessLifecycle
supervision_event = SupervisionEvent
cluster_membership = ClusterMembership

broadcast_node_lifecycle = Broadcaster(NodeLifecycle)
broadcast_process_lifecycle = Broadcaster(ProcessLifecycle)
broadcast_supervision_event = Broadcaster(SupervisionEvent)
broadcast_cluster_membership = Broadcaster(ClusterMembership)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
