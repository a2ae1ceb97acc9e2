"""Telling how the subscriptions of a store are: on the health instance and the metrics instance, and in summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from gater.model.subscriptions import SubscriptionInfo
from gater.subscriptions.channels import Channels
from gater.subscriptions.health import BAD, HealthTracker

SUMMARY_SECONDS: Final = 30.0
CHECK_SECONDS: Final = 60.0
SOME: Final = 50
"""Subscriptions that are looked at in one turn of the event loop."""
PAUSE_SECONDS: Final = 0.02
"""Time between two such turns."""
QUIET_SECONDS: Final = 1.0
"""Failed deliveries of one subscription within this time are told as one."""


class Reporter:
    """Follows the subscriptions of one store and tells about them; it sums up every SUMMARY_SECONDS."""

    def __init__(
        self,
        store: str,
        channels: Channels,
        infos: Callable[[], Iterable[SubscriptionInfo]],
        check: Callable[[], Generator[None, None, Any]],
        changed: Callable[[str], Any],
    ) -> None:
        """`infos` gives the subscriptions at work, `check` looks for what is wrong and mends it, step by step.

        `changed` is told of each subscription whose status may be another now.
        """
        self.tracker = HealthTracker(store)
        self._store = store
        self._channels = channels
        self._infos = infos
        self._check = check
        self._changed = changed
        self._told: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()
        self._timers = [
            self._loop.call_later(SUMMARY_SECONDS, self._sum_up),
            self._loop.call_later(CHECK_SECONDS, self._look_around),
        ]

    def note(self, name: str, event: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Something has happened to a subscription."""
        self._note(name, event, metadata, is_news=True)

    def _note(self, name: str, event: str, metadata: Mapping[str, Any] | None, *, is_news: bool) -> None:
        """Take in an event; it is told only if it is news."""
        body = self.tracker.note(name, event, _now(), metadata)
        if is_news:
            self._channels.health.broadcast(f"subscription_health:{self._store}:{name}", ["subscription_health", body])
        self._changed(name)

    def measure(self, name: str, event: str, metadata: Mapping[str, Any]) -> None:
        """Something was measured of a subscription."""
        body = self.tracker.message(name, event, _now(), metadata)
        self._channels.metrics.broadcast(f"subscription_metrics:{self._store}:{name}", ["subscription_metrics", body])

    def delivery_failed(self, name: str, metadata: Mapping[str, Any]) -> None:
        """A delivery was not acknowledged."""
        event, now = self.tracker.delivery_failed(name), self._loop.time()
        is_news = event != "event_delivery_failed" or now - self._told.get(name, -QUIET_SECONDS) >= QUIET_SECONDS
        if is_news:
            self._told[name] = now
        self._note(name, event, metadata, is_news=is_news)

    def delivery_succeeded(self, name: str) -> None:
        """A delivery was acknowledged."""
        event = self.tracker.delivery_succeeded(name)
        if event is not None:
            self.note(name, event)

    def is_bad(self, name: str) -> bool:
        """Whether nothing is to be broadcast for a subscription."""
        return self.tracker.status(name) in BAD

    def forget(self, name: str) -> None:
        """A subscription is gone."""
        self.tracker.forget(name)
        self._told.pop(name, None)

    def _sum_up(self) -> None:
        """Tell the figures of each subscription that is at work, a sign of life of it, and the summary of all."""
        self._sum_up_some(iter(self._infos()))

    def _sum_up_some(self, infos: Iterator[SubscriptionInfo]) -> None:
        """Tell those of some; the others have their turns after what else there is to do."""
        count = 0
        for info in islice(infos, SOME):
            count += 1
            self.measure(info.name, "subscription_figures", figures(info))
            if info.state == "full":
                self.note(info.name, "subscription_full", {"reason": info.reason})
            elif info.state != "failed":
                self.note(info.name, "periodic_heartbeat", {"state": info.state, "lag": info.lag})
        if count == SOME:
            self._timers[0] = self._loop.call_later(PAUSE_SECONDS, self._sum_up_some, infos)
            return
        self._timers[0] = self._loop.call_later(SUMMARY_SECONDS, self._sum_up)
        self._channels.health.broadcast(
            f"health_summary:{self._store}", ["health_summary", self.tracker.summary(_now())]
        )

    def _look_around(self) -> None:
        """Have the subscriptions checked, and tell what was found."""
        self._look_on(self._check())

    def _look_on(self, check: Generator[None, None, Any]) -> None:
        """Take one step of a check; the next one has its turn after what else there is to do."""
        self._timers[1] = self._loop.call_later(CHECK_SECONDS, self._look_around)  # whatever comes of this step
        try:
            next(check)
        except StopIteration as end:
            self._channels.health.broadcast(f"store_health:{self._store}", ["subscription_check", end.value])
        else:
            self._timers[1].cancel()
            self._timers[1] = self._loop.call_later(PAUSE_SECONDS, self._look_on, check)

    def close(self) -> None:
        """Tell no more."""
        for timer in self._timers:
            timer.cancel()


def figures(info: SubscriptionInfo) -> dict[str, Any]:
    """The figures of a subscription."""
    names = (
        "state",
        "lag",
        "lag_seconds",
        "consumers",
        "in_flight",
        "retrying",
        "parked",
        "delivered",
        "redelivered",
        "acked",
        "delivery_seconds",
    )
    return {name: getattr(info, name) for name in names}


def _now() -> int:
    return time.time_ns() // 1_000_000
