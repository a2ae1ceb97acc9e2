"""The requirements that a plain map must meet before a record is made of it.

Each check raises ValidationError: `field` is the first name concerned, `reason` the code of the check and `names` all
names concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from gater.model.errors import ValidationError

MISSING_FIELDS: Final = "missing_fields"
INVALID_NODE_FIELDS: Final = "invalid_node_fields"
INVALID_TIMESTAMP: Final = "invalid_timestamp"

NODE_FIELDS: Final = ("node", "originating_node", "reporting_node")
"""The fields that name a node, wherever they occur."""

REQUIRED_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "node_health_updated": ("node", "status", "timestamp"),
    "cluster_health_updated": ("status", "healthy_nodes", "total_nodes", "timestamp"),
    "component_health_updated": ("component", "node", "status", "timestamp"),
    "health_check_completed": ("check_name", "node", "result", "timestamp"),
    "system_config_changed": ("component", "changes", "timestamp"),
    "system_lifecycle_event": ("event", "system_name", "version", "node", "timestamp"),
    "feature_toggle_changed": ("feature", "enabled", "changed_by", "node", "timestamp"),
}
"""By tag, the fields that messages of health and system must have; None counts as missing."""


def validate_message_fields(message: Mapping[str, Any], required: Iterable[str]) -> None:
    """Raises `missing_fields` unless each of these fields has a value."""
    _refuse(MISSING_FIELDS, [name for name in required if message.get(name) is None])


def validate_node_fields(message: Mapping[str, Any]) -> None:
    """Raises `invalid_node_fields` unless the fields that name a node, as far as they are there, hold a name."""
    present = [name for name in NODE_FIELDS if name in message]
    _refuse(INVALID_NODE_FIELDS, [name for name in present if not _is_name(message[name])])


def validate_timestamp(message: Mapping[str, Any]) -> None:
    """Raises `invalid_timestamp` when there is a timestamp that is no date and time."""
    stamp = message.get("timestamp")
    if stamp is not None and not isinstance(stamp, datetime):
        raise ValidationError("timestamp", INVALID_TIMESTAMP, names=["timestamp"], cause="not_datetime")


def validate_common(message: Mapping[str, Any], required: Iterable[str] = ()) -> None:
    """The three checks, in this order: fields, nodes, timestamp."""
    validate_message_fields(message, required)
    validate_node_fields(message)
    validate_timestamp(message)


def validate_as(tag: str, message: Mapping[str, Any]) -> None:
    """`validate_common` with the fields that messages of this tag must have."""
    validate_common(message, REQUIRED_FIELDS.get(tag, ("timestamp",)))


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _refuse(code: str, names: list[str]) -> None:
    if names:
        raise ValidationError(names[0], code, names=names)
