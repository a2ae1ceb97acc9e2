"""Announcements about the system as a whole, on ex_esdb_system: configuration, start and stop, and feature toggles."""

from __future__ import annotations

from dataclasses import KW_ONLY, field
from typing import Final, Literal, TypeAlias

from gater.messages.channel import Broadcaster, secure_broadcaster, secure_validator
from gater.messages.field_rules import Map, Symbol
from gater.messages.origin import self_node
from gater.messages.records import Record, record

INSTANCE: Final = "ex_esdb_system"
SystemState: TypeAlias = Literal["starting", "started", "stopping", "stopped"]

TOPICS: Final = ("config", "lifecycle", "features")


@record(INSTANCE, "system_config_changed")
class SystemConfig(Record):
    """The configuration of a component has changed."""

    component: Symbol
    changes: Map
    _: KW_ONLY
    previous_config: Map | None = None
    changed_by: str = "system"
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "system_lifecycle_event")
class SystemLifecycle(Record):
    """A system starts or stops."""

    event: SystemState
    system_name: Symbol
    version: str
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)


@record(INSTANCE, "feature_toggle_changed")
class FeatureToggle(Record):
    """A feature was turned on or off."""

    feature: Symbol
    enabled: bool
    previous_state: bool
    changed_by: str
    _: KW_ONLY
    node: Symbol = field(default_factory=self_node)


system_config = SystemConfig
system_lifecycle = SystemLifecycle
feature_toggle = FeatureToggle

broadcast_system_config = Broadcaster(SystemConfig)
broadcast_system_lifecycle = Broadcaster(SystemLifecycle)
broadcast_feature_toggle = Broadcaster(FeatureToggle)

secure_broadcast = secure_broadcaster(INSTANCE)
validate_secure_message = secure_validator(INSTANCE)
