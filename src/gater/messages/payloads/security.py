"""Authentication, refused access and suspicious activity: the messages on ex_esdb_security."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, field
from typing import Final, Literal

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Symbol
from gater.messages.origin import self_node
from gater.messages.records import Record, record

INSTANCE: Final = "ex_esdb_security"
TOPICS: Final = ("auth_events", "access_violations", "security_alerts", "session_events")


@record(INSTANCE, "auth_event")
class AuthEvent(Record):
    """An authentication, or a failed one."""

    user_id: str
    event_type: Literal["login_success", "login_failure", "logout", "token_refresh"]
    auth_method: Literal["password", "token", "certificate", "oauth"]
    _: KW_ONLY
    source_ip: str | None = None
    user_agent: str | None = None
    node: Symbol = field(default_factory=self_node)
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "access_violation")
class AccessViolation(Record):
    """An attempt to do what the caller is not allowed to do."""

    violation_type: Literal["unauthorized_access", "permission_denied", "rate_limit_exceeded", "invalid_token"]
    resource: str
    action: str
    _: KW_ONLY
    user_id: str | None = None
    source_ip: str | None = None
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "security_alert")
class SecurityAlert(Record):
    """Something looks like an attack or a breach."""

    alert_type: Literal["brute_force", "suspicious_activity", "policy_violation", "data_breach"]
    severity: Literal["low", "medium", "high", "critical"]
    description: str
    _: KW_ONLY
    affected_users: Sequence[str] = ()
    source_ip: str | None = None
    node: Symbol = field(default_factory=self_node)
    metadata: Map = field(default_factory=dict)


@record(INSTANCE, "session_event")
class SessionEvent(Record):
    """A session has begun or ended."""

    session_id: str
    user_id: str
    event_type: Literal["created", "destroyed", "expired", "invalidated"]
    _: KW_ONLY
    duration_ms: int | None = None
    source_ip: str | None = None
    node: Symbol = field(default_factory=self_node)


auth_event = AuthEvent
access_violation = AccessViolation
security_alert = SecurityAlert
session_event = SessionEvent

broadcast_auth_event = Broadcaster(AuthEvent)
broadcast_access_violation = Broadcaster(AccessViolation)
broadcast_security_alert = Broadcaster(SecurityAlert)
broadcast_session_event = Broadcaster(SessionEvent)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
