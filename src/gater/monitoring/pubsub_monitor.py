"""A monitor of the pub/sub instances: unusual volume, lost messages, instances that have ended, slow subscribers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from gater.monitoring.announcements import Announcements
from gater.pubsub.bus import SlowSubscriber
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.system import PubSub

WINDOW_CHECKS: Final = 10
"""Checks over which messages are counted."""
MOST_FAILURES: Final = 10
"""Failures on one instance within WINDOW_CHECKS checks that trigger an alert."""

log = logging.getLogger(__name__)


class Counts(NamedTuple):
    """The counts of one instance at a time (in seconds, from any beginning)."""

    at: float
    published: int
    failed: int


class PubSubMonitor:
    """Checks all instances, with an alert for each one in trouble."""

    def __init__(
        self, pubsub: PubSub, announcements: Announcements, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pubsub = pubsub
        self._announcements = announcements
        self._clock = clock
        self._before: dict[Instance, deque[Counts]] = {}
        self._reported: dict[Instance, Counts] = {}
        """The counts at the last report of throughput."""

    def check(self) -> None:
        """Compare with the counts of WINDOW_CHECKS checks ago, and open again what has ended."""
        for instance in self._pubsub.reopen():
            log.error("an instance of pub/sub had ended", extra={"instance": instance.value})
            self._announce_ended(instance)
        for instance, counts in self._counts().items():
            before = self._before.setdefault(instance, deque(maxlen=WINDOW_CHECKS))
            if before:
                self._judge(instance, before[0], counts)
            before.append(counts)

    def report(self) -> None:
        """Publish the throughput of each instance since the last report."""
        for instance, counts in self._counts().items():
            before = self._reported.get(instance)
            if before is not None and counts.published > before.published:
                self._announcements.throughput(
                    f"pubsub:{instance.value}", counts.published - before.published, counts.at - before.at
                )
            self._reported[instance] = counts

    def _judge(self, instance: Instance, before: Counts, now: Counts) -> None:
        name, seconds, messages = instance.value, now.at - before.at, now.published - before.published
        usual = POLICIES[instance].usual_rate
        if seconds > 0 and messages > usual * seconds:
            text = f"{round(messages / seconds):,} messages a second on {name}, where up to {usual:,} are usual"
            self._announcements.alert("warning", "performance", "unusual volume", text, name)
        failures = now.failed - before.failed
        if failures >= MOST_FAILURES:
            text = f"{failures:,} messages on {name} could not be delivered lately"
            self._announcements.alert("error", "system", "messages fail", text, name)

    def _announce_ended(self, instance: Instance) -> None:
        name = instance.value
        text = f"{name} had ended and was opened again; its subscribers must subscribe again"
        self._announcements.alert("critical", "system", "instance down", text, name)
        self._announcements.component_health(f"pubsub:{name}", "unhealthy", {"reason": text})

    def _counts(self) -> dict[Instance, Counts]:
        now, unpublished = self._clock(), self._announcements.messenger.failures
        return {
            instance: Counts(now, stats.published, stats.failed + unpublished[instance.full_name])
            for instance, stats in self._pubsub.stats().items()
        }


def announce_slow_subscriber(announcements: Announcements, slow: SlowSubscriber) -> None:
    """Announce a subscriber that does not keep up with an instance that drops nothing, or was disconnected for it."""
    name = slow.instance.value
    text = f"{slow.depth:,} messages wait for a listener to {slow.pattern} on {name}"
    if slow.is_disconnected:
        announcements.alert("error", "system", "listener disconnected", text, name)
    else:
        announcements.alert("warning", "system", "slow listener", text, name)
