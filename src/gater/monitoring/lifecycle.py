"""Announcements of the states of a node and its stores, and of its log lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gater.messages import lifecycle, logs, system
from gater.messages.payloads.lifecycle import NodeEvent, ProcessEvent
from gater.messages.payloads.logs import Level
from gater.messages.payloads.system import SystemState
from gater.model.version import __version__
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance

NODE_EVENTS: Final[dict[SystemState, NodeEvent]] = {
    "starting": "joining",
    "started": "joined",
    "stopping": "leaving",
    "stopped": "left",
}
"""The lifecycle event of a node in each of its states."""
LOG_EVENT_TYPES: Final = {"started": "startup", "stopped": "shutdown"}
"""The types of log events about states."""
LEVELS: Final[dict[str, Level]] = {
    "debug": "debug",
    "info": "info",
    "warning": "warn",
    "error": "error",
    "critical": "critical",
}
"""The levels of log records by the names that Python gives them."""


def announce_node(announcements: Announcements, state: SystemState) -> None:
    """Announce a state of the node on the system, lifecycle and logging instances."""
    node = announcements.node
    announcements.publish(
        Instance.SYSTEM, f"system_status:{node}", lambda: system.system_lifecycle(state, "gater", __version__)
    )
    announcements.publish(
        Instance.LIFECYCLE,
        f"process_lifecycle:{node}",
        lambda: lifecycle.node_lifecycle(node, NODE_EVENTS[state], 1),
    )
    _log_state(announcements, "node", state, {"node": node})


def announce_store(announcements: Announcements, store: str, event: ProcessEvent, reason: str | None = None) -> None:
    """Announce a lifecycle event of the worker of a store."""
    announcements.publish(
        Instance.LIFECYCLE,
        "process_lifecycle:stores",
        lambda: lifecycle.process_lifecycle(store, "store", event, name=store, reason=reason),
    )
    _log_state(announcements, "store", event, {"store": store})


def announce_log_line(
    announcements: Announcements, level: str, component: str, message: str, fields: Mapping[str, Any], at: datetime
) -> None:
    """Announce a log line that was written at a time, as a record and as an event of the log."""
    announcements.log_event(level, component, message, fields, at)
    name = LEVELS.get(level, "error")
    announcements.publish(
        Instance.LOGGING,
        f"logs:gater:{name}",
        lambda: logs.log_entry(name, message, component, metadata=dict(fields), timestamp=at),
    )


def _log_state(announcements: Announcements, component: str, state: str, fields: Mapping[str, Any]) -> None:
    """Publish an event of the log about a start or a stop, which is no log line of its own."""
    kind = LOG_EVENT_TYPES.get(state)
    if kind is not None:
        facts = {**fields, "event_type": kind}
        announcements.log_event("info", component, f"{component} {state}", facts, datetime.now(UTC))
