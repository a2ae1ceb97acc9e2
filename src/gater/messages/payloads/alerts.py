"""Alerts and their handling: the messages on ex_esdb_alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Symbol
from gater.messages.origin import new_id, self_node
from gater.messages.records import Record, derived, record

INSTANCE: Final = "ex_esdb_alerts"
Severity: TypeAlias = Literal["info", "warning", "error", "critical"]
Category: TypeAlias = Literal["system", "performance", "security", "data", "network"]

TOPICS: Final = ("critical", "warnings", "notifications", "escalations")


@record(INSTANCE, "system_alert")
class SystemAlert(Record):
    """Something needs attention."""

    severity: Severity
    category: Category
    title: str
    description: str
    source: str
    _: KW_ONLY
    alert_id: str = field(default_factory=new_id)
    node: Symbol = field(default_factory=self_node)
    metadata: Map = field(default_factory=dict)
    requires_ack: bool = derived(lambda alert: alert.severity in ("error", "critical"))
    """True for errors and what is critical, unless it is given."""


@record(INSTANCE, "alert_acknowledged")
class AlertAck(Record):
    """The acknowledgement of an alert by an operator."""

    alert_id: str
    ack_by: str
    _: KW_ONLY
    ack_note: str | None = None
    resolution: str | None = None
    ack_timestamp: datetime = derived(lambda ack: ack.timestamp)


@record(INSTANCE, "alert_escalated")
class AlertEscalation(Record):
    """An alert has moved to another level."""

    alert_id: str
    from_level: Literal["level1", "level2", "level3"]
    to_level: Literal["level1", "level2", "level3"]
    escalation_reason: str
    _: KW_ONLY
    escalated_by: str = "system"
    notify_contacts: Sequence[str] = ()


@record(INSTANCE, "notification_status")
class NotificationStatus(Record):
    """The result of a notification about an alert."""

    alert_id: str
    delivery_method: Literal["email", "sms", "webhook", "push"]
    recipient: str
    status: Literal["sent", "delivered", "failed", "bounced"]
    _: KW_ONLY
    error_reason: str | None = None
    attempts: int = 1


system_alert = SystemAlert
alert_ack = AlertAck
alert_escalation = AlertEscalation
notification_status = NotificationStatus

broadcast_system_alert = Broadcaster(SystemAlert)
broadcast_alert_ack = Broadcaster(AlertAck)
broadcast_alert_escalation = Broadcaster(AlertEscalation)
broadcast_notification_status = Broadcaster(NotificationStatus)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
