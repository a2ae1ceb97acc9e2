"""Alerts and diagnostics about slow and failed calls of the API."""

from __future__ import annotations

from gater.messages import diagnostics
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance
from gater.telemetry.calls import CallTrouble, SlowCall


class CallMonitor:
    """Takes the signals of the metrics, each with an alert and a record on the diagnostics instance."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements

    def report(self, trouble: CallTrouble) -> None:
        """Announce a slow or a failed call."""
        operation, seconds = trouble.operation, trouble.seconds
        if isinstance(trouble, SlowCall):
            text = f"{operation} took {seconds:.1f} s"
            self._announcements.alert("warning", "performance", "slow call", text, operation)
            self._announcements.publish(
                Instance.DIAGNOSTICS,
                "diagnostics:performance_trace",
                lambda: diagnostics.debug_trace(
                    "api", operation, {"seconds": round(seconds, 3)}, duration_ms=round(seconds * 1_000)
                ),
            )
            return
        code, text = trouble.code, f"{operation} ended in {trouble.code}"
        self._announcements.alert("error", "system", code, text, operation)
        self._announcements.publish(
            Instance.DIAGNOSTICS,
            f"diagnostics:errors:{operation}",
            lambda: diagnostics.error_analysis(code, text, context={"operation": operation}),
        )
