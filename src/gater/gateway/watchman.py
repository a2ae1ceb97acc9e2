"""Looks after a node: sees when a store or a resource is in trouble, and tells every so often how all is doing."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gater.gateway.announcements import Announcements
from gater.gateway.instance_watch import InstanceWatch
from gater.telemetry.health_rules import resource_check
from gater.telemetry.metrics import UPDATE_SECONDS, Metrics
from gater.telemetry.process import process_figures

LOOK_SECONDS: Final = 1.0
"""How often it is looked whether a store or an instance of pub/sub is in trouble."""
SEVERITY: Final = {"warning": "warning", "error": "critical"}
"""Of the alert about a resource, by what its check says."""

log = logging.getLogger(__name__)


class Watchman:
    """Two timers of the event loop; whatever they find goes to the announcements."""

    def __init__(
        self,
        announcements: Announcements,
        metrics: Metrics,
        troubles: Callable[[], Mapping[str, str]],
        instances: InstanceWatch,
        folder: Path | None,
    ) -> None:
        """`troubles`: each store and why it is not running (empty: it is); `folder`: whose disk is watched."""
        self._announcements = announcements
        self._metrics = metrics
        self._troubles = troubles
        self._instances = instances
        self._folder = folder
        self._known: dict[str, str] = {}
        self._before: dict[str, tuple[int, float]] = {}
        """Calls of each operation, and their seconds, when it was last told."""
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._set(0, LOOK_SECONDS, self._look)
        self._set(1, UPDATE_SECONDS, self._tell)

    def _set(self, number: int, seconds: float, work: Callable[[], None]) -> None:
        timer = self._loop.call_later(seconds, self._run, number, seconds, work)
        self._timers[number : number + 1] = [timer]

    def _run(self, number: int, seconds: float, work: Callable[[], None]) -> None:
        """Do what is due; what goes wrong with it must not end the watch."""
        self._set(number, seconds, work)
        try:
            work()
        except Exception:
            log.exception("the watch over the node failed")

    # --- who is in trouble ---

    def _look(self) -> None:
        """Tell when a store got into trouble, or out of it, and when an instance of pub/sub is in trouble."""
        self._look_at_stores()
        self._instances.look()

    def _look_at_stores(self) -> None:
        now = dict(self._troubles())
        for store, reason in now.items():
            before = self._known.get(store, "")
            if reason and not before:
                self._announcements.alert("critical", "data", f"store {store} takes no writes", reason, store)
                self._announcements.component_health(store, "unhealthy", {"reason": reason})
                self._announcements.store_is(store, "crashed", reason)
            elif before and not reason:
                self._announcements.component_health(store, "healthy", {"recovered_from": before})
                self._announcements.store_is(store, "restarted")
        self._known = now

    # --- how all is doing ---

    def _tell(self) -> None:
        """Tell how the node is, what it did since it was last told, and what it takes."""
        announcements, metrics = self._announcements, self._metrics
        judged = metrics.get_health()
        memory, disk = process_figures(), self._disk()
        checks = {name: judged[name] for name in ("api_health", "worker_pool_health", "cluster_health")}
        announcements.node_health(
            judged["status"], checks, os.getloadavg()[0], memory.memory_percent, disk[0] if disk else 0.0
        )
        for store, reason in self._known.items():
            announcements.component_health(store, "unhealthy" if reason else "healthy", {"reason": reason})
        self._tell_calls()
        self._instances.tell()
        self._watch_resource("memory", memory.memory_percent, memory.memory_limit_bytes, memory.memory_bytes)
        if disk:
            self._watch_resource("disk", *disk)
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

    def _watch_resource(self, kind: str, percent: float, available: int, used: int) -> None:
        self._announcements.resource(kind, percent, available, used)
        check = resource_check(percent)
        if check in SEVERITY:
            title, text = f"{kind} is running out", f"{percent:.0f} % of the {kind} is in use"
            self._announcements.alert(SEVERITY[check], "performance", title, text, self._metrics.node)

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
