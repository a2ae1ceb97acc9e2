"""A monitor of a node: alerts for stores and resources in trouble, and regular reports of health and metrics."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

from gater.messages import health, metrics
from gater.messages.payloads.alerts import Severity
from gater.messages.payloads.metrics import ResourceKind
from gater.monitoring.announcements import Announcements
from gater.monitoring.lifecycle import announce_store
from gater.monitoring.ticker import Ticker, attempt
from gater.pubsub.instances import Instance
from gater.telemetry.health_rules import Health, overall_of_checks, resource_check, worst
from gater.telemetry.metrics import UPDATE_SECONDS, Metrics
from gater.telemetry.process import process_figures

CHECK_SECONDS: Final = 1.0
"""Time between two checks."""
SEVERITIES: Final[dict[str, Severity]] = {"warning": "warning", "error": "critical"}
"""The severity of the alert about a resource by the outcome of its check."""

ResourceName = Literal["memory", "open files", "disk"]


class Monitor(Protocol):
    """Monitors a part of the node."""

    def check(self) -> None:
        """Announce trouble; called every CHECK_SECONDS."""
        ...

    def report(self) -> None:
        """Announce health and figures; called every UPDATE_SECONDS."""
        ...


class NodeMonitor:
    """Monitors the node, its stores and, by other monitors, its parts, from the time it is made until `close`."""

    def __init__(
        self,
        announcements: Announcements,
        metrics: Metrics,
        troubles: Callable[[], Mapping[str, str]],
        folder: Path | None,
        parts: Sequence[Monitor] = (),
    ) -> None:
        """`troubles`: each store and why it is not running (empty: it is); `folder`: its disk is monitored.

        `parts` are checked and report with it.
        """
        self._announcements = announcements
        self._metrics = metrics
        self._troubles = troubles
        self._parts = parts
        self._folder = folder
        self._known: dict[str, str] = {}
        """The troubles at the last check."""
        self._reported: dict[str, tuple[int, float]] = {}
        """Calls of each operation, and their seconds, at the last report."""
        self._tickers = [Ticker(CHECK_SECONDS, self._check), Ticker(UPDATE_SECONDS, self._report)]

    # --- trouble ---

    def _check(self) -> None:
        attempt(self._check_stores)
        for part in self._parts:
            attempt(part.check)

    def _check_stores(self) -> None:
        """Announce each store that got into trouble, or out of it."""
        now = dict(self._troubles())
        for store, reason in now.items():
            before = self._known.get(store, "")
            if reason and not before:
                self._announcements.alert("critical", "data", f"store {store} takes no writes", reason, store)
                self._announcements.component_health(store, "unhealthy", {"reason": reason})
                announce_store(self._announcements, store, "crashed", reason)
            elif before and not reason:
                self._announcements.component_health(store, "healthy", {"recovered_from": before})
                announce_store(self._announcements, store, "restarted")
        self._known = now

    # --- reports ---

    def _report(self) -> None:
        """Publish the health of the node and its stores, its calls since the last report, and its resources."""
        process, disk = process_figures(), self._disk()
        percents: dict[ResourceName, float] = {
            "memory": process.memory_percent,
            "open files": process.open_files_percent,
        }
        if disk:
            percents["disk"] = disk[0]
        self._report_node(self._judge_resources(percents), process.memory_percent, percents.get("disk", 0.0))
        for store, reason in self._known.items():
            self._announcements.component_health(store, "unhealthy" if reason else "healthy", {"reason": reason})
        self._report_calls()
        for part in self._parts:
            attempt(part.report)
        self._report_resource("memory", process.memory_percent, process.memory_limit_bytes, process.memory_bytes)
        if disk:
            self._report_resource("disk", *disk)
        self._metrics.tell_update()

    def _report_node(self, resources: Health, memory_percent: float, disk_percent: float) -> None:
        judged, load = self._metrics.get_health(), os.getloadavg()[0]
        checks = {name: judged[name] for name in ("api_health", "worker_pool_health", "cluster_health")}
        self._announcements.publish(
            Instance.HEALTH,
            "node_health",
            lambda: health.node_health(
                self._announcements.node,
                worst(judged["status"], resources),
                checks=checks,
                load_avg=load,
                memory_usage=memory_percent,
                disk_usage=disk_percent,
            ),
        )

    def _report_calls(self) -> None:
        for calls in self._metrics.calls:
            count, seconds = calls.durations.count, calls.durations.seconds
            count_before, seconds_before = self._reported.get(calls.operation, (0, 0.0))
            if count < count_before:  # the metrics were reset
                count_before, seconds_before = 0, 0.0
            self._reported[calls.operation] = count, seconds
            made = count - count_before
            if made > 0:
                self._announcements.throughput(calls.operation, made, UPDATE_SECONDS)
                self._report_latency(calls.operation, max(seconds - seconds_before, 0.0) / made, made)

    def _report_latency(self, operation: str, seconds: float, count: int) -> None:
        self._announcements.publish(
            Instance.METRICS,
            f"performance_metrics:{operation}",
            lambda: metrics.latency_metric(operation, seconds * 1_000, "avg", count),
        )

    def _report_resource(self, kind: ResourceKind, percent: float, available: int, used: int) -> None:
        self._announcements.publish(
            Instance.METRICS,
            f"performance_metrics:{kind}",
            lambda: metrics.resource_usage(kind, percent, available, used),
        )

    def _judge_resources(self, percents: Mapping[ResourceName, float]) -> Health:
        """The health of the node by the use of its resources, with an alert for each that runs out."""
        results = {kind: resource_check(percent) for kind, percent in percents.items()}
        for kind, check in results.items():
            if check in SEVERITIES:
                text = f"{percents[kind]:.0f} % of what there is is in use"
                self._announcements.alert(
                    SEVERITIES[check], "performance", f"running out of {kind}", text, self._announcements.node
                )
        return overall_of_checks(results.values())

    def _disk(self) -> tuple[float, int, int] | None:
        """Per cent, bytes in all and bytes in use of the disk that the stores are on."""
        if self._folder is None or not self._folder.is_dir():
            return None
        usage = shutil.disk_usage(self._folder)
        return 100 * usage.used / usage.total, usage.total, usage.used

    def close(self) -> None:
        """Check and report no longer."""
        for ticker in self._tickers:
            ticker.close()
