"""System messages: nine kinds of announcements, signed and checked in one way."""

from gater.messages.catalog import (
    all_modules,
    instance_to_module_map,
    module_for_instance,
    supported_instances,
    validate_message,
)
from gater.messages.payloads import (
    alerts,
    audit,
    diagnostics,
    health,
    lifecycle,
    logs,
    metrics,
    security,
    system,
)

__all__ = [
    "alerts",
    "all_modules",
    "audit",
    "diagnostics",
    "health",
    "instance_to_module_map",
    "lifecycle",
    "logs",
    "metrics",
    "module_for_instance",
    "security",
    "supported_instances",
    "system",
    "validate_message",
]
