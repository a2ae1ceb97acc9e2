"""Sees when an instance of pub/sub is in trouble: too much is said on it, messages get lost, or it has ended."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.system import PubSub

WINDOW_LOOKS: Final = 10
"""Looks over which is counted."""
MOST_FAILURES: Final = 10
"""Failures on one instance, among so many looks, that are no longer chance."""

log = logging.getLogger(__name__)


class Counts(NamedTuple):
    """The counts of one instance at one time (in seconds, from any beginning)."""

    at: float
    published: int
    failed: int


class PubSubMonitor:
    """Looks at all instances every so often, and gives an alert for each one in trouble."""

    def __init__(
        self, pubsub: PubSub, announcements: Announcements, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pubsub = pubsub
        self._announcements = announcements
        self._clock = clock
        self._before: dict[Instance, deque[Counts]] = {}
        self._told: dict[Instance, Counts] = {}
        """What had been counted when throughput was last told."""

    def look(self) -> None:
        """Compare with what was counted WINDOW_LOOKS looks ago, and open again what has ended."""
        for instance in self._pubsub.reopen():
            log.error("an instance of pub/sub had ended", extra={"instance": instance.value})
            self._announcements.instance_down(instance)
        for instance, counts in self._counts().items():
            before = self._before.setdefault(instance, deque(maxlen=WINDOW_LOOKS))
            if before:
                self._judge(instance, before[0], counts)
            before.append(counts)

    def tell(self) -> None:
        """Tell how many messages each instance had since this was last told."""
        for instance, counts in self._counts().items():
            before = self._told.get(instance)
            if before is not None and counts.published > before.published:
                self._announcements.throughput(
                    f"pubsub:{instance.value}", counts.published - before.published, counts.at - before.at
                )
            self._told[instance] = counts

    def _judge(self, instance: Instance, before: Counts, now: Counts) -> None:
        seconds, messages = now.at - before.at, now.published - before.published
        usual = POLICIES[instance].usual_rate
        if seconds > 0 and messages > usual * seconds:
            self._announcements.busy_instance(instance, round(messages / seconds), usual)
        failures = now.failed - before.failed
        if failures >= MOST_FAILURES:
            self._announcements.failing_instance(instance, failures)

    def _counts(self) -> dict[Instance, Counts]:
        now, unpublished = self._clock(), self._announcements.messenger.failures
        return {
            instance: Counts(now, stats.published, stats.failed + unpublished[instance.full_name])
            for instance, stats in self._pubsub.stats().items()
        }
