"""Looks after a node: sees when a store or a resource is in trouble, and tells every so often how all is doing."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from gater.monitoring.announcements import Announcements
from gater.telemetry.health_rules import Health, overall_of_checks, resource_check, worst
from gater.telemetry.metrics import UPDATE_SECONDS, Metrics
from gater.telemetry.process import process_figures

CHECK_SECONDS: Final = 1.0
"""How often it is looked whether something is in trouble."""
SEVERITY: Final = {"warning": "warning", "error": "critical"}
"""Of the alert about a resource, by what its check says."""

log = logging.getLogger(__name__)


class Watch(Protocol):
    """A watch over a part of the node."""

    def look(self) -> None:
        """See whether something is in trouble; called every CHECK_SECONDS."""
        ...

    def tell(self) -> None:
        """Tell how it is doing; called every UPDATE_SECONDS."""
        ...


class NodeMonitor:
    """Two timers of the event loop; whatever they find goes to the announcements."""

    def __init__(
        self,
        announcements: Announcements,
        metrics: Metrics,
        troubles: Callable[[], Mapping[str, str]],
        folder: Path | None,
        watches: Sequence[Watch] = (),
    ) -> None:
        """`troubles`: each store and why it is not running (empty: it is); `folder`: whose disk is watched.

        `watches` look and tell with it.
        """
        self._announcements = announcements
        self._metrics = metrics
        self._troubles = troubles
        self._watches = watches
        self._folder = folder
        self._known: dict[str, str] = {}
        self._before: dict[str, tuple[int, float]] = {}
        """Calls of each operation, and their seconds, when it was last told."""
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._set(0, CHECK_SECONDS, self._look)
        self._set(1, UPDATE_SECONDS, self._tell)

    def _set(self, number: int, seconds: float, work: Callable[[], None]) -> None:
        timer = self._loop.call_later(seconds, self._run, number, seconds, work)
        self._timers[number : number + 1] = [timer]

    def _run(self, number: int, seconds: float, work: Callable[[], None]) -> None:
        """Do what is due, and have it done again; what goes wrong with it does not end the watch."""
        self._set(number, seconds, work)
        self._attempt(work)

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do a part of what is due, so that one that fails keeps no other from being done."""
        try:
            work()
        except Exception:
            log.exception("the watch over the node failed")

    # --- who is in trouble ---

    def _look(self) -> None:
        """Tell when a store got into trouble, or out of it, and what the other watches see."""
        self._attempt(self._look_at_stores)
        for watch in self._watches:
            self._attempt(watch.look)

    def _look_at_stores(self) -> None:
        now = dict(self._troubles())
        for store, reason in now.items():
            before = self._known.get(store, "")
            if reason and not before:
                self._announcements.alert("critical", "data", f"store {store} takes no writes", reason, store)
                self._announcements.component_health(store, "unhealthy", {"reason": reason})
                self._announcements.store_state(store, "crashed", reason)
            elif before and not reason:
                self._announcements.component_health(store, "healthy", {"recovered_from": before})
                self._announcements.store_state(store, "restarted")
        self._known = now

    # --- how all is doing ---

    def _tell(self) -> None:
        """Tell how the node is, what it did since it was last told, and what it takes."""
        announcements, metrics = self._announcements, self._metrics
        judged = metrics.get_health()
        process, disk = process_figures(), self._disk()
        resources = {"memory": process.memory_percent, "open files": process.open_files_percent}
        if disk:
            resources["disk"] = disk[0]
        checks = {name: judged[name] for name in ("api_health", "worker_pool_health", "cluster_health")}
        status = worst(judged["status"], self._judge_resources(resources))
        load = os.getloadavg()[0]
        announcements.node_health(status, checks, load, process.memory_percent, resources.get("disk", 0.0))
        for store, reason in self._known.items():
            announcements.component_health(store, "unhealthy" if reason else "healthy", {"reason": reason})
        self._tell_calls()
        for watch in self._watches:
            self._attempt(watch.tell)
        announcements.resource("memory", process.memory_percent, process.memory_limit_bytes, process.memory_bytes)
        if disk:
            announcements.resource("disk", *disk)
        metrics.tell_update()

    def _tell_calls(self) -> None:
        for calls in self._metrics.calls:
            count, seconds = calls.durations.count, calls.durations.seconds
            count_before, seconds_before = self._before.get(calls.operation, (0, 0.0))
            if count < count_before:  # the metrics were reset
                count_before, seconds_before = 0, 0.0
            self._before[calls.operation] = count, seconds
            made = count - count_before
            if made > 0:
                self._announcements.throughput(calls.operation, made, UPDATE_SECONDS)
                self._announcements.latency(calls.operation, max(seconds - seconds_before, 0.0) / made, made)

    def _judge_resources(self, percents: Mapping[str, float]) -> Health:
        """Judge the use of resources for the health of the node, with an alert for each that runs out."""
        results = {kind: resource_check(percent) for kind, percent in percents.items()}
        for kind, check in results.items():
            if check in SEVERITY:
                text = f"{percents[kind]:.0f} % of what there is is in use"
                self._announcements.alert(
                    SEVERITY[check], "performance", f"running out of {kind}", text, self._metrics.node
                )
        return overall_of_checks(results.values())

    def _disk(self) -> tuple[float, int, int] | None:
        """Per cent, bytes in all and bytes in use of the disk that the stores are on."""
        if self._folder is None or not self._folder.is_dir():
            return None
        usage = shutil.disk_usage(self._folder)
        return 100 * usage.used / usage.total, usage.total, usage.used

    def close(self) -> None:
        """Look no longer."""
        for timer in self._timers:
            timer.cancel()
