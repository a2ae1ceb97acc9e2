"""The sources of a node's metrics: counts of other parts, and present states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from gater.model.memory_budget import Share
from gater.model.stores import StoreStatus
from gater.model.subscriptions import SubscriptionInfo
from gater.telemetry.histogram import Histogram

MOST_LISTED: Final = 100
"""Subscriptions that are told one by one; there may be many more."""


class SubscriptionSums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the subscriptions of a store that are at work, each as it was found last."""

    lag: int = 0
    consumers: int = 0
    in_flight: int = 0
    retrying: int = 0
    parked: int = 0
    delivered: int = 0
    """Deliveries since the store was opened."""
    redelivered: int = 0
    """Those among them that were not the first of their event."""
    states: Mapping[str, int] = {}
    """How many are in each state."""


class InstanceFigures(Protocol):
    """The figures of an instance of pub/sub."""

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
        """Callbacks that failed, subscribers that were disconnected, messages that could not be carried."""
        ...

    @property
    def subscribers(self) -> int:
        """The present subscribers."""
        ...

    @property
    def depth(self) -> int:
        """Messages that wait for all subscribers together."""
        ...

    @property
    def max_lag(self) -> int:
        """Messages that wait for the slowest one."""
        ...

    @property
    def processing(self) -> Histogram:
        """The time that subscribers take for a message."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it can be had."""
        ...


class MessageFigures(msgspec.Struct, frozen=True):
    """The figures of a node's system messages."""

    sent: int = 0
    failed: int = 0
    """Messages that could not be published."""
    received: int = 0
    """Messages of others that were opened and believed."""
    unsigned: int = 0
    """Of those sent and received, the ones without a signature."""
    refused: Mapping[str, int] = {}
    """Messages of others that were not believed, by code."""


class LogFigures(Protocol):
    """The figures of a store's log since the store was opened."""

    @property
    def batches(self) -> int:
        """Batches that were committed."""
        ...

    @property
    def commands(self) -> int:
        """Commands in them."""
        ...

    @property
    def log_pages(self) -> int:
        """Pages in the write-ahead log after the last batch."""
        ...

    @property
    def commit_durations(self) -> Histogram:
        """The durations of the batches until they were durable."""
        ...


def _no_stores() -> Sequence[StoreStatus]:
    return ()


def _no_logs() -> Mapping[str, LogFigures]:
    return {}


def _no_instances() -> Mapping[str, InstanceFigures]:
    return {}


def _no_topics() -> Mapping[str, int]:
    return {}


def _no_subscriptions() -> Sequence[tuple[str, SubscriptionInfo]]:
    return ()


def _no_sums() -> Mapping[str, SubscriptionSums]:
    return {}


def _no_shares() -> Sequence[Share]:
    return ()


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Functions that are called when metrics are asked for, on the event loop; each answers at once."""

    stores: Callable[[], Sequence[StoreStatus]] = _no_stores
    logs: Callable[[], Mapping[str, LogFigures]] = _no_logs
    """By store."""
    instances: Callable[[], Mapping[str, InstanceFigures]] = _no_instances
    """The instances of pub/sub, by name."""
    topics: Callable[[], Mapping[str, int]] = _no_topics
    """Messages given to pub/sub, by topic."""
    messages: Callable[[], MessageFigures] = MessageFigures
    subscriptions: Callable[[], Sequence[tuple[str, SubscriptionInfo]]] = _no_subscriptions
    """Stores and subscriptions with the largest lag, at most MOST_LISTED."""
    full_subscriptions: Callable[[], Sequence[tuple[str, SubscriptionInfo]]] = _no_subscriptions
    """Stores and subscriptions that are full, at most MOST_LISTED of a store."""
    subscription_sums: Callable[[], Mapping[str, SubscriptionSums]] = _no_sums
    """By store."""
    refusals: Callable[[], Mapping[str, int]] = _no_topics
    """Callers that were refused, by reason."""
    memory: Callable[[], Sequence[Share]] = _no_shares
    """The shares of the memory of the node."""
    workers: Callable[[], Mapping[str, int]] | None = None
    """How many workers can be had for each store; None when nobody knows."""
