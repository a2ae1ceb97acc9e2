"""The page that Prometheus reads: it parses, and says what the node says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gater.model.selectors import parse_selector
from gater.model.stores import StoreStatus
from gater.model.subscriptions import GroupSettings, SubscriptionInfo
from gater.pubsub.bus import InstanceStats
from gater.store.log_stats import LogStats
from gater.telemetry.histogram import Histogram
from gater.telemetry.metrics import Metrics
from gater.telemetry.prometheus import CONTENT_TYPE, STORE_STATES, SUBSCRIPTION_STATES, MetricsPage
from gater.telemetry.sources import MessageFigures, Sources, SubscriptionSums
from tests.unit.telemetry.hands import Clock, begin, end

STORE = StoreStatus("orders", "read_only", "fsync", 42, 7, 3, 2, 4_096, 11, 5, "disk full")
SUBSCRIPTION = SubscriptionInfo(
    'odd "name"\n',
    parse_selector("by_stream", "$all"),
    0,
    GroupSettings(),
    1,
    1,
    state="stranded",
    checkpoint=30,
    lag=12,
    lag_seconds=1.5,
    consumers=2,
    in_flight=3,
    retrying=1,
    parked=4,
    delivered=90,
    redelivered=6,
    acked=80,
    delivery_seconds=0.01,
)


def log_stats() -> LogStats:
    stats = LogStats()
    stats.committed(10, 0.004)
    stats.committed(20, 0.04)
    return stats


def instance_stats() -> InstanceStats:
    processing = Histogram()
    processing.observe(0.002, 3)
    return InstanceStats(
        published=100,
        delivered=250,
        dropped=4,
        failed_callbacks=1,
        not_carried=3,
        overflows=2,
        disconnected=1,
        subscribers=3,
        depth=17,
        max_lag=9,
        processing=processing,
        is_open=True,
    )


SOURCES = Sources(
    stores=lambda: [STORE],
    logs=lambda: {"orders": log_stats()},
    instances=lambda: {"health": instance_stats()},
    messages=lambda: MessageFigures(sent=12, failed=2, received=5, unsigned=1, refused={"invalid_signature": 4}),
    subscriptions=lambda: [("orders", SUBSCRIPTION)],
    subscription_sums=lambda: {"orders": SubscriptionSums(lag=7, parked=3, delivered=90, states={"live": 2})},
    workers=lambda: {"orders": 1},
)


class Page:
    """A page as it is read."""

    def __init__(self, metrics: Metrics) -> None:
        self.text = MetricsPage(metrics, "1.2.3").render().decode()
        self.families = {family.name: family for family in text_string_to_metric_families(self.text)}

    def samples(self) -> Iterator[Any]:
        for family in self.families.values():
            yield from family.samples

    def value(self, name: str, **labels: str) -> float:
        (found,) = [sample.value for sample in self.samples() if (sample.name, sample.labels) == (name, labels)]
        return float(found)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics("n@h", SOURCES, clock=clock, now=clock.now)


def test_every_family_has_a_name_of_ours_a_type_and_a_meaning(metrics: Metrics) -> None:
    page = Page(metrics)
    ours = [family for family in page.families.values() if not family.name.startswith("process_")]
    assert len(ours) > 30
    for family in ours:
        assert re.fullmatch(r"gater_[a-z_]+", family.name)
        assert family.type in ("counter", "gauge", "histogram")
        assert family.documentation.endswith(".")


def test_content_type_is_that_of_the_text_format() -> None:
    assert CONTENT_TYPE.startswith("text/plain; version=")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gater_pubsub_messages_published_total", 100),
        ("gater_pubsub_messages_delivered_total", 250),
        ("gater_pubsub_messages_dropped_total", 4),
        ("gater_pubsub_messages_failed_total", 5),
        ("gater_pubsub_subscribers", 3),
        ("gater_pubsub_queue_depth", 17),
        ("gater_pubsub_subscriber_lag", 9),
        ("gater_pubsub_up", 1),
        ("gater_pubsub_processing_seconds_count", 3),
        ("gater_pubsub_processing_seconds_sum", 0.006),
    ],
)
def test_instances_of_pubsub_are_on_the_page(metrics: Metrics, name: str, value: float) -> None:
    assert Page(metrics).value(name, instance="health") == value


def test_system_messages_are_on_the_page(metrics: Metrics) -> None:
    page = Page(metrics)
    for outcome, count in {"sent": 12, "failed": 2, "received": 5, "unsigned": 1}.items():
        assert page.value(f"gater_system_messages_{outcome}_total") == count
    assert page.value("gater_system_messages_refused_total", code="invalid_signature") == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gater_store_events_total", 42),
        ("gater_store_streams", 7),
        ("gater_store_event_types", 3),
        ("gater_store_snapshots", 2),
        ("gater_store_file_bytes", 4_096),
        ("gater_store_waiting_commands", 11),
        ("gater_store_subscribers", 5),
        ("gater_store_batches_total", 2),
        ("gater_store_commands_total", 30),
        ("gater_store_commit_duration_seconds_count", 2),
        ("gater_store_commit_duration_seconds_sum", 0.044),
    ],
)
def test_stores_are_on_the_page(metrics: Metrics, name: str, value: float) -> None:
    assert Page(metrics).value(name, store="orders") == pytest.approx(value)


@pytest.mark.parametrize(("le", "count"), [("0.0025", 0), ("0.005", 1), ("0.05", 2), ("+Inf", 2)])
def test_commit_durations_are_a_histogram(metrics: Metrics, le: str, count: int) -> None:
    assert Page(metrics).value("gater_store_commit_duration_seconds_bucket", store="orders", le=le) == count


def test_exactly_one_state_of_a_store_is_one(metrics: Metrics) -> None:
    page = Page(metrics)
    states = {state: page.value("gater_store_state", store="orders", state=state) for state in STORE_STATES}
    assert states == {"running": 0, "read_only": 1, "corrupt": 0, "unavailable": 0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gater_subscription_lag_events", 12),
        ("gater_subscription_lag_seconds", 1.5),
        ("gater_subscription_consumers", 2),
        ("gater_subscription_in_flight", 3),
        ("gater_subscription_retrying", 1),
        ("gater_subscription_parked", 4),
        ("gater_subscription_delivered_total", 90),
        ("gater_subscription_redelivered_total", 6),
        ("gater_subscription_acked_total", 80),
    ],
)
def test_subscriptions_are_on_the_page(metrics: Metrics, name: str, value: float) -> None:
    assert Page(metrics).value(name, store="orders", subscription='odd "name"\n') == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gater_store_subscription_lag_events", 7),
        ("gater_store_subscription_parked", 3),
        ("gater_store_subscription_delivered_total", 90),
    ],
)
def test_sums_of_subscriptions_are_on_the_page(metrics: Metrics, name: str, value: float) -> None:
    page = Page(metrics)
    assert page.value(name, store="orders") == value
    assert page.value("gater_store_subscriptions", store="orders", state="live") == 2


def test_exactly_one_state_of_a_subscription_is_one(metrics: Metrics) -> None:
    page = Page(metrics)
    labels = {"store": "orders", "subscription": 'odd "name"\n'}
    states = {state: page.value("gater_subscription_state", **labels, state=state) for state in SUBSCRIPTION_STATES}
    assert [state for state, value in states.items() if value] == ["stranded"]


def test_calls_are_on_the_page_by_operation(metrics: Metrics, clock: Clock) -> None:
    for code in (None, "not_found", "not_found"):
        call = begin(metrics.calls, "get_version")
        clock.move(0.02)
        end(call, code)
    begin(metrics.calls, "get_version")
    metrics.calls.open_stream("subscribe")
    page = Page(metrics)
    assert page.value("gater_api_calls_total", operation="get_version") == 4
    assert page.value("gater_api_calls_in_flight", operation="get_version") == 1
    assert page.value("gater_api_errors_total", operation="get_version", code="not_found") == 2
    assert page.value("gater_api_call_duration_seconds_count", operation="get_version") == 3
    assert page.value("gater_api_call_duration_seconds_sum", operation="get_version") == pytest.approx(0.06)
    assert page.value("gater_api_call_duration_seconds_bucket", operation="get_version", le="0.01") == 0
    assert page.value("gater_api_call_duration_seconds_bucket", operation="get_version", le="0.025") == 3
    assert page.value("gater_api_streams_open", operation="subscribe") == 1
    assert page.value("gater_api_streams_opened_total", operation="subscribe") == 1


def test_node_cluster_and_workers_are_on_the_page(metrics: Metrics, clock: Clock) -> None:
    metrics.node_up("a")
    metrics.node_down("b")
    metrics.worker_assigned("orders")
    metrics.registration_failed("orders", "why")
    clock.move(3)
    page = Page(metrics)
    assert page.value("gater_node_info", node="n@h", version="1.2.3") == 1
    assert page.value("gater_node_uptime_seconds") == 3
    assert page.value("gater_cluster_nodes", state="connected") == 1
    assert page.value("gater_cluster_nodes", state="disconnected") == 1
    assert page.value("gater_cluster_events_total") == 2
    assert page.value("gater_worker_assignments_total") == 1
    assert page.value("gater_worker_active_assignments") == 1
    assert page.value("gater_registration_failures_total") == 1


def test_page_is_written_anew_each_time(clock: Clock) -> None:
    store = SimpleNamespace(batches=1, commands=1, log_pages=1, commit_durations=Histogram())
    metrics = Metrics("n", Sources(logs=lambda: {"x": store}), clock=clock, now=clock.now)
    page = MetricsPage(metrics, "1")
    assert b'gater_store_batches_total{store="x"} 1.0' in page.render()
    store.batches = 8
    assert b'gater_store_batches_total{store="x"} 8.0' in page.render()


def test_node_without_anything_has_a_page(clock: Clock) -> None:
    page = Page(Metrics("n", clock=clock, now=clock.now))
    assert page.value("gater_worker_assignments_total") == 0
