"""The watch over a node: what it sees of stores, calls and resources, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gater.messages.field_rules import thawed
from gater.messages.payloads.health import NodeHealth
from gater.messages.payloads.lifecycle import ProcessLifecycle
from gater.messages.payloads.metrics import LatencyMetric, ResourceUsage
from gater.messages.records import Record
from gater.monitoring import node_monitor as module
from gater.monitoring import ticker
from gater.monitoring.node_monitor import CHECK_SECONDS, NodeMonitor
from gater.pubsub.instances import Instance
from gater.telemetry.metrics import UPDATE_SECONDS, Metrics
from gater.telemetry.process import ProcessFigures
from tests.unit.hand_loop import HandLoop
from tests.unit.telemetry.hands import Clock, Ears, begin, end

HEALTH_KEYS = ("status", "api_health", "worker_pool_health", "cluster_health")


FIELDS: dict[type[Record], tuple[str, tuple[str, ...]]] = {
    ProcessLifecycle: ("store_state", ("name", "event", "reason")),
    NodeHealth: ("node_health", ("status", "checks", "load_avg", "memory_usage", "disk_usage")),
    ResourceUsage: ("resource", ("resource_type", "usage_percent", "total_available", "current_used")),
    LatencyMetric: ("latency", ("operation", "latency_ms", "sample_count")),
}
"""How the tests name a record, and the fields that they look at."""


class Told:
    """Stands for the announcements: keeps what is announced."""

    node = "n@h"

    def __init__(self) -> None:
        self.all: list[tuple[str, tuple[Any, ...]]] = []

    def publish(self, instance: Instance, topic: str, make: Callable[[], Record]) -> None:
        record = make()
        assert record.instance == instance.full_name
        name, fields = FIELDS[type(record)]
        self.all.append((name, tuple([thawed(getattr(record, field)) for field in fields])))

    def log_event(self, *arguments: Any) -> None:
        """Tested with the announcements."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.all.append((name, arguments))

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        """The arguments of what was told under these names; everything is forgotten."""
        found = [(name, *arguments) if len(names) > 1 else arguments for name, arguments in self.all if name in names]
        self.all.clear()
        return found


class Part:
    """Stands for a watch over a part of the node: counts how often it is asked to do its work."""

    def __init__(self) -> None:
        self.checks = self.reports = 0

    def check(self) -> None:
        self.checks += 1

    def report(self) -> None:
        self.reports += 1


class Watch:
    """A monitor, and all that it watches."""

    def __init__(self, loop: HandLoop, folder: Path | None) -> None:
        self.loop = loop
        self.told, self.ears, self.clock = Told(), Ears(), Clock()
        self.metrics = Metrics("n@h", tell=self.ears, clock=self.clock, now=self.clock.now)
        self.troubles: dict[str, str] = {"orders": "", "stock": ""}
        self.part = Part()
        self.broken = SimpleNamespace(check=lambda: None, report=lambda: None)
        self.monitor = NodeMonitor(
            self.told,  # type: ignore[arg-type]
            self.metrics,
            lambda: self.troubles,
            folder,
            [self.broken, self.part],  # type: ignore[list-item]
        )

    def call(self, operation: str, times: int, seconds: float) -> None:
        for _ in range(times):
            call = begin(self.metrics.calls, operation)
            self.clock.move(seconds)
            end(call)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> HandLoop:
    return HandLoop().installed(monkeypatch, ticker)


@pytest.fixture
def watch(loop: HandLoop, tmp_path: Path) -> Watch:
    return Watch(loop, tmp_path)


def failing(*_: Any) -> Any:
    raise ZeroDivisionError("a defect")


def use_process(monkeypatch: pytest.MonkeyPatch, memory: int, open_files: int) -> None:
    monkeypatch.setattr(module, "process_figures", lambda: ProcessFigures(memory, 100, 1, 1, open_files, 100))


def use_disk(monkeypatch: pytest.MonkeyPatch, percent: int) -> None:
    usage = SimpleNamespace(total=1_000, used=10 * percent, free=1_000 - 10 * percent)
    monkeypatch.setattr("gater.monitoring.node_monitor.shutil.disk_usage", lambda _: usage)


# --- stores ---


def test_trouble_of_a_store_is_told_once(watch: Watch) -> None:
    watch.loop.move(CHECK_SECONDS)
    assert watch.told.all == []
    watch.troubles["orders"] = "the disk is full"
    watch.loop.move(CHECK_SECONDS)
    assert watch.told.all == [
        ("alert", ("critical", "data", "store orders takes no writes", "the disk is full", "orders")),
        ("component_health", ("orders", "unhealthy", {"reason": "the disk is full"})),
        ("store_state", ("orders", "crashed", "the disk is full")),
    ]
    watch.told.all.clear()
    watch.loop.move(5 * CHECK_SECONDS)
    assert watch.told.all == []


def test_recovery_of_a_store_is_told_once(watch: Watch) -> None:
    watch.troubles["orders"] = "the disk is full"
    watch.loop.move(CHECK_SECONDS)
    watch.told.all.clear()
    watch.troubles["orders"] = ""
    watch.loop.move(5 * CHECK_SECONDS)
    assert watch.told.all == [
        ("component_health", ("orders", "healthy", {"recovered_from": "the disk is full"})),
        ("store_state", ("orders", "restarted", None)),
    ]


def test_a_store_that_is_in_trouble_from_the_beginning_is_told(loop: HandLoop) -> None:
    watch = Watch(loop, None)
    watch.troubles = {"orders": "the file is damaged"}
    loop.move(CHECK_SECONDS)
    assert watch.told.of("store_state") == [("orders", "crashed", "the file is damaged")]


def test_a_store_that_is_removed_in_trouble_is_forgotten(watch: Watch) -> None:
    watch.troubles["orders"] = "the disk is full"
    watch.loop.move(CHECK_SECONDS)
    watch.told.all.clear()
    del watch.troubles["orders"]
    watch.loop.move(CHECK_SECONDS)
    assert watch.told.all == []
    watch.troubles["orders"] = "the disk is full"
    watch.loop.move(CHECK_SECONDS)
    assert watch.told.of("store_state") == [("orders", "crashed", "the disk is full")]


def test_other_watches_look_and_tell_with_it(watch: Watch) -> None:
    watch.loop.move(3 * CHECK_SECONDS)
    assert (watch.part.checks, watch.part.reports) == (3, 0)
    watch.loop.move(UPDATE_SECONDS)
    assert watch.part.reports == 1


def test_it_looks_every_second_and_tells_every_thirty() -> None:
    assert (CHECK_SECONDS, UPDATE_SECONDS) == (1, 30)


# --- every so often ---


def test_how_the_node_and_its_stores_are_is_told_every_so_often(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    use_process(monkeypatch, 40, 1)
    use_disk(monkeypatch, 50)
    monkeypatch.setattr("gater.monitoring.node_monitor.os.getloadavg", lambda: (0.25, 0.0, 0.0))
    watch.loop.move(CHECK_SECONDS)
    watch.troubles["stock"] = "the disk is full"
    watch.loop.move(CHECK_SECONDS)
    watch.told.all.clear()
    watch.loop.move(UPDATE_SECONDS - 2 * CHECK_SECONDS)
    checks = {"api_health": "healthy", "worker_pool_health": "unknown", "cluster_health": "healthy"}
    assert watch.told.of("node_health", "component_health", "resource", "alert") == [
        ("node_health", watch.metrics.get_health()["status"], checks, 0.25, 40.0, 50.0),
        ("component_health", "orders", "healthy", {"reason": ""}),
        ("component_health", "stock", "unhealthy", {"reason": "the disk is full"}),
        ("resource", "memory", 40.0, 100, 40),
        ("resource", "disk", 50.0, 1_000, 500),
    ]
    assert [body["type"] for body in watch.ears.on("gater:metrics")] == ["metrics_update"]
    watch.loop.move(UPDATE_SECONDS)
    assert len(watch.told.of("node_health")) == 1


@pytest.mark.parametrize(("percent", "severity"), [(75, None), (80, "warning"), (90, "warning"), (95, "critical")])
def test_a_resource_that_runs_out_is_an_alert(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, percent: int, severity: str | None
) -> None:
    use_process(monkeypatch, percent, percent)
    use_disk(monkeypatch, percent)
    watch.loop.move(UPDATE_SECONDS)
    expected = [
        (severity, "performance", f"running out of {kind}", f"{percent} % of what there is is in use", "n@h")
        for kind in ("memory", "open files", "disk")
        if severity
    ]
    assert watch.told.of("alert") == expected


@pytest.mark.parametrize("kind", ["memory", "open files", "disk"])
@pytest.mark.parametrize(("percent", "status"), [(75, "healthy"), (80, "degraded"), (95, "unhealthy")])
def test_a_resource_that_runs_out_speaks_against_the_node(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, kind: str, percent: int, status: str
) -> None:
    use_process(monkeypatch, *((percent if kind == each else 1) for each in ("memory", "open files")))
    use_disk(monkeypatch, percent if kind == "disk" else 1)
    monkeypatch.setattr(watch.metrics, "get_health", lambda: dict.fromkeys(HEALTH_KEYS, "healthy"))
    watch.loop.move(UPDATE_SECONDS)
    assert [told for told, *_ in watch.told.of("node_health")] == [status]


@pytest.mark.parametrize("has_folder", [True, False])
def test_without_a_disk_none_is_told(loop: HandLoop, tmp_path: Path, has_folder: bool) -> None:
    watch = Watch(loop, tmp_path / "gone" if has_folder else None)
    loop.move(UPDATE_SECONDS)
    assert [kind for kind, *_ in watch.told.of("resource")] == ["memory"]
    loop.move(UPDATE_SECONDS)
    assert [arguments[-1] for arguments in watch.told.of("node_health")] == [0.0]


def test_calls_are_told_since_they_were_last_told(watch: Watch) -> None:
    watch.call("append", 4, 0.5)
    watch.call("read_all", 1, 2.0)
    watch.loop.move(UPDATE_SECONDS)
    assert watch.told.of("throughput", "latency") == [
        ("throughput", "append", 4, UPDATE_SECONDS),
        ("latency", "append", pytest.approx(500), 4),
        ("throughput", "read_all", 1, UPDATE_SECONDS),
        ("latency", "read_all", pytest.approx(2_000), 1),
    ]
    watch.call("append", 2, 0.25)
    watch.loop.move(UPDATE_SECONDS)
    assert watch.told.of("throughput", "latency") == [
        ("throughput", "append", 2, UPDATE_SECONDS),
        ("latency", "append", pytest.approx(250), 2),
    ]
    watch.loop.move(UPDATE_SECONDS)
    assert watch.told.of("throughput", "latency") == []


def test_calls_after_a_reset_of_the_metrics_are_told(watch: Watch) -> None:
    watch.call("append", 10, 0.5)
    watch.loop.move(UPDATE_SECONDS)
    watch.told.all.clear()
    watch.metrics.reset_metrics()
    watch.call("append", 3, 0.25)
    watch.loop.move(UPDATE_SECONDS)
    assert watch.told.of("throughput", "latency") == [
        ("throughput", "append", 3, UPDATE_SECONDS),
        ("latency", "append", pytest.approx(250), 3),
    ]


# --- the watch itself ---


def test_a_look_that_fails_does_not_end_the_watch(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    good = watch.monitor._troubles
    watch.monitor._troubles = failing
    watch.loop.move(2 * CHECK_SECONDS)
    assert [line.getMessage() for line in caplog.records] == ["repeated work failed"] * 2
    assert caplog.records[0].exc_info is not None
    watch.monitor._troubles = good
    watch.troubles["orders"] = "the disk is full"
    watch.loop.move(CHECK_SECONDS)
    assert len(watch.told.of("alert")) == 1


def test_telling_that_fails_does_not_end_the_watch(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("gater.monitoring.node_monitor.shutil.disk_usage", failing)
        watch.loop.move(UPDATE_SECONDS)
    assert [line.getMessage() for line in caplog.records] == ["repeated work failed"]
    watch.told.all.clear()
    watch.loop.move(UPDATE_SECONDS)
    assert len(watch.told.of("node_health")) == 1


def test_nothing_is_seen_after_the_end(watch: Watch) -> None:
    watch.loop.move(UPDATE_SECONDS)
    watch.monitor.close()
    watch.told.all.clear()
    watch.troubles["orders"] = "the disk is full"
    watch.loop.move(10 * UPDATE_SECONDS)
    assert (watch.told.all, watch.loop.pending) == ([], 0)


def test_a_part_that_fails_keeps_no_other_from_being_watched(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watch.broken.check = watch.broken.report = failing
    watch.monitor._troubles = failing
    watch.loop.move(UPDATE_SECONDS)
    assert watch.part.checks == round(UPDATE_SECONDS / CHECK_SECONDS)
    assert watch.part.reports == 1
    assert "repeated work failed" in caplog.text
