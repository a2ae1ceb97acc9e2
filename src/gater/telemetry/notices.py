"""Notices about a node's figures: alerts, and changes of workers and of the cluster."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Tell: TypeAlias = Callable[[str, dict[str, Any]], object]
"""Takes a topic and a body of plain data: the broadcast of the metrics instance."""

METRICS_TOPIC: Final = "gater:metrics"
ALERTS_TOPIC: Final = "gater:alerts"
WORKERS_TOPIC: Final = "gater:workers"
CLUSTER_TOPIC: Final = "gater:cluster"

PACKAGE: Final = "gater"
MOST_ALERTS_A_SECOND: Final = 100
"""Alerts told in one second; those beyond are counted, and the next one that is told says how many they were."""
MOST_ISSUES: Final = 100
"""Alerts that are remembered; the oldest is forgotten first."""

log = logging.getLogger(__name__)


def _nobody(topic: str, body: dict[str, Any]) -> None:
    """Hears nothing."""


class Notices:
    """Tells of what happens as it happens. Who listens cannot disturb who counts: a failure of theirs is logged."""

    def __init__(self, node: str, now: Callable[[], int], tell: Tell | None = None) -> None:
        """`now` gives milliseconds since 1970."""
        self._node = node
        self._now = now
        self._tell = tell or _nobody
        self._issues: deque[dict[str, Any]] = deque(maxlen=MOST_ISSUES)
        self._second = 0
        self._told = 0
        self._left_out = 0

    @property
    def issues(self) -> list[dict[str, Any]]:
        """The newest alerts, oldest first."""
        return list(self._issues)

    def alert(self, name: str, metadata: Mapping[str, Any], duration_us: int | None = None) -> None:
        """Something needs attention."""
        now = self._now()
        if not self._may_tell(now // 1_000):
            return
        details = dict(metadata)
        if self._left_out:
            details["left_out"], self._left_out = self._left_out, 0
        body = self._body("performance_alert", now, {"alert": name, "metadata": details})
        if duration_us is not None:
            body["duration_us"] = duration_us
        self._issues.append(body)
        self._send(ALERTS_TOPIC, body)

    def worker_event(self, event: str, store: str) -> None:
        """Something happened to a worker."""
        facts = {"event": event, "metadata": {"store_id": store}}
        self._send(WORKERS_TOPIC, self._body("worker_event", self._now(), facts))

    def cluster_event(self, event: str, node: str) -> None:
        """Something happened to another node."""
        facts = {"event": event, "metadata": {"node": node}}
        self._send(CLUSTER_TOPIC, self._body("cluster_event", self._now(), facts))

    def update(self, metrics: Mapping[str, Any]) -> None:
        """The numbers as they are now."""
        facts = {"event": "metrics_update", "metadata": dict(metrics)}
        self._send(METRICS_TOPIC, self._body("metrics_update", self._now(), facts))

    def forget_issues(self) -> None:
        """Forget the alerts that there were."""
        self._issues.clear()

    def _may_tell(self, second: int) -> bool:
        if second != self._second:
            self._second, self._told = second, 0
        if self._told >= MOST_ALERTS_A_SECOND:
            self._left_out += 1
            return False
        self._told += 1
        return True

    def _body(self, kind: str, now: int, facts: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": kind, "package": PACKAGE, "node": self._node, "timestamp": now, **facts}

    def _send(self, topic: str, body: dict[str, Any]) -> None:
        try:
            self._tell(topic, body)
        except Exception:
            log.exception("a notice could not be told", extra={"topic": topic})
