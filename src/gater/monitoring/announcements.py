"""The announcements of a node: signed messages of the nine kinds, made only when there are subscribers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gater.messages import alerts, audit, diagnostics, health, lifecycle, logs, metrics, origin, security, system
from gater.messages.broadcast import Messenger
from gater.messages.field_rules import LONGEST_SYMBOL
from gater.messages.records import Record
from gater.model.errors import GaterError
from gater.pubsub.bus import SlowSubscriber
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from gater.telemetry.log_forwarding import log_event, log_topics

ALERT_SECONDS: Final = 10.0
"""An alert of the same kind about the same thing is given again after so long."""
MOST_KINDS: Final = 1_000
"""Kinds of alerts whose time is remembered."""

log = logging.getLogger(__name__)


class Announcements:
    """Speaks for one node on the instances of pub/sub; its trouble is never the trouble of what it speaks about."""

    def __init__(self, pubsub: PubSub, messenger: Messenger, version: str) -> None:
        self.messenger = messenger
        self._pubsub = pubsub
        self._version = version
        self._alerted: dict[tuple[str, str], float] = {}

    def say(self, instance: Instance, topic: str, make: Callable[[], Record]) -> None:
        """Publish a record, if its instance has subscribers."""
        if not self._pubsub.instance(instance).is_heard:
            return
        try:
            with origin.using(self.messenger):
                record = make()
            self.messenger.secure_broadcast(topic, record)
        except GaterError as error:
            log.warning("an announcement cannot be made", extra={"topic": topic, "reason": str(error)})
        except Exception:
            log.exception("an announcement failed", extra={"topic": topic})

    # --- system and lifecycle ---

    def node_state(self, event: str) -> None:
        """The node is `starting`, `started`, `stopping` or `stopped`."""
        self.say(
            Instance.SYSTEM,
            f"system_status:{self.messenger.node}",
            lambda: system.system_lifecycle(event, "gater", self._version),  # type: ignore[arg-type]
        )
        happened = {"started": "joined", "stopping": "leaving", "stopped": "left"}.get(event, "joining")
        self.say(
            Instance.LIFECYCLE,
            f"process_lifecycle:{self.messenger.node}",
            lambda: lifecycle.node_lifecycle(self.messenger.node, happened, 1),  # type: ignore[arg-type]
        )
        self._came_or_went("node", event, {"node": self.messenger.node})

    def store_state(self, store: str, event: str, reason: str | None = None) -> None:
        """The worker of a store is `started`, `stopped` or `crashed`."""
        self.say(
            Instance.LIFECYCLE,
            "process_lifecycle:stores",
            lambda: lifecycle.process_lifecycle(store, "store", event, name=store, reason=reason),  # type: ignore[arg-type]
        )
        self._came_or_went("store", event, {"store": store})

    def configured(self, component: str, changes: Mapping[str, Any], by: str) -> None:
        """Announce a change of configuration; a long name is cut, and then whole among the changes."""
        name, facts = component[:LONGEST_SYMBOL], dict(changes)
        if name != component:
            facts["component"] = component
        self.say(
            Instance.SYSTEM,
            f"configuration_changes:{name}",
            lambda: system.system_config(name, facts, changed_by=by),
        )

    # --- health and metrics ---

    def node_health(self, status: str, checks: Mapping[str, Any], load: float, memory: float, disk: float) -> None:
        """Announce the health of the node; memory and disk in per cent."""
        self.say(
            Instance.HEALTH,
            "node_health",
            lambda: health.node_health(
                self.messenger.node,
                status,  # type: ignore[arg-type]
                checks=dict(checks),
                load_avg=load,
                memory_usage=memory,
                disk_usage=disk,
            ),
        )

    def component_health(self, component: str, status: str, details: Mapping[str, Any]) -> None:
        """Announce the health of a part of the node, such as a store."""
        self.say(
            Instance.HEALTH,
            f"process_health:{component}",
            lambda: health.component_health(
                component,
                self.messenger.node,
                status,  # type: ignore[arg-type]
                details=dict(details),
            ),
        )

    def checked(self, name: str, passed: bool, seconds: float, details: Mapping[str, Any]) -> None:
        """A check was made, such as the verification of a store."""
        self.say(
            Instance.HEALTH,
            f"health_checks:{name}",
            lambda: health.health_check(
                name,
                self.messenger.node,
                "pass" if passed else "fail",
                duration_ms=round(seconds * 1_000),
                details=dict(details),
            ),
        )

    def throughput(self, operation: str, count: int, seconds: float) -> None:
        """So many calls of an operation were made lately."""
        self.say(
            Instance.METRICS,
            f"throughput_stats:{operation}",
            lambda: metrics.throughput_metric(operation, count, round(seconds * 1_000)),
        )

    def latency(self, operation: str, seconds: float, count: int) -> None:
        """Announce the recent average latency of an operation."""
        self.say(
            Instance.METRICS,
            f"performance_metrics:{operation}",
            lambda: metrics.latency_metric(operation, seconds * 1_000, "avg", count),
        )

    def resource(self, kind: str, percent: float, available: int, used: int) -> None:
        """Announce the use of a resource of the machine: `memory` or `disk`, in bytes."""
        self.say(
            Instance.METRICS,
            f"performance_metrics:{kind}",
            lambda: metrics.resource_usage(kind, percent, available, used),  # type: ignore[arg-type]
        )

    # --- security and audit ---

    def not_known(self, reason: str, source: str | None) -> None:
        """Announce a caller that could not prove its identity."""
        self.say(
            Instance.SECURITY,
            "security_events:authentication",
            lambda: security.auth_event(
                "unknown", "login_failure", "token", source_ip=source, metadata={"reason": reason}
            ),
        )

    def not_allowed(self, who: str, operation: str, resource: str, source: str | None) -> None:
        """Announce a caller that asked for an operation which it is not allowed to do."""
        self.say(
            Instance.SECURITY,
            "security_events:authorization",
            lambda: security.access_violation("permission_denied", resource, operation, user_id=who, source_ip=source),
        )

    def tokens_guessed(self, count: int, seconds: float, source: str | None) -> None:
        """So many wrong tokens were shown within so many seconds; the last came from `source`."""
        text = f"{count:,} wrong tokens within {seconds:.0f} s"
        self.say(
            Instance.SECURITY,
            "threat_detection:gater",
            lambda: security.security_alert("brute_force", "high", text, source_ip=source),
        )
        self.alert("warning", "security", "tokens are guessed", text, self.messenger.node)

    def administered(
        self, who: str, operation: str, resource: str, outcome: str, seconds: float, source: str | None
    ) -> None:
        """Announce an administrative act, or an attempt (`outcome` is `ok` or the code of the error)."""
        self.say(
            Instance.AUDIT,
            "audit_trail:admin_operations",
            lambda: audit.access_log(
                who,
                "store",
                resource,
                operation if outcome == "ok" else f"{operation} ({outcome})",
                outcome == "ok",
                duration_ms=round(seconds * 1_000),
                source_ip=source,
            ),
        )

    # --- alerts and diagnostics ---

    def alert(self, severity: str, category: str, title: str, description: str, source: str) -> None:
        """Something needs attention; said once in ALERT_SECONDS for each title and source."""
        if not self._pubsub.instance(Instance.ALERTS).is_heard:
            return  # whoever comes to listen in a moment is to hear it
        now, kind = time.monotonic(), (title, source)
        if now - self._alerted.get(kind, -ALERT_SECONDS) < ALERT_SECONDS:
            return
        if len(self._alerted) >= MOST_KINDS:
            self._alerted.clear()
        self._alerted[kind] = now
        level = "critical" if severity in ("critical", "error") else "warning"
        self.say(
            Instance.ALERTS,
            f"system_alerts:{level}",
            lambda: alerts.system_alert(severity, category, title, description, source),  # type: ignore[arg-type]
        )

    def slow_listener(self, slow: SlowSubscriber) -> None:
        """Announce a subscriber that does not keep up with an instance that drops nothing, or was disconnected."""
        name = slow.instance.value
        text = f"{slow.depth:,} messages wait for a listener to {slow.pattern} on {name}"
        if slow.is_disconnected:
            self.alert("error", "system", "listener disconnected", text, name)
        else:
            self.alert("warning", "system", "slow listener", text, name)

    def busy_instance(self, instance: Instance, rate: int, usual: int) -> None:
        """Far more is said on an instance than is usual; messages a second."""
        text = f"{rate:,} messages a second on {instance.value}, where up to {usual:,} are usual"
        self.alert("warning", "performance", "unusual volume", text, instance.value)

    def failing_instance(self, instance: Instance, failures: int) -> None:
        """Announce that messages on an instance do not reach their subscribers, more often than by chance."""
        text = f"{failures:,} messages on {instance.value} could not be given to somebody lately"
        self.alert("error", "system", "messages fail", text, instance.value)

    def instance_down(self, instance: Instance) -> None:
        """Announce that an instance had ended, with all its subscriptions, and was opened again."""
        text = f"{instance.value} had ended and was opened again; who listened to it must do so again"
        self.alert("critical", "system", "instance down", text, instance.value)
        self.component_health(f"pubsub:{instance.value}", "unhealthy", {"reason": text})

    def limit_reached(self, what: str, limit: int) -> None:
        """Announce a call that was refused because a limit of the node is reached."""
        self.alert("warning", "system", "limit reached", f"there are {limit:,} {what}, and no more are taken", what)

    def slow_call(self, operation: str, seconds: float) -> None:
        """A call took long."""
        self.alert("warning", "performance", "slow call", f"{operation} took {seconds:.1f} s", operation)
        self.say(
            Instance.DIAGNOSTICS,
            "diagnostics:performance_trace",
            lambda: diagnostics.debug_trace(
                "api", operation, {"seconds": round(seconds, 3)}, duration_ms=round(seconds * 1_000)
            ),
        )

    def slow_write(self, store: str, seconds: float) -> None:
        """A batch of a store took longer than this until it was durable."""
        self.alert("warning", "performance", "slow write", f"a write to {store} took more than {seconds:.0f} s", store)

    def failed_call(self, operation: str, code: str) -> None:
        """A call ended in an error that was not the right answer to it."""
        self.alert("error", "system", code, f"{operation} ended in {code}", operation)
        self.say(
            Instance.DIAGNOSTICS,
            f"diagnostics:errors:{operation}",
            lambda: diagnostics.error_analysis(code, f"{operation} ended in {code}", context={"operation": operation}),
        )

    # --- logs ---

    def logged(self, level: str, component: str, message: str, fields: Mapping[str, Any], at: datetime) -> None:
        """A log line of some importance was written, at that time: a record, and an event for who sorts them."""
        self._log_event(level, component, message, fields, at)
        said = {"warning": "warn"}.get(level, level)
        self.say(
            Instance.LOGGING,
            f"logs:gater:{said}",
            lambda: logs.log_entry(said, message, component, metadata=dict(fields), timestamp=at),  # type: ignore[arg-type]
        )

    def _log_event(self, level: str, component: str, message: str, fields: Mapping[str, Any], at: datetime) -> None:
        bus = self._pubsub.instance(Instance.LOGGING)
        if not bus.is_heard:
            return
        body = ["log_event", log_event(level, component, message, fields, at)]
        for topic in log_topics(component, fields):
            try:
                bus.broadcast(topic, body)
            except GaterError as error:
                log.warning("a log event cannot be told", extra={"topic": topic, "reason": str(error)})

    def _came_or_went(self, component: str, event: str, fields: Mapping[str, Any]) -> None:
        """Startup and shutdown are no warnings, but belong among the events of the log."""
        kind = {"started": "startup", "stopped": "shutdown"}.get(event)
        if kind is not None:
            facts = {**fields, "event_type": kind}
            self._log_event("info", component, f"{component} {event}", facts, datetime.now(UTC))
