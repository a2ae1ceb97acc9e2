"""Log lines and what becomes of them: the messages on ex_esdb_logging."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field
from typing import Any, Final, Literal, TypeAlias

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Handle, Map, Symbol
from gater.messages.origin import new_id, self_node
from gater.messages.records import Record, derived, record

INSTANCE: Final = "ex_esdb_logging"
Level: TypeAlias = Literal["debug", "info", "warn", "error", "critical"]

TOPICS: Final = ("application_logs", "system_logs", "error_logs", "audit_logs")


@record(INSTANCE, "log_entry")
class LogEntry(Record):
    """One log line."""

    level: Level
    message: str
    module: Symbol
    _: KW_ONLY
    log_id: str = field(default_factory=lambda: new_id("log_"))
    function: str | None = None
    line: int | None = None
    node: Symbol = field(default_factory=self_node)
    pid: Handle = field(default_factory=os.getpid)
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "log_summary")
class LogSummary(Record):
    """The number of log lines in a span of time."""

    time_period: str
    """For example `last_hour`."""
    log_counts: Mapping[str, int]
    """By level."""
    _: KW_ONLY
    summary_id: str = field(default_factory=lambda: new_id("summary_"))
    top_errors: Sequence[Map] = ()
    error_rate: float = 0.0
    """Errors a minute."""
    nodes_reporting: Sequence[Symbol] = field(default_factory=lambda: (self_node(),))
    total_logs: int = derived(lambda summary: sum(summary.log_counts.values()))
    """The sum of the counts, unless it is given."""


@record(INSTANCE, "log_filter_updated")
class LogFilter(Record):
    """Which log lines are kept has changed."""

    filter_type: Literal["level", "module", "pattern", "node"]
    filter_value: Any
    action: Literal["include", "exclude", "rate_limit"]
    _: KW_ONLY
    filter_id: str = field(default_factory=lambda: new_id("filter_"))
    enabled: bool = True
    created_by: str = "system"
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "log_rotation")
class LogRotation(Record):
    """A log goes on in another file."""

    log_type: str
    old_file: str
    new_file: str
    _: KW_ONLY
    rotation_id: str = field(default_factory=lambda: new_id("rotation_"))
    file_size: int | None = None
    """Bytes."""
    entries_count: int | None = None
    node: Symbol = field(default_factory=self_node)


log_entry = LogEntry
log_summary = LogSummary
log_filter = LogFilter
log_rotation = LogRotation

broadcast_log_entry = Broadcaster(LogEntry)
broadcast_log_summary = Broadcaster(LogSummary)
broadcast_log_filter = Broadcaster(LogFilter)
broadcast_log_rotation = Broadcaster(LogRotation)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
