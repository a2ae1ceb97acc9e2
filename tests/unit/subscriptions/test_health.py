"""How a subscription is, by what has happened to it (reference, sections 3.8 and 3.9)."""

from __future__ import annotations

import pytest

from gater.model.errors import NotFoundError
from gater.model.subscriptions import SubscriptionHealth
from gater.subscriptions.health import ERRORS, FAILURES_IN_A_ROW, STATUS_OF, HealthTracker

MAPPING = {
    "registration_started": "registering",
    "registration_success": "healthy",
    "proxy_started": "healthy",
    "circuit_breaker_closed": "healthy",
    "event_delivery_success": "healthy",
    "periodic_heartbeat": "healthy",
    "registration_failed": "failed",
    "proxy_stopped": "failed",
    "proxy_crashed": "failed",
    "circuit_breaker_opened": "degraded",
    "event_delivery_failed": "degraded",
    "subscription_full": "degraded",
    "something_else": "unknown",
    "": "unknown",
}
COUNTED_AS_ERRORS = {"registration_failed", "proxy_crashed", "circuit_breaker_opened", "event_delivery_failed"}


@pytest.fixture
def tracker() -> HealthTracker:
    return HealthTracker("orders")


def fail(tracker: HealthTracker, times: int) -> list[str]:
    return [tracker.delivery_failed("mail") for _ in range(times)]


@pytest.mark.parametrize(("event", "status"), MAPPING.items())
def test_each_event_leads_to_its_status(tracker: HealthTracker, event: str, status: str) -> None:
    tracker.note("mail", event, 1)
    assert tracker.status("mail") == tracker.get("mail").current_status == status


def test_mapping_is_whole() -> None:
    assert set(STATUS_OF) == set(MAPPING) - {"something_else", ""}


@pytest.mark.parametrize("event", MAPPING)
def test_errors_are_counted_among_the_events(tracker: HealthTracker, event: str) -> None:
    tracker.note("mail", "registration_success", 1)
    tracker.note("mail", event, 2)
    found = tracker.get("mail")
    assert (found.event_count, found.last_event, found.last_seen) == (2, event, 2)
    is_error = event in COUNTED_AS_ERRORS
    assert (found.error_count, found.last_error) == ((1, event) if is_error else (0, None))
    assert (event in ERRORS) == is_error


def test_last_error_stays_when_all_is_well_again(tracker: HealthTracker) -> None:
    for now, event in enumerate(["registration_started", "proxy_crashed", "event_delivery_failed", "proxy_started"]):
        tracker.note("mail", event, now)
    assert tracker.get("mail") == SubscriptionHealth(
        "mail", "healthy", 3, 4, "proxy_started", 2, "event_delivery_failed"
    )


def test_what_is_told_has_the_five_fields(tracker: HealthTracker) -> None:
    metadata = {"reason": "full"}
    told = tracker.note("mail", "proxy_crashed", 7, metadata)
    assert told == {
        "store_id": "orders",
        "subscription_name": "mail",
        "event_type": "proxy_crashed",
        "timestamp": 7,
        "metadata": {"reason": "full"},
    }
    metadata["reason"] = "changed"
    assert told["metadata"] == {"reason": "full"}
    assert tracker.message("mail", "registration_attempt", 8)["metadata"] == {}


def test_a_message_alone_changes_nothing(tracker: HealthTracker) -> None:
    tracker.message("mail", "proxy_crashed", 1)
    assert (tracker.status("mail"), tracker.names()) == ("unknown", [])


def test_what_is_not_known_is_not_found(tracker: HealthTracker) -> None:
    with pytest.raises(NotFoundError) as caught:
        tracker.get("nobody")
    assert (caught.value.code, tracker.status("nobody")) == ("not_found", "unknown")


def test_what_is_given_out_is_a_copy(tracker: HealthTracker) -> None:
    tracker.note("mail", "proxy_started", 1)
    tracker.get("mail").event_count = 1_000
    assert tracker.get("mail").event_count == 1


def test_summary_counts_each_status(tracker: HealthTracker) -> None:
    names = {
        "a": "proxy_started",
        "b": "periodic_heartbeat",
        "c": "event_delivery_failed",
        "d": "proxy_crashed",
        "e": "registration_started",
        "f": "something_else",
    }
    for name, event in names.items():
        tracker.note(name, event, 1)
    assert tracker.summary(7) == {
        "store_id": "orders",
        "total_subscriptions": 6,
        "healthy": 2,
        "degraded": 1,
        "failed": 1,
        "registering": 1,
        "unknown": 1,
        "timestamp": 7,
    }
    assert tracker.names() == list("abcdef")


def test_summary_of_nothing_is_all_zero(tracker: HealthTracker) -> None:
    assert set(tracker.summary(0).values()) == {"orders", 0}


def test_breaker_opens_once_after_failures_in_a_row_and_closes_with_a_success(tracker: HealthTracker) -> None:
    events = fail(tracker, FAILURES_IN_A_ROW + 2)
    assert events.count("circuit_breaker_opened") == 1
    assert events.index("circuit_breaker_opened") == FAILURES_IN_A_ROW - 1
    assert tracker.delivery_succeeded("mail") == "circuit_breaker_closed"
    assert tracker.delivery_succeeded("mail") is None
    assert fail(tracker, 1) == ["event_delivery_failed"]


def test_a_success_begins_the_count_anew(tracker: HealthTracker) -> None:
    for _ in range(3):
        assert set(fail(tracker, FAILURES_IN_A_ROW - 1)) == {"event_delivery_failed"}
        assert tracker.delivery_succeeded("mail") == "event_delivery_success"


def test_failures_of_one_subscription_are_not_those_of_another(tracker: HealthTracker) -> None:
    fail(tracker, FAILURES_IN_A_ROW - 1)
    assert tracker.delivery_failed("other") == "event_delivery_failed"
    assert tracker.delivery_failed("mail") == "circuit_breaker_opened"


def test_what_is_forgotten_begins_anew(tracker: HealthTracker) -> None:
    tracker.note("mail", "proxy_crashed", 1)
    fail(tracker, FAILURES_IN_A_ROW - 1)
    tracker.forget("mail")
    tracker.forget("mail")
    assert (tracker.names(), tracker.status("mail")) == ([], "unknown")
    assert tracker.delivery_failed("mail") == "event_delivery_failed"
