"""The metrics of a node: what it counts itself, and what it looks up when it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from gater.telemetry import health_rules
from gater.telemetry.calls import Calls, CallTrouble, OnTrouble, SlowCall
from gater.telemetry.membership_counts import KnownNodes, RegistrationCounts, WorkerCounts
from gater.telemetry.notices import Notices, Tell
from gater.telemetry.process import process_figures
from gater.telemetry.sources import Sources

UPDATE_SECONDS: Final = 30.0
"""How often `tell_update` is to be called."""


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Metrics:
    """The metrics of one node; others tell it what happens, on the event loop, and it costs them a few additions.

    Times are milliseconds since 1970. Maps are plain data that may be sent anywhere.
    """

    def __init__(
        self,
        node: str,
        sources: Sources | None = None,
        *,
        tell: Tell | None = None,
        on_trouble: OnTrouble | None = None,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], int] = now_ms,
    ) -> None:
        """`tell` broadcasts on the metrics instance, `on_trouble` takes slow and failed calls.

        `clock` gives seconds from any beginning.
        """
        self.node = node
        self.sources = sources or Sources()
        self.calls = Calls(self._call_troubled, clock)
        self.workers = WorkerCounts()
        self.nodes = KnownNodes()
        self.registrations = RegistrationCounts()
        self._notices = Notices(node, now, tell)
        self._on_trouble = on_trouble
        self._clock = clock
        self._now = now
        self._began = clock()
        self._messages_at_reset = (0, 0)
        self._topics_at_reset: Mapping[str, int] = {}

    # --- what happens ---

    def worker_assigned(self, store: str) -> None:
        """A gateway worker took on a call for a store."""
        self.workers.assigned(store, self._now())
        self._notices.worker_event("worker_assigned", store)

    def worker_released(self, store: str) -> None:
        """A gateway worker is free again."""
        self.workers.released()

    def worker_unavailable(self, store: str) -> None:
        """No gateway worker could be had for a store."""
        self.workers.found_none()
        self._notices.worker_event("worker_unavailable", store)

    def node_up(self, node: str) -> None:
        """Another node is connected."""
        self.nodes.up(node)
        self._notices.cluster_event("node_up", node)

    def node_down(self, node: str) -> None:
        """Another node is not connected any more."""
        self.nodes.down(node)
        self._notices.cluster_event("node_down", node)

    def registration_succeeded(self) -> None:
        """A worker is registered with the cluster."""
        self.registrations.succeeded(self._now())

    def registration_failed(self, store: str, reason: str) -> None:
        """A worker could not be registered with the cluster."""
        self.registrations.failed()
        self._notices.alert("swarm_registration_failed", {"store_id": store, "reason": reason})

    def _call_troubled(self, trouble: CallTrouble) -> None:
        duration_us = round(trouble.seconds * 1e6)
        if isinstance(trouble, SlowCall):
            self._notices.alert("slow_api_call", {"function": trouble.operation}, duration_us)
        else:
            self._notices.alert("api_call_error", {"function": trouble.operation, "code": trouble.code}, duration_us)
        if self._on_trouble is not None:
            self._on_trouble(trouble)

    # --- what is asked ---

    def get_metrics(self) -> dict[str, Any]:
        """All numbers, in the groups and under the keys of the reference, section 9.2."""
        return {
            "api_calls": self.calls.figures(),
            "gateway_workers": self.workers.figures(),
            "cluster_nodes": self.nodes.figures(),
            "pubsub_messages": self._message_figures(),
            "swarm_registrations": self.registrations.figures(),
            "system_metrics": self.system_metrics(),
            "issues": self._notices.issues,
            "last_updated": self._now(),
        }

    def get_worker_pool_status(self) -> dict[str, Any]:
        """The number of workers by store, and the share of attempts that found one; None where it is unknown."""
        by_store = self._workers_by_store()
        return {
            "available_workers": None if by_store is None else sum(by_store.values()),
            "workers_by_store": by_store,
            "active_assignments": self.workers.active,
            "total_assignments": self.workers.assignments,
            "unavailable_attempts": self.workers.unavailable,
            "assignment_success_rate": self.workers.success_rate,
        }

    def get_health(self) -> dict[str, Any]:
        """The health of the node, by the rules of `health_rules`, since it began or was reset."""
        calls = self.calls
        by_store = self._workers_by_store()
        workers = None if by_store is None else sum(by_store.values())
        api = health_rules.api_health(health_rules.error_rate(calls.failures, calls.answered), calls.mean_seconds)
        pool = health_rules.worker_pool_health(self.workers.success_rate, workers)
        cluster = health_rules.cluster_health(len(self.nodes.connected), len(self.nodes.lost))
        return {
            "status": health_rules.overall(api, pool, cluster),
            "api_health": api,
            "worker_pool_health": pool,
            "cluster_health": cluster,
            "node": self.node,
            "timestamp": self._now(),
        }

    def system_metrics(self) -> dict[str, Any]:
        """The resources that the process takes and its uptime; the keys are those of the reference.

        `memory` is in bytes, `process_count` are threads, `schedulers` are processors.
        """
        process = process_figures()
        by_store = self._workers_by_store()
        return {
            "memory": process.memory_bytes,
            "memory_percent": process.memory_percent,
            "process_count": process.threads,
            "connected_nodes": len(self.nodes.connected),
            "uptime_ms": self.uptime_ms,
            "schedulers": process.cpus,
            "gateway_workers_available": None if by_store is None else sum(by_store.values()),
            "timestamp": self._now(),
        }

    @property
    def uptime_ms(self) -> int:
        """The uptime of the node."""
        return int((self._clock() - self._began) * 1_000)

    def tell_update(self) -> None:
        """Broadcast all numbers; to be called every UPDATE_SECONDS."""
        self._notices.update(self.get_metrics())

    def reset_metrics(self) -> None:
        """Begin to count again. What is under way, and which nodes are known, is not forgotten."""
        self.calls.clear()
        self.workers.clear()
        self.registrations.clear()
        self._notices.forget_issues()
        self._messages_at_reset = self._messages()
        self._topics_at_reset = self.sources.topics()

    def _workers_by_store(self) -> dict[str, int] | None:
        return None if self.sources.workers is None else dict(self.sources.workers())

    def _messages(self) -> tuple[int, int]:
        instances = self.sources.instances().values()
        return sum(each.published for each in instances), sum(each.delivered for each in instances)

    def _message_figures(self) -> dict[str, Any]:
        sent, received = self._messages()
        sent_before, received_before = self._messages_at_reset
        return {
            "sent": max(0, sent - sent_before),
            "received": max(0, received - received_before),
            "by_topic": self._by_topic(),
        }

    def _by_topic(self) -> dict[str, int]:
        before = self._topics_at_reset
        since = {topic: count - before.get(topic, 0) for topic, count in self.sources.topics().items()}
        return {topic: count for topic, count in since.items() if count > 0}
