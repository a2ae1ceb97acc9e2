"""Judges the parts of a node by what they did lately: writes and reads, subscriptions, checks of stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gater.monitoring.announcements import Announcements
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


class Work(NamedTuple):
    """The work of a time: its amount, the amount that failed, and the seconds that it took."""

    times: int
    failures: int
    seconds: float = 0.0

    def since(self, before: Work) -> Work:
        """The work after `before`; all of it when the counting has begun anew."""
        if self.times < before.times:
            return self
        return Work(self.times - before.times, self.failures - before.failures, self.seconds - before.seconds)


class ComponentMonitor:
    """Looks at the figures of a node, and tells how its parts are doing."""

    def __init__(
        self, announcements: Announcements, metrics: Metrics, concerns: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        """`concerns`: each store and what is wrong with it although it is running (empty: nothing)."""
        self._concerns = concerns
        self._announcements = announcements
        self._metrics = metrics
        self._before: dict[str, Work] = {}
        self._slow_before: dict[str, int] = {}
        """By store, how many writes had been slow when it was last looked."""
        self._checked = Work(0, 0)

    def verified(self, sound: bool) -> None:
        """A store was checked."""
        self._checked = Work(self._checked.times + 1, self._checked.failures + (not sound))

    def look(self) -> None:
        """Give an alert for each store whose writes took too long recently, or with which something is wrong."""
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
                self._announcements.slow_write(store, SLOW_WRITE_SECONDS)
            self._slow_before[store] = slow

    def tell(self) -> None:
        """Tell how each part is doing, by what it did since this was last told."""
        for component, status, facts in self._judged():
            self._announcements.component_health(component, status, facts)

    def _judged(self) -> Iterator[tuple[str, Health, dict[str, Any]]]:
        writes, reads = self._since("writes", self._calls(WRITES)), self._since("reads", self._calls(READS))
        write_errors, read_errors = (error_rate(work.failures, work.times) for work in (writes, reads))
        seconds = writes.seconds / writes.times if writes.times else 0.0
        facts = {"write_error_rate": write_errors, "read_error_rate": read_errors, "write_seconds": seconds}
        yield "streams", store_health(write_errors, read_errors, seconds), facts
        deliveries = self._since("deliveries", self._deliveries())
        errors = error_rate(deliveries.failures, deliveries.times)
        yield "subscriptions", subscription_health(errors), {"error_rate": errors}
        checked = self._checked
        passed = checked.times - checked.failures
        yield "consistency", consistency_health(passed, checked.times), {"checks": checked.times, "passed": passed}

    def _since(self, what: str, now: Work) -> Work:
        since = now.since(self._before.get(what, Work(0, 0)))
        self._before[what] = now
        return since

    def _calls(self, operations: frozenset[str]) -> Work:
        found = [calls for calls in self._metrics.calls if calls.operation in operations]
        return Work(
            sum(calls.durations.count for calls in found),
            sum(calls.failures for calls in found),
            sum(calls.durations.seconds for calls in found),
        )

    def _deliveries(self) -> Work:
        """All deliveries; one that was made again speaks of one that failed."""
        found = self._metrics.sources.subscription_sums().values()
        return Work(sum(sums.delivered for sums in found), sum(sums.redelivered for sums in found))
