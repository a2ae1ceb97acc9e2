"""System messages: nine kinds of announcements, signed and checked in one way."""

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

__all__ = ["alerts", "audit", "diagnostics", "health", "lifecycle", "logs", "metrics", "security", "system"]
