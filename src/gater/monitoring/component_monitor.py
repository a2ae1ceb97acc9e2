"""A monitor of the parts of a node by their recent figures: writes and reads, subscriptions, checks of stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gater.messages import health
from gater.model.stores import VerifyReport
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance
from gater.telemetry.health_rules import (
    SLOW_WRITE_SECONDS,
    Health,
    consistency_health,
    error_rate,
    store_health,
    subscription_health,
)
from gater.telemetry.metrics import Metrics

WRITES: Final = frozenset(
    {
        "append_streams",
        "delete_snapshot",
        "delete_stream",
        "import_events",
        "record_snapshot",
        "truncate_stream",
    }
)
"""Operations that are answered when what they write is durable."""
READS: Final = frozenset({"get_streams", "get_version", "list_snapshots", "read_all", "read_snapshot", "read_stream"})
"""Operations that are answered with what was written."""


class OperationTotals(NamedTuple):
    """The number of times something was done, that of its failures, and the seconds that it took."""

    times: int
    failures: int
    seconds: float = 0.0

    def since(self, before: OperationTotals) -> OperationTotals:
        """The totals after `before`; all of them when the counting has begun anew."""
        if self.times < before.times:
            return self
        return OperationTotals(
            self.times - before.times, self.failures - before.failures, self.seconds - before.seconds
        )


class ComponentMonitor:
    """Judges the parts of a node by its figures."""

    def __init__(
        self, announcements: Announcements, metrics: Metrics, concerns: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        """`concerns`: each store and what is wrong with it although it is running (empty: nothing)."""
        self._concerns = concerns
        self._announcements = announcements
        self._metrics = metrics
        self._before: dict[str, OperationTotals] = {}
        self._slow_before: dict[str, int] = {}
        """By store, the number of slow writes at the last check."""
        self._verified = OperationTotals(0, 0)

    def verified(self, report: VerifyReport, seconds: float) -> None:
        """Count the verification of a store, and announce its outcome."""
        self._verified = OperationTotals(self._verified.times + 1, self._verified.failures + (not report.ok))
        name = f"verify:{report.store}"
        facts = {"events": report.events, "problems": list(report.problems)}
        self._announcements.publish(
            Instance.HEALTH,
            f"health_checks:{name}",
            lambda: health.health_check(
                name,
                self._announcements.node,
                "pass" if report.ok else "fail",
                duration_ms=round(seconds * 1_000),
                details=facts,
            ),
        )

    def check(self) -> None:
        """Give an alert for each store with a concern or a slow write, and for each full subscription."""
        for store, concern in self._concerns().items():
            if concern:
                self._announcements.alert("warning", "data", f"store {store} needs attention", concern, store)
                self._announcements.component_health(store, "degraded", {"reason": concern})
        for store, info in self._metrics.sources.full_subscriptions():
            source = f"{store}/{info.name}"
            self._announcements.alert("warning", "data", "a subscription is full", info.reason, source)
        for store, log in self._metrics.sources.logs().items():
            slow = log.commit_durations.count_above(SLOW_WRITE_SECONDS)
            if slow > self._slow_before.get(store, 0):
                text = f"a write to {store} took more than {SLOW_WRITE_SECONDS:.0f} s"
                self._announcements.alert("warning", "performance", "slow write", text, store)
            self._slow_before[store] = slow

    def report(self) -> None:
        """Publish the health of each part by its figures since the last report; none where it is unknown."""
        for component, status, facts in self._judged():
            if status != "unknown":
                self._announcements.component_health(component, status, facts)

    def _judged(self) -> Iterator[tuple[str, Health, dict[str, Any]]]:
        writes, reads = self._since("writes", self._calls(WRITES)), self._since("reads", self._calls(READS))
        write_errors, read_errors = (error_rate(totals.failures, totals.times) for totals in (writes, reads))
        seconds = writes.seconds / writes.times if writes.times else 0.0
        facts = {"write_error_rate": write_errors, "read_error_rate": read_errors, "write_seconds": seconds}
        yield "streams", store_health(write_errors, read_errors, seconds), facts
        deliveries = self._since("deliveries", self._deliveries())
        errors = error_rate(deliveries.failures, deliveries.times)
        yield "subscriptions", subscription_health(errors), {"error_rate": errors}
        verified = self._verified
        passed = verified.times - verified.failures
        yield "consistency", consistency_health(passed, verified.times), {"checks": verified.times, "passed": passed}

    def _since(self, name: str, now: OperationTotals) -> OperationTotals:
        since = now.since(self._before.get(name, OperationTotals(0, 0)))
        self._before[name] = now
        return since

    def _calls(self, operations: frozenset[str]) -> OperationTotals:
        found = [calls for calls in self._metrics.calls if calls.operation in operations]
        return OperationTotals(
            sum(calls.durations.count for calls in found),
            sum(calls.failures for calls in found),
            sum(calls.durations.seconds for calls in found),
        )

    def _deliveries(self) -> OperationTotals:
        """All deliveries; one that was made again stands for one that failed."""
        found = self._metrics.sources.subscription_sums().values()
        return OperationTotals(sum(sums.delivered for sums in found), sum(sums.redelivered for sums in found))
