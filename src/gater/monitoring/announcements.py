"""Signed system messages of a node, made only when an instance has listeners."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from gater.messages import alerts, health, metrics, origin
from gater.messages.broadcast import Messenger
from gater.messages.payloads.alerts import Category, Severity
from gater.messages.payloads.health import ComponentStatus
from gater.messages.records import Record
from gater.model.errors import GaterError
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from gater.telemetry.log_forwarding import log_event, log_topics

ALERT_SECONDS: Final = 10.0
"""The shortest time between two alerts of the same title and source."""
MOST_KINDS: Final = 1_000
"""Kinds of alerts whose time is remembered."""

log = logging.getLogger(__name__)


class Announcements:
    """Publishes the messages of one node; a failure to publish is logged and never reaches the caller."""

    def __init__(self, pubsub: PubSub, messenger: Messenger) -> None:
        self.messenger = messenger
        self.node = messenger.node
        self._pubsub = pubsub
        self._alerted: dict[tuple[str, str], float] = {}
        """The time of the last alert by title and source."""

    def is_heard(self, instance: Instance) -> bool:
        """Whether an instance has listeners."""
        return self._pubsub.instance(instance).is_heard

    def publish(self, instance: Instance, topic: str, make: Callable[[], Record]) -> None:
        """Publish a record; it is made only if the instance has listeners."""
        if not self.is_heard(instance):
            return
        try:
            with origin.using(self.messenger):
                record = make()
            self.messenger.secure_broadcast(topic, record)
        except GaterError as error:
            log.warning("an announcement cannot be made", extra={"topic": topic, "reason": str(error)})
        except Exception:
            log.exception("an announcement failed", extra={"topic": topic})

    def alert(self, severity: Severity, category: Category, title: str, description: str, source: str) -> None:
        """Publish an alert, at most once in ALERT_SECONDS for each title and source."""
        if not self.is_heard(Instance.ALERTS):
            return  # not remembered: a listener that comes in a moment is to get it
        now, kind = time.monotonic(), (title, source)
        if now - self._alerted.get(kind, -ALERT_SECONDS) < ALERT_SECONDS:
            return
        if len(self._alerted) >= MOST_KINDS:
            self._alerted.clear()
        self._alerted[kind] = now
        level = "critical" if severity in ("critical", "error") else "warning"
        self.publish(
            Instance.ALERTS,
            f"system_alerts:{level}",
            lambda: alerts.system_alert(severity, category, title, description, source),
        )

    def component_health(self, component: str, status: ComponentStatus, details: Mapping[str, Any]) -> None:
        """Publish the health of a part of the node, such as a store."""
        self.publish(
            Instance.HEALTH,
            f"process_health:{component}",
            lambda: health.component_health(component, self.node, status, details=dict(details)),
        )

    def throughput(self, operation: str, count: int, seconds: float) -> None:
        """Publish the number of calls of an operation within the last `seconds`."""
        self.publish(
            Instance.METRICS,
            f"throughput_stats:{operation}",
            lambda: metrics.throughput_metric(operation, count, round(seconds * 1_000)),
        )

    def log_event(self, level: str, component: str, message: str, fields: Mapping[str, Any], at: datetime) -> None:
        """Publish an event of the log on the topics of its component and of its store."""
        bus = self._pubsub.instance(Instance.LOGGING)
        if not bus.is_heard:
            return
        body = ["log_event", log_event(level, component, message, fields, at)]
        for topic in log_topics(component, fields):
            try:
                bus.broadcast(topic, body)
            except GaterError as error:
                log.warning("a log event cannot be published", extra={"topic": topic, "reason": str(error)})
