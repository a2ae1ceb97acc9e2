"""Acts and their actors, for the record: the messages on ex_esdb_audit."""

from __future__ import annotations

from dataclasses import KW_ONLY, field
from typing import Final, Literal

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Symbol
from gater.messages.origin import self_node
from gater.messages.records import Record, record

INSTANCE: Final = "ex_esdb_audit"
TOPICS: Final = ("data_changes", "admin_actions", "access_logs", "compliance")


@record(INSTANCE, "data_change")
class DataChange(Record):
    """A change or a read of data."""

    user_id: str
    resource_type: str
    resource_id: str
    action: Literal["create", "update", "delete", "read"]
    _: KW_ONLY
    changes: Map = field(default_factory=dict)
    """Before and after."""
    metadata: Map = field(default_factory=dict)
    source_ip: str | None = None
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "admin_action")
class AdminAction(Record):
    """An administrator has done something."""

    admin_user_id: str
    action_type: Literal["user_created", "user_deleted", "permissions_changed", "config_updated"]
    target_resource: str
    _: KW_ONLY
    details: Map = field(default_factory=dict)
    justification: str | None = None
    source_ip: str | None = None
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "access_log")
class AccessLog(Record):
    """An access to a resource, or an attempt."""

    user_id: str
    resource_type: str
    resource_id: str
    action: str
    success: bool
    _: KW_ONLY
    duration_ms: int | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "compliance_event")
class ComplianceEvent(Record):
    """A rule about data was applied or broken."""

    event_type: Literal["data_retention", "data_export", "data_deletion", "policy_violation"]
    compliance_rule: str
    affected_data: Map
    action_taken: str
    _: KW_ONLY
    user_id: str | None = None
    automated: bool = False
    metadata: Map = field(default_factory=dict)
    node: Symbol = field(default_factory=self_node)


data_change = DataChange
admin_action = AdminAction
access_log = AccessLog
compliance_event = ComplianceEvent

broadcast_data_change = Broadcaster(DataChange)
broadcast_admin_action = Broadcaster(AdminAction)
broadcast_access_log = Broadcaster(AccessLog)
broadcast_compliance_event = Broadcaster(ComplianceEvent)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
