"""The watch over the parts of a node: what they did lately, and how that is judged."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gater.api import operations as op
from gater.messages.records import Record
from gater.model.stores import VerifyReport
from gater.monitoring.component_monitor import READS, WRITES, ComponentMonitor
from gater.pubsub.instances import Instance
from gater.store.log_stats import LogStats
from gater.telemetry.metrics import Metrics
from gater.telemetry.sources import Sources
from tests.unit.telemetry.hands import Clock, begin, end


class Told:
    """Stands for the announcements."""

    node = "n@h"

    def __init__(self) -> None:
        self.health: dict[str, tuple[str, dict[str, Any]]] = {}
        self.checks: list[tuple[str, dict[str, Any]]] = []
        self.alerts: list[tuple[str, str]] = []

    def alert(self, severity: str, category: str, title: str, description: str, source: str) -> None:
        self.alerts.append((source, description))

    def component_health(self, component: str, status: str, details: dict[str, Any]) -> None:
        self.health[component] = status, details

    def publish(self, instance: Instance, topic: str, make: Callable[[], Record]) -> None:
        self.checks.append((topic, make().to_dict()))


class Watched:
    """A node whose figures the test makes."""

    def __init__(self) -> None:
        self.told, self.clock = Told(), Clock()
        self.log = LogStats()
        self.deliveries = SimpleNamespace(delivered=0, redelivered=0)
        sources = Sources(logs=lambda: {"orders": self.log}, subscription_sums=lambda: {"orders": self.deliveries})  # type: ignore[dict-item,return-value]
        self.metrics = Metrics("n@h", sources, clock=self.clock, now=self.clock.now)
        self.concerns = {"orders": "", "stock": ""}
        self.watch = ComponentMonitor(self.told, self.metrics, lambda: self.concerns)  # type: ignore[arg-type]

    def call(self, operation: str, times: int = 1, seconds: float = 0.001, code: str | None = None) -> None:
        for _ in range(times):
            call = begin(self.metrics.calls, operation)
            self.clock.move(seconds)
            end(call, code)

    def status(self, component: str) -> str:
        self.watch.report()
        return self.told.health[component][0]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_writes_and_reads_are_operations() -> None:
    names = {operation.name for operation in vars(op).values() if isinstance(getattr(operation, "name", None), str)}
    assert names >= WRITES | READS
    assert not WRITES & READS


@pytest.mark.parametrize("operation", ["append_streams", "read_all"])
@pytest.mark.parametrize(("failed", "status"), [(0, "healthy"), (3, "degraded"), (10, "unhealthy")])
def test_streams_are_judged_by_their_failures(watched: Watched, operation: str, failed: int, status: str) -> None:
    watched.call(operation, 100 - failed)
    watched.call(operation, failed, code="store_unavailable")
    watched.call("get_metrics", 50, code="internal_error")
    assert watched.status("streams") == status


def test_refusals_do_not_speak_against_streams(watched: Watched) -> None:
    watched.call("append_streams", 10, code="wrong_expected_version")
    assert watched.status("streams") == "healthy"


@pytest.mark.parametrize(("seconds", "status"), [(1, "healthy"), (6, "degraded"), (16, "unhealthy")])
def test_streams_are_judged_by_how_long_a_write_takes(watched: Watched, seconds: float, status: str) -> None:
    watched.call("append_streams", 4, seconds)
    watched.call("read_all", 4, 100)
    assert watched.status("streams") == status
    assert watched.told.health["streams"][1] == {
        "write_error_rate": 0.0,
        "read_error_rate": 0.0,
        "write_seconds": pytest.approx(seconds),
    }


def test_what_is_judged_is_what_came_since_the_last_time(watched: Watched) -> None:
    watched.call("append_streams", 10, code="overloaded")
    assert watched.status("streams") == "unhealthy"
    assert watched.status("streams") == "healthy"
    watched.call("append_streams", 3)
    watched.metrics.reset_metrics()
    watched.call("append_streams", 1, code="overloaded")
    assert watched.status("streams") == "unhealthy"


@pytest.mark.parametrize(("again", "status"), [(0, "healthy"), (3, "degraded"), (10, "unhealthy")])
def test_subscriptions_are_judged_by_what_had_to_be_delivered_again(watched: Watched, again: int, status: str) -> None:
    watched.deliveries.delivered, watched.deliveries.redelivered = 100, again
    assert watched.status("subscriptions") == status
    assert watched.told.health["subscriptions"][1] == {"error_rate": again / 100}
    assert watched.status("subscriptions") == "healthy"


def test_consistency_is_judged_by_the_checks_that_were_made(watched: Watched) -> None:
    watched.watch.report()
    assert "consistency" not in watched.told.health, "it is not known"
    for _ in range(9):
        watched.watch.verified(VerifyReport("orders", 7, 1, 7), 1.25)
    assert watched.status("consistency") == "healthy"
    watched.watch.verified(VerifyReport("orders", 7, 1, 7, ("a gap",)), 0.0)
    assert watched.status("consistency") == "degraded"
    assert watched.told.health["consistency"][1] == {"checks": 10, "passed": 9}


def test_a_verification_is_announced_as_a_health_check(watched: Watched) -> None:
    watched.watch.verified(VerifyReport("orders", 7, 1, 7), 1.25)
    watched.watch.verified(VerifyReport("orders", 7, 1, 7, ("a gap",)), 0.0)
    (topic, sound), (_, damaged) = watched.told.checks
    assert (topic, sound["check_name"], sound["node"]) == ("health_checks:verify:orders", "verify:orders", "n@h")
    assert (sound["result"], sound["duration_ms"]) == ("pass", 1_250)
    assert (damaged["result"], damaged["details"]) == ("fail", {"events": 7, "problems": ["a gap"]})


def test_a_slow_write_is_told_once(watched: Watched) -> None:
    watched.log.committed(1, 9.9)
    watched.watch.check()
    assert watched.told.alerts == []
    watched.log.committed(1, 10.1)
    for _ in range(3):
        watched.watch.check()
    assert watched.told.alerts == [("orders", "a write to orders took more than 10 s")]
    watched.log.committed(1, 30)
    watched.watch.check()
    assert len(watched.told.alerts) == 2


def test_a_store_whose_log_does_not_get_shorter_is_degraded_with_an_alert(watched: Watched) -> None:
    watched.watch.check()
    assert not watched.told.alerts
    watched.concerns["stock"] = "the write-ahead log has grown"
    watched.watch.check()
    assert watched.told.alerts == [("stock", "the write-ahead log has grown")]
    assert watched.told.health == {"stock": ("degraded", {"reason": "the write-ahead log has grown"})}
