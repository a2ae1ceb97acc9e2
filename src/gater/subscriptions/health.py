"""The health of a store's subscriptions: the recent events of each, its status, and the messages about it.

The events, the statuses they lead to and the shape of what is told are those of the reference, sections 3.8 and 3.9;
`subscription_full` is one more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gater.model.errors import NotFoundError
from gater.model.subscriptions import HealthStatus, SubscriptionHealth

STATUS_OF: Final[Mapping[str, HealthStatus]] = {
    "registration_started": "registering",
    "registration_success": "healthy",
    "registration_failed": "failed",
    "proxy_started": "healthy",
    "proxy_stopped": "failed",
    "proxy_crashed": "failed",
    "circuit_breaker_opened": "degraded",
    "circuit_breaker_closed": "healthy",
    "subscription_full": "degraded",
    "event_delivery_success": "healthy",
    "event_delivery_failed": "degraded",
    "periodic_heartbeat": "healthy",
}
"""The status that each event leads to; any other leads to `unknown`."""
ERRORS: Final = frozenset({"registration_failed", "proxy_crashed", "circuit_breaker_opened", "event_delivery_failed"})
"""The events that count as errors."""
BAD: Final = frozenset({"failed", "degraded"})
"""The statuses in which nothing is broadcast for a subscription."""
FAILURES_IN_A_ROW: Final = 5
"""Failed deliveries after which the circuit breaker of a subscription opens; one that succeeds closes it."""


class HealthTracker:
    """Follows what happens to the subscriptions of one store; told the time, it reads no clock."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._known: dict[str, SubscriptionHealth] = {}
        self._failures: Counter[str] = Counter()

    def note(self, name: str, event: str, now: int, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take in an event; returns what is to be told of it."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = SubscriptionHealth(name)
        known.current_status = STATUS_OF.get(event, "unknown")
        known.last_seen, known.last_event = now, event
        known.event_count += 1
        if event in ERRORS:
            known.error_count += 1
            known.last_error = event
        return self.message(name, event, now, metadata)

    def message(self, name: str, event: str, now: int, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The message about an event: the envelope that health and metrics share."""
        return {
            "store_id": self._store,
            "subscription_name": name,
            "event_type": event,
            "timestamp": now,
            "metadata": dict(metadata or {}),
        }

    def delivery_failed(self, name: str) -> str:
        """The event that a failed delivery is."""
        self._failures[name] += 1
        return "circuit_breaker_opened" if self._failures[name] == FAILURES_IN_A_ROW else "event_delivery_failed"

    def delivery_succeeded(self, name: str) -> str | None:
        """The event that a delivery is which succeeded; None when the one before did, too."""
        failures = self._failures.pop(name, 0)
        if not failures:
            return None
        return "circuit_breaker_closed" if failures >= FAILURES_IN_A_ROW else "event_delivery_success"

    def status(self, name: str) -> HealthStatus:
        """The status of a subscription; `unknown` for one that nothing has happened to."""
        known = self._known.get(name)
        return "unknown" if known is None else known.current_status

    def get(self, name: str) -> SubscriptionHealth:
        """The health of a subscription; NotFoundError when nothing is known of it."""
        known = self._known.get(name)
        if known is None:
            raise NotFoundError("subscription health", name)
        return msgspec.structs.replace(known)

    def names(self) -> list[str]:
        """The subscriptions that are followed, in order."""
        return sorted(self._known)

    def forget(self, name: str) -> None:
        """The subscription is gone."""
        self._known.pop(name, None)
        self._failures.pop(name, None)

    def summary(self, now: int) -> dict[str, Any]:
        """The number of subscriptions in each status."""
        counts = Counter(known.current_status for known in self._known.values())
        return {
            "store_id": self._store,
            "total_subscriptions": len(self._known),
            "healthy": counts["healthy"],
            "degraded": counts["degraded"],
            "failed": counts["failed"],
            "registering": counts["registering"],
            "unknown": counts["unknown"],
            "timestamp": now,
        }
