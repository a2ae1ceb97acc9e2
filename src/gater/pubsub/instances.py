"""The ten instances of pub/sub, and what each is for, holds and does when a subscriber is slow."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gater.model.errors import InvalidArgumentError

FULL_NAME_PREFIX: Final = "ex_esdb_"

HARD_BOUND_FACTOR: Final = 10
"""How many times its bound a queue that never drops may hold before its subscriber is disconnected."""


class Instance(StrEnum):
    """One of the ten; its value is the short name."""

    EVENTS = "events"
    SYSTEM = "system"
    LOGGING = "logging"
    HEALTH = "health"
    METRICS = "metrics"
    SECURITY = "security"
    AUDIT = "audit"
    ALERTS = "alerts"
    DIAGNOSTICS = "diagnostics"
    LIFECYCLE = "lifecycle"

    @property
    def full_name(self) -> str:
        """The name with its prefix, such as `ex_esdb_health`."""
        return FULL_NAME_PREFIX + self.value


class Overflow(StrEnum):
    """The action when a message comes and the subscriber's queue is at its bound."""

    DROP_OLDEST = "drop_oldest"
    """The oldest message of this queue is dropped and counted; the new one is kept."""
    NEVER = "never"
    """The message is kept, and those in charge are told once until the subscriber has caught up.

    At HARD_BOUND_FACTOR times the bound the subscriber is disconnected: it reads what waits, then meets
    OverloadedError.
    """


class Policy(msgspec.Struct, frozen=True):
    """The purpose of an instance, and the bound of each subscriber's queue."""

    purpose: str
    volume: str
    criticality: str
    usual_rate: int
    """Messages a second, over some seconds, up to which nobody need look; more of them give an alert."""
    bound: int
    """Messages that wait for one subscriber without anything being done about it."""
    overflow: Overflow
    topics: tuple[str, ...]
    """Typical topics; others are as good."""

    @property
    def hard_bound(self) -> int:
        """Messages that wait for one subscriber at the very most."""
        return self.bound * HARD_BOUND_FACTOR if self.overflow is Overflow.NEVER else self.bound


POLICIES: Final[Mapping[Instance, Policy]] = MappingProxyType(
    {
        # Events are in their store: whoever must have every one follows the store, so that dropping here loses none.
        Instance.EVENTS: Policy(
            purpose="events of streams and what is derived from them",
            volume="high",
            criticality="high",
            usual_rate=100_000,
            bound=10_000,
            overflow=Overflow.DROP_OLDEST,
            topics=(
                "event_stream:{stream_id}",
                "projection_updates:{projection_name}",
                "aggregate_events:{aggregate_id}",
            ),
        ),
        Instance.SYSTEM: Policy(
            purpose="general system events; kept for compatibility",
            volume="medium",
            criticality="medium",
            usual_rate=1_000,
            bound=1_000,
            overflow=Overflow.DROP_OLDEST,
            topics=("system_status:{component}", "configuration_changes:{service}", "service_discovery:{node}"),
        ),
        Instance.LOGGING: Policy(
            purpose="log lines, for those who collect them",
            volume="very high",
            criticality="medium",
            usual_rate=100_000,
            bound=10_000,
            overflow=Overflow.DROP_OLDEST,
            topics=("logs:{service}:{level}", "structured_logs:{component}", "error_reports:{service}"),
        ),
        Instance.HEALTH: Policy(
            purpose="health of nodes, components and subscriptions",
            volume="medium",
            criticality="high",
            usual_rate=1_000,
            bound=1_000,
            overflow=Overflow.DROP_OLDEST,
            topics=(
                "subscription_health:{store_id}:{subscription_name}",
                "process_health:{component}",
                "circuit_breaker_status:{service}",
            ),
        ),
        Instance.METRICS: Policy(
            purpose="performance figures and statistics",
            volume="very high",
            criticality="medium",
            usual_rate=100_000,
            bound=10_000,
            overflow=Overflow.DROP_OLDEST,
            topics=(
                "subscription_metrics:{store_id}:{subscription_name}",
                "performance_metrics:{component}",
                "throughput_stats:{service}",
            ),
        ),
        Instance.SECURITY: Policy(
            purpose="authentication, authorisation and threats",
            volume="low to medium",
            criticality="very high",
            usual_rate=100,
            bound=10_000,
            overflow=Overflow.NEVER,
            topics=(
                "security_events:authentication",
                "security_events:authorization",
                "threat_detection:{service}",
                "access_violations:{resource}",
            ),
        ),
        Instance.AUDIT: Policy(
            purpose="who did what, for the record",
            volume="medium",
            criticality="very high",
            usual_rate=1_000,
            bound=10_000,
            overflow=Overflow.NEVER,
            topics=("audit_trail:user_actions", "audit_trail:admin_operations", "compliance_events:{regulation}"),
        ),
        Instance.ALERTS: Policy(
            purpose="what somebody should look at now",
            volume="low",
            criticality="very high",
            usual_rate=100,
            bound=1_000,
            overflow=Overflow.NEVER,
            topics=("system_alerts:critical", "system_alerts:warning", "incident_alerts:{severity}"),
        ),
        Instance.DIAGNOSTICS: Policy(
            purpose="traces and profiles, for finding a fault",
            volume="variable, can be very high",
            criticality="low",
            usual_rate=100_000,
            bound=10_000,
            overflow=Overflow.DROP_OLDEST,
            topics=("diagnostics:performance_trace", "diagnostics:memory_analysis", "diagnostics:connection_pool"),
        ),
        Instance.LIFECYCLE: Policy(
            purpose="starts, stops and crashes of processes",
            volume="medium",
            criticality="high",
            usual_rate=1_000,
            bound=1_000,
            overflow=Overflow.DROP_OLDEST,
            topics=(
                "process_lifecycle:subscription_proxies",
                "process_lifecycle:supervisors",
                "process_lifecycle:{component}",
            ),
        ),
    }
)

_BY_NAME: Final = {name: instance for instance in Instance for name in (instance.value, instance.full_name)}


def parse_instance(value: Any) -> Instance:
    """The instance of a short name, a full name or an instance itself; else InvalidArgumentError."""
    instance = _BY_NAME.get(value) if isinstance(value, str) else None
    if instance is None:
        raise InvalidArgumentError("instance", f"one of {', '.join(Instance)}, not {value!r}")
    return instance
