"""Where a node's metrics look when they are asked: what others count for themselves, and what stands now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from gater.model.stores import StoreStatus
from gater.model.subscriptions import SubscriptionInfo
from gater.telemetry.histogram import Histogram


class InstanceFigures(Protocol):
    """What an instance of pub/sub says of itself."""

    @property
    def name(self) -> str:
        """Which instance."""
        ...

    @property
    def published(self) -> int:
        """Messages given to it."""
        ...

    @property
    def delivered(self) -> int:
        """Messages given to subscribers, once for each of them."""
        ...

    @property
    def dropped(self) -> int:
        """Messages that slow subscribers lost."""
        ...

    @property
    def failed(self) -> int:
        """Callbacks that failed, and subscribers that were disconnected."""
        ...

    @property
    def subscribers(self) -> int:
        """Who listens now."""
        ...

    @property
    def depth(self) -> int:
        """Messages that wait for all subscribers together."""
        ...

    @property
    def max_lag(self) -> int:
        """Messages that wait for the slowest one."""
        ...


class LogFigures(Protocol):
    """What the log of a store has done since the store was opened."""

    @property
    def batches(self) -> int:
        """Batches that were committed."""
        ...

    @property
    def commands(self) -> int:
        """Commands in them."""
        ...

    @property
    def commit_durations(self) -> Histogram:
        """How long each batch took until it was durable."""
        ...


def _no_stores() -> Sequence[StoreStatus]:
    return ()


def _no_logs() -> Mapping[str, LogFigures]:
    return {}


def _no_instances() -> Sequence[InstanceFigures]:
    return ()


def _no_subscriptions() -> Mapping[str, Sequence[SubscriptionInfo]]:
    return {}


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Functions that are called when metrics are asked for, on the event loop; each answers at once."""

    stores: Callable[[], Sequence[StoreStatus]] = _no_stores
    logs: Callable[[], Mapping[str, LogFigures]] = _no_logs
    """By store."""
    instances: Callable[[], Sequence[InstanceFigures]] = _no_instances
    subscriptions: Callable[[], Mapping[str, Sequence[SubscriptionInfo]]] = _no_subscriptions
    """By store."""
    workers: Callable[[], Mapping[str, int]] | None = None
    """How many workers can be had for each store; None when nobody knows."""
