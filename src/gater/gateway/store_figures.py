"""The figures of stores and subscriptions for metrics, at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest

from gater.gateway.stores import Stores
from gater.model.memory_budget import Share
from gater.model.stores import StoreStatus
from gater.model.subscriptions import SubscriptionInfo
from gater.monitoring.node_pubsub import NodePubSub
from gater.store.log_stats import LogStats
from gater.telemetry.sources import MOST_LISTED, Sources, SubscriptionSums


class StoreFigures:
    """The figures of all stores that are open."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def sources(
        self,
        statuses: Callable[[], Sequence[StoreStatus]],
        node_pubsub: NodePubSub,
        memory: Callable[[], Sequence[Share]],
        refusals: Callable[[], Mapping[str, int]],
    ) -> Sources:
        """The sources of metrics: statuses of its stores, shares of its memory, refusals by reason."""
        return Sources(
            stores=statuses,
            logs=self.logs,
            instances=node_pubsub.instance_figures,
            topics=node_pubsub.topic_figures,
            messages=node_pubsub.message_figures,
            subscriptions=self.listed,
            full_subscriptions=self.full,
            subscription_sums=self.sums,
            refusals=refusals,
            memory=memory,
            workers=self.workers,
        )

    def logs(self) -> Mapping[str, LogStats]:
        """The figures of the logs, by store."""
        return {store.id: store.log_stats for store in self._stores.open()}

    def workers(self) -> Mapping[str, int]:
        """The number of workers, by store."""
        return {store.id: 1 for store in self._stores.open()}

    def listed(self) -> list[tuple[str, SubscriptionInfo]]:
        """The subscriptions with the largest lag, at most MOST_LISTED, as they are now, with their stores."""
        found = [
            (lag, store.id, name)
            for store in self._stores.open()
            for lag, name in self._stores.durables(store.id).figures.listed()
        ]
        return [(store, self._stores.durables(store).info(name)) for _, store, name in nlargest(MOST_LISTED, found)]

    def full(self) -> list[tuple[str, SubscriptionInfo]]:
        """The subscriptions that are full, with their stores."""
        found = []
        for store in self._stores.open():
            durables = self._stores.durables(store.id)
            infos = [durables.info(name) for name in durables.figures.full()]
            found += [(store.id, info) for info in infos if info.state == "full"]
        return found

    def sums(self) -> Mapping[str, SubscriptionSums]:
        """The sums of all subscriptions at work, by store."""
        return {store.id: self._stores.durables(store.id).figures.sums() for store in self._stores.open()}
