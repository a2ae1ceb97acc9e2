"""Traces and analyses of slow or failed operations: the messages on ex_esdb_diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, field
from datetime import datetime
from typing import Final, Literal

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Symbol
from gater.messages.origin import new_id, self_node
from gater.messages.records import Record, derived, record

INSTANCE: Final = "ex_esdb_diagnostics"
TOPICS: Final = ("debug_traces", "performance_analysis", "system_state", "error_analysis")


@record(INSTANCE, "debug_trace")
class DebugTrace(Record):
    """The trace of an operation."""

    component: Symbol
    operation: str
    trace_data: Map
    _: KW_ONLY
    trace_id: str = field(default_factory=lambda: new_id("trace_"))
    stack_trace: Sequence[str] | None = None
    duration_ms: int | None = None
    node: Symbol = field(default_factory=self_node)
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "performance_analysis")
class PerformanceAnalysis(Record):
    """The result of a performance analysis of a component."""

    component: Symbol
    analysis_type: Literal["bottleneck", "memory_leak", "cpu_hotspot", "io_analysis"]
    findings: Map
    _: KW_ONLY
    analysis_id: str = field(default_factory=lambda: new_id("analysis_"))
    recommendations: Sequence[str] = ()
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "system_state")
class SystemState(Record):
    """The state of a system at one moment."""

    snapshot_type: Literal["full", "partial", "process_tree", "memory_dump"]
    state_data: Map
    trigger_reason: str
    _: KW_ONLY
    snapshot_id: str = field(default_factory=lambda: new_id("snapshot_"))
    process_count: int | None = None
    memory_usage: int | None = None
    """Bytes."""
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "error_analysis")
class ErrorAnalysis(Record):
    """A kind of error, and how often it occurs."""

    error_type: Symbol
    error_message: str
    _: KW_ONLY
    error_id: str = field(default_factory=lambda: new_id("error_"))
    stack_trace: Sequence[str] = ()
    context: Map = field(default_factory=dict)
    frequency: int = 1
    first_seen: datetime = derived(lambda analysis: analysis.timestamp)
    last_seen: datetime = derived(lambda analysis: analysis.timestamp)
    node: Symbol = field(default_factory=self_node)


debug_trace = DebugTrace
performance_analysis = PerformanceAnalysis
system_state = SystemState
error_analysis = ErrorAnalysis

broadcast_debug_trace = Broadcaster(DebugTrace)
broadcast_performance_analysis = Broadcaster(PerformanceAnalysis)
broadcast_system_state = Broadcaster(SystemState)
broadcast_error_analysis = Broadcaster(ErrorAnalysis)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
