"""The page of metrics that Prometheus reads: every number of a node, under names that begin with `gater_`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gater.telemetry.histogram import Histogram
from gater.telemetry.metrics import Metrics
from gater.telemetry.sources import SubscriptionSums

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

STORE_STATES: Final = ("running", "read_only", "corrupt", "unavailable")
SUBSCRIPTION_STATES: Final = ("live", "catching_up", "idle", "stranded", "full", "failed")

Kind: TypeAlias = type[CounterMetricFamily] | type[GaugeMetricFamily]
Table: TypeAlias = tuple[tuple[Kind, str, str, Callable[[Any], float]], ...]
"""Families: what each is, its name, what it means, and how its value is taken from a row."""
Rows: TypeAlias = Sequence[tuple[Sequence[str], Any]]
"""The values of labels, and that which they label."""

_COUNTER: Final = CounterMetricFamily
_GAUGE: Final = GaugeMetricFamily

_CALLS: Final[Table] = (
    (_COUNTER, "gater_api_calls_total", "Calls of the API that were started.", attrgetter("started")),
    (_GAUGE, "gater_api_calls_in_flight", "Calls of the API under way.", attrgetter("current")),
    (_COUNTER, "gater_api_streams_opened_total", "Reads and subscriptions opened.", attrgetter("streams_opened")),
    (_GAUGE, "gater_api_streams_open", "Reads and subscriptions that are open.", attrgetter("streams_open")),
)
_INSTANCES: Final[Table] = (
    (
        _COUNTER,
        "gater_pubsub_messages_published_total",
        "Messages given to an instance of pub/sub.",
        attrgetter("published"),
    ),
    (
        _COUNTER,
        "gater_pubsub_messages_delivered_total",
        "Messages given to subscribers, once for each of them.",
        attrgetter("delivered"),
    ),
    (_COUNTER, "gater_pubsub_messages_dropped_total", "Messages that slow subscribers lost.", attrgetter("dropped")),
    (
        _COUNTER,
        "gater_pubsub_messages_failed_total",
        "Callbacks that failed, subscribers that were disconnected, messages that could not be carried.",
        attrgetter("failed"),
    ),
    (_GAUGE, "gater_pubsub_queue_depth", "Messages that wait for all subscribers together.", attrgetter("depth")),
    (_GAUGE, "gater_pubsub_subscriber_lag", "Messages that wait for the slowest subscriber.", attrgetter("max_lag")),
    (_GAUGE, "gater_pubsub_subscribers", "Subscribers of an instance.", attrgetter("subscribers")),
    (_GAUGE, "gater_pubsub_up", "1 when an instance can be had.", lambda figures: float(figures.is_open)),
)
_MESSAGES: Final[Table] = (
    (_COUNTER, "gater_system_messages_sent_total", "System messages that were published.", attrgetter("sent")),
    (
        _COUNTER,
        "gater_system_messages_failed_total",
        "System messages that could not be published.",
        attrgetter("failed"),
    ),
    (
        _COUNTER,
        "gater_system_messages_received_total",
        "System messages of others that were believed.",
        attrgetter("received"),
    ),
    (
        _COUNTER,
        "gater_system_messages_unsigned_total",
        "System messages without a signature, of those sent and received.",
        attrgetter("unsigned"),
    ),
)
_STORES: Final[Table] = (
    (_COUNTER, "gater_store_events_total", "Events ever committed: the newest position.", attrgetter("position")),
    (_GAUGE, "gater_store_streams", "Streams ever written to.", attrgetter("streams")),
    (_GAUGE, "gater_store_event_types", "Types of events in a store.", attrgetter("event_types")),
    (_GAUGE, "gater_store_snapshots", "Snapshots in a store.", attrgetter("snapshots")),
    (_GAUGE, "gater_store_file_bytes", "Size of the file of a store.", attrgetter("file_bytes")),
    (
        _GAUGE,
        "gater_store_waiting_commands",
        "Commands accepted and not yet answered.",
        attrgetter("waiting_commands"),
    ),
    (_GAUGE, "gater_store_subscribers", "Who follows a store now.", attrgetter("subscribers")),
)
_LOGS: Final[Table] = (
    (_GAUGE, "gater_store_log_pages", "Pages in the write-ahead log of a store.", attrgetter("log_pages")),
    (_COUNTER, "gater_store_batches_total", "Batches committed since a store was opened.", attrgetter("batches")),
    (_COUNTER, "gater_store_commands_total", "Commands in these batches.", attrgetter("commands")),
)
_SUBSCRIPTIONS: Final[Table] = (
    (_GAUGE, "gater_subscription_lag_events", "Events of a subscription not settled.", attrgetter("lag")),
    (_GAUGE, "gater_subscription_lag_seconds", "Age of the oldest of these events.", attrgetter("lag_seconds")),
    (_GAUGE, "gater_subscription_consumers", "Consumers attached.", attrgetter("consumers")),
    (_GAUGE, "gater_subscription_in_flight", "Events delivered and not settled.", attrgetter("in_flight")),
    (_GAUGE, "gater_subscription_retrying", "Events that wait to be delivered again.", attrgetter("retrying")),
    (_GAUGE, "gater_subscription_parked", "Events that were set aside.", attrgetter("parked")),
    (
        _COUNTER,
        "gater_subscription_delivered_total",
        "Deliveries since the store was opened.",
        attrgetter("delivered"),
    ),
    (
        _COUNTER,
        "gater_subscription_redelivered_total",
        "Deliveries that were not the first of their event.",
        attrgetter("redelivered"),
    ),
    (_COUNTER, "gater_subscription_acked_total", "Deliveries that were acknowledged.", attrgetter("acked")),
)
_SUBSCRIPTION_SUMS: Final[Table] = (
    (_GAUGE, "gater_store_subscription_lag_events", "Lag of all subscriptions of a store.", attrgetter("lag")),
    (_GAUGE, "gater_store_subscription_consumers", "Consumers of all subscriptions.", attrgetter("consumers")),
    (_GAUGE, "gater_store_subscription_in_flight", "Events delivered and not settled.", attrgetter("in_flight")),
    (_GAUGE, "gater_store_subscription_retrying", "Events that wait to be delivered again.", attrgetter("retrying")),
    (_GAUGE, "gater_store_subscription_parked", "Events that were set aside.", attrgetter("parked")),
    (_COUNTER, "gater_store_subscription_delivered_total", "Deliveries.", attrgetter("delivered")),
    (_COUNTER, "gater_store_subscription_redelivered_total", "Deliveries again.", attrgetter("redelivered")),
)
_MEMORY: Final[Table] = (
    (_GAUGE, "gater_memory_used_bytes", "Bytes that are counted in a share of the memory.", attrgetter("used")),
    (_GAUGE, "gater_memory_limit_bytes", "Bytes that a share has.", attrgetter("limit")),
    (_COUNTER, "gater_memory_refused_total", "How often a share had no room.", attrgetter("refused")),
)
_NODE: Final[Table] = (
    (
        _COUNTER,
        "gater_worker_assignments_total",
        "Workers assigned to calls.",
        attrgetter("workers.assignments"),
    ),
    (_COUNTER, "gater_worker_releases_total", "Workers set free.", attrgetter("workers.releases")),
    (
        _COUNTER,
        "gater_worker_unavailable_total",
        "Attempts that found no worker.",
        attrgetter("workers.unavailable"),
    ),
    (_GAUGE, "gater_worker_active_assignments", "Workers at work.", attrgetter("workers.active")),
    (_COUNTER, "gater_cluster_events_total", "Nodes that came up or went down.", attrgetter("nodes.events")),
    (
        _COUNTER,
        "gater_registrations_total",
        "Workers registered with the cluster.",
        attrgetter("registrations.successes"),
    ),
    (
        _COUNTER,
        "gater_registration_failures_total",
        "Workers that could not be registered.",
        attrgetter("registrations.failures"),
    ),
    (
        _GAUGE,
        "gater_node_uptime_seconds",
        "How long the node has run.",
        lambda metrics: float(metrics.uptime_ms) / 1_000,
    ),
)


class MetricsPage:
    """The page of one node, written anew each time from what the metrics say then."""

    def __init__(self, metrics: Metrics, version: str) -> None:
        """`version`: that of the program."""
        self._registry = CollectorRegistry()
        self._registry.register(NodeCollector(metrics, version))
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """The page as text, to be sent as CONTENT_TYPE; to be called on the event loop."""
        return generate_latest(self._registry)


class NodeCollector(Collector):
    """Gives a Prometheus registry the numbers of a node; nothing is kept twice."""

    def __init__(self, metrics: Metrics, version: str) -> None:
        self._metrics = metrics
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """All families, those without a sample included."""
        metrics, sources = self._metrics, self._metrics.sources
        yield InfoMetricFamily(
            "gater_node", "Which node and version this is.", value={"node": metrics.node, "version": self._version}
        )
        yield from _families(_NODE, (), [((), metrics)])
        yield _cluster_nodes(metrics)
        yield from _families(_MEMORY, ("share",), [((share.name,), share) for share in sources.memory()])
        yield _refusals(sources.refusals())
        yield from self._calls()
        yield from self._pubsub()
        stores = [((status.store,), status) for status in sources.stores()]
        yield from _families(_STORES, ("store",), stores)
        yield _states("gater_store_state", "1 for the state of a store.", ("store",), stores, STORE_STATES)
        logs = [((store,), log) for store, log in sources.logs().items()]
        yield from _families(_LOGS, ("store",), logs)
        commits = [(labels, log.commit_durations) for labels, log in logs]
        yield _durations("gater_store_commit_duration_seconds", "Time until a batch was durable.", ("store",), commits)
        yield from self._subscriptions()

    def _pubsub(self) -> Iterator[Metric]:
        sources = self._metrics.sources
        rows = [((name,), figures) for name, figures in sources.instances().items()]
        yield from _families(_INSTANCES, ("instance",), rows)
        processing = [(labels, figures.processing) for labels, figures in rows]
        yield _durations(
            "gater_pubsub_processing_seconds", "Time that subscribers took for a message.", ("instance",), processing
        )
        messages = sources.messages()
        yield from _families(_MESSAGES, (), [((), messages)])
        refused = CounterMetricFamily(
            "gater_system_messages_refused_total", "System messages that were not believed.", labels=("code",)
        )
        for code, count in messages.refused.items():
            refused.add_metric((code,), count)
        yield refused

    def _calls(self) -> Iterator[Metric]:
        rows = [((calls.operation,), calls) for calls in self._metrics.calls]
        yield from _families(_CALLS, ("operation",), rows)
        errors = CounterMetricFamily(
            "gater_api_errors_total", "Calls and streams that ended in an error.", labels=("operation", "code")
        )
        for labels, calls in rows:
            for code, count in calls.errors.as_dict().items():
                errors.add_metric((*labels, code), count)
        yield errors
        durations = [(labels, calls.durations) for labels, calls in rows]
        yield _durations(
            "gater_api_call_duration_seconds", "Time until a call was answered.", ("operation",), durations
        )

    def _subscriptions(self) -> Iterator[Metric]:
        sums = [((store,), found) for store, found in self._metrics.sources.subscription_sums().items()]
        yield from _families(_SUBSCRIPTION_SUMS, ("store",), sums)
        yield _counted_states(sums)
        labels = ("store", "subscription")
        rows = [((store, info.name), info) for store, info in self._metrics.sources.subscriptions()]
        yield from _families(_SUBSCRIPTIONS, labels, rows)
        about = "1 for the state of a subscription."
        yield _states("gater_subscription_state", about, labels, rows, SUBSCRIPTION_STATES)


def _families(table: Table, labels: Sequence[str], rows: Rows) -> Iterator[Metric]:
    for kind, name, about, value_of in table:
        family = kind(name, about, labels=labels)
        for values, row in rows:
            family.add_metric(values, value_of(row))
        yield family


def _durations(name: str, about: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], Histogram]]) -> Metric:
    family = HistogramMetricFamily(name, about, labels=labels)
    for values, durations in rows:
        buckets = [("+Inf" if math.isinf(bound) else repr(bound), count) for bound, count in durations.cumulative()]
        family.add_metric(values, buckets, sum_value=durations.seconds)
    return family


def _states(name: str, about: str, labels: Sequence[str], rows: Rows, states: Sequence[str]) -> Metric:
    """One sample for each state that a row may be in: 1 for the one it is in, 0 for the others."""
    family = GaugeMetricFamily(name, about, labels=(*labels, "state"))
    for values, row in rows:
        for state in states:
            family.add_metric((*values, state), 1 if row.state == state else 0)
    return family


def _counted_states(sums: Sequence[tuple[Sequence[str], SubscriptionSums]]) -> Metric:
    family = GaugeMetricFamily(
        "gater_store_subscriptions", "Subscriptions at work in each state.", labels=("store", "state")
    )
    for labels, found in sums:
        for state in SUBSCRIPTION_STATES:
            family.add_metric((*labels, state), found.states.get(state, 0))
    return family


def _refusals(refusals: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily("gater_refused_total", "Callers that were refused.", labels=("reason",))
    for reason, count in refusals.items():
        family.add_metric((reason,), count)
    return family


def _cluster_nodes(metrics: Metrics) -> Metric:
    family = GaugeMetricFamily("gater_cluster_nodes", "Other nodes of the cluster.", labels=("state",))
    family.add_metric(("connected",), len(metrics.nodes.connected))
    family.add_metric(("disconnected",), len(metrics.nodes.lost))
    return family
