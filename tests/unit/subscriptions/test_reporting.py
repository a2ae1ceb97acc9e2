"""What is told of subscriptions, where, and how often (reference, sections 3.8 and 3.9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

from gater.model.errors import NotFoundError, StoreUnavailableError
from gater.model.selectors import parse_selector
from gater.model.subscriptions import GroupSettings, SubscriptionInfo
from gater.subscriptions import reporting
from gater.subscriptions.channels import NOWHERE, Channels
from gater.subscriptions.health import FAILURES_IN_A_ROW
from gater.subscriptions.reporting import CHECK_SECONDS, PAUSE_SECONDS, QUIET_SECONDS, SUMMARY_SECONDS, Reporter
from tests.unit.hand_loop import HandLoop

ENVELOPE = {"store_id", "subscription_name", "event_type", "timestamp", "metadata"}


class Heard:
    """An instance that keeps what is broadcast on it."""

    is_heard = True

    def __init__(self) -> None:
        self.on_heard: list[Callable[[], object]] = []
        self.messages: list[tuple[str, Any]] = []

    def hears(self, topic: str) -> bool:
        return True

    def broadcast(self, topic: str, body: Any) -> object:
        self.messages.append((topic, body))
        return 1

    def events(self) -> list[str]:
        """The kinds of what was told of single subscriptions, in order; what was told is forgotten."""
        found = [body["event_type"] for _, (_, body) in self.messages if "event_type" in body]
        self.messages.clear()
        return found


class Told:
    """A reporter, and all that it has to do with."""

    def __init__(self, loop: HandLoop) -> None:
        self.loop = loop
        self.events, self.health, self.metrics = Heard(), Heard(), Heard()
        self.at_work: list[SubscriptionInfo] = []
        self.checks = self.steps = 0
        self.steps_of_a_check = 0
        self.changed: list[str] = []
        channels = Channels(self.events, self.health, self.metrics)
        self.reporter = Reporter("orders", channels, lambda: self.at_work, self._check, self.changed.append)

    def _check(self) -> Generator[None, None, dict[str, int]]:
        for _ in range(self.steps_of_a_check):
            self.steps += 1
            yield
        self.checks += 1
        return {"total_issues": self.checks}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(HandLoop().installed(monkeypatch, reporting))


def info(name: str = "mail", state: str = "live") -> SubscriptionInfo:
    return SubscriptionInfo(
        name,
        parse_selector("by_stream", "$all"),
        0,
        GroupSettings(),
        1,
        1,
        state=state,
        checkpoint=7,
        lag=3,
        lag_seconds=0.5,
        consumers=1,
        in_flight=2,
        retrying=0,
        parked=4,
        delivered=9,
        redelivered=1,
        acked=6,
        delivery_seconds=0.25,
    )


def test_what_happens_is_told_on_the_health_instance(told: Told) -> None:
    before = time.time_ns() // 1_000_000
    told.reporter.note("mail", "registration_success", {"registration_time": 5})
    [(topic, (tag, body))] = told.health.messages
    assert (topic, tag) == ("subscription_health:orders:mail", "subscription_health")
    assert set(body) == ENVELOPE
    assert (body["store_id"], body["subscription_name"], body["metadata"]) == (
        "orders",
        "mail",
        {"registration_time": 5},
    )
    assert isinstance(body["timestamp"], int)
    assert before <= body["timestamp"] <= time.time_ns() // 1_000_000
    assert (told.metrics.messages, told.events.messages) == ([], [])


def test_what_is_measured_is_told_on_the_metrics_instance_and_is_no_health(told: Told) -> None:
    told.reporter.measure("mail", "registration_attempt", {"result": "success"})
    [(topic, (tag, body))] = told.metrics.messages
    assert (topic, tag) == ("subscription_metrics:orders:mail", "subscription_metrics")
    assert set(body) == ENVELOPE
    assert (body["event_type"], body["metadata"]) == ("registration_attempt", {"result": "success"})
    assert told.health.messages == []
    with pytest.raises(NotFoundError):
        told.reporter.tracker.get("mail")


def test_failures_in_quick_succession_are_told_as_one(told: Told) -> None:
    for _ in range(3):
        told.reporter.delivery_failed("mail", {"reason": "no"})
    assert told.health.events() == ["event_delivery_failed"]
    told.loop.move(QUIET_SECONDS)
    told.reporter.delivery_failed("mail", {"reason": "no"})
    assert told.health.events() == ["event_delivery_failed"]


def test_each_failure_counts_also_when_it_is_not_told(told: Told) -> None:
    for _ in range(3):
        told.reporter.delivery_failed("mail", {"reason": "no"})
    known = told.reporter.tracker.get("mail")
    assert (known.error_count, known.current_status) == (3, "degraded")


def test_failure_right_after_a_success_is_not_passed_over(told: Told) -> None:
    told.reporter.delivery_failed("mail", {})
    told.reporter.delivery_succeeded("mail")
    told.reporter.delivery_failed("mail", {})
    assert told.health.events() == ["event_delivery_failed", "event_delivery_success"]
    assert told.reporter.is_bad("mail")


def test_the_breaker_is_told_at_once_when_it_opens_and_when_it_closes(told: Told) -> None:
    for _ in range(FAILURES_IN_A_ROW + 3):
        told.reporter.delivery_failed("mail", {"reason": "no"})
    assert told.health.events() == ["event_delivery_failed", "circuit_breaker_opened"]
    told.reporter.delivery_succeeded("mail")
    told.reporter.delivery_succeeded("mail")
    assert told.health.events() == ["circuit_breaker_closed"]


def test_quiet_of_one_subscription_is_not_that_of_another(told: Told) -> None:
    for name in ("mail", "bill", "mail"):
        told.reporter.delivery_failed(name, {})
    assert [topic.rpartition(":")[2] for topic, _ in told.health.messages] == ["mail", "bill"]
    told.reporter.forget("mail")
    told.reporter.delivery_failed("mail", {})
    assert len(told.health.messages) == 3


@pytest.mark.parametrize(
    ("event", "is_bad"),
    [
        ("proxy_crashed", True),
        ("registration_failed", True),
        ("circuit_breaker_opened", True),
        ("registration_started", False),
        ("periodic_heartbeat", False),
        ("something_else", False),
    ],
)
def test_bad_is_what_failed_or_is_degraded(told: Told, event: str, is_bad: bool) -> None:
    assert not told.reporter.is_bad("mail")
    told.reporter.note("mail", event)
    assert told.reporter.is_bad("mail") is is_bad
    assert told.changed == ["mail"]


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda reporter: reporter.note("mail", "proxy_crashed"), id="note"),
        pytest.param(lambda reporter: reporter.delivery_failed("mail", {}), id="delivery failed"),
    ],
)
def test_who_is_told_of_a_change_sees_the_status_as_it_is_now(told: Told, happens: Callable[[Reporter], None]) -> None:
    seen: list[bool] = []
    told.reporter._changed = lambda name: seen.append(told.reporter.is_bad(name))
    happens(told.reporter)
    told.reporter.note("mail", "periodic_heartbeat")
    assert seen == [True, False]


def test_summary_is_told_every_thirty_seconds(told: Told) -> None:
    assert SUMMARY_SECONDS == 30
    told.reporter.note("mail", "proxy_started")
    told.health.messages.clear()
    told.loop.move(29.9)
    assert told.health.messages == []
    told.loop.move(0.1)
    summary = {
        "store_id": "orders",
        "total_subscriptions": 1,
        "healthy": 1,
        "degraded": 0,
        "failed": 0,
        "registering": 0,
        "unknown": 0,
    }
    ((topic, (tag, told_summary)),) = told.health.messages
    assert (topic, tag) == ("health_summary:orders", "health_summary")
    assert abs(told_summary.pop("timestamp") - time.time() * 1_000) < 10_000
    assert told_summary == summary
    told.loop.move(60)
    assert [topic for topic, _ in told.health.messages].count("health_summary:orders") == 3


def test_a_subscription_at_work_gives_figures_and_a_sign_of_life(told: Told) -> None:
    told.at_work = [info("mail"), info("bill", "failed")]
    told.loop.move(SUMMARY_SECONDS)
    measured = {topic: body for topic, (_, body) in told.metrics.messages}
    assert set(measured) == {"subscription_metrics:orders:mail", "subscription_metrics:orders:bill"}
    body = measured["subscription_metrics:orders:mail"]
    assert body["event_type"] == "subscription_figures"
    assert body["metadata"] == {
        "state": "live",
        "lag": 3,
        "lag_seconds": 0.5,
        "consumers": 1,
        "in_flight": 2,
        "retrying": 0,
        "parked": 4,
        "delivered": 9,
        "redelivered": 1,
        "acked": 6,
        "delivery_seconds": 0.25,
    }
    [(topic, (_, alive)), (_, (_, summary))] = told.health.messages
    assert (topic, alive["event_type"]) == ("subscription_health:orders:mail", "periodic_heartbeat")
    assert alive["metadata"] == {"state": "live", "lag": 3}
    assert summary["total_subscriptions"] == 1


def test_it_is_checked_every_sixty_seconds(told: Told) -> None:
    assert CHECK_SECONDS == 60
    told.loop.move(59.9)
    assert told.checks == 0
    told.loop.move(0.1)
    assert told.checks == 1
    assert ("store_health:orders", ["subscription_check", {"total_issues": 1}]) in told.health.messages
    told.loop.move(120)
    assert told.checks == 3


def test_a_check_takes_its_steps_one_at_a_time(told: Told) -> None:
    told.steps_of_a_check = 3
    told.loop.move(CHECK_SECONDS)
    seen = [told.steps]
    while not told.checks:
        told.loop.move(PAUSE_SECONDS)
        seen.append(told.steps)
    assert seen == [1, 2, 3, 3]
    told.loop.move(CHECK_SECONDS + 3 * PAUSE_SECONDS)
    assert told.checks == 2


def test_a_check_that_fails_is_made_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> Generator[None, None, None]:
        yield
        raise StoreUnavailableError("orders", "it cannot be read")

    monkeypatch.setattr(told.reporter, "_check", failing)
    told.loop.move(CHECK_SECONDS)
    with pytest.raises(StoreUnavailableError):
        told.loop.move(PAUSE_SECONDS)
    monkeypatch.setattr(told.reporter, "_check", told._check)
    told.loop.move(CHECK_SECONDS)
    assert told.checks == 1


def no_check() -> Generator[None, None, None]:
    """A check that finds nothing, at once."""
    yield from ()


def test_nothing_is_told_after_the_end(told: Told) -> None:
    told.loop.move(SUMMARY_SECONDS)
    told.health.messages.clear()
    told.reporter.close()
    assert told.loop.pending == 0
    told.loop.move(1_000)
    assert (told.health.messages, told.checks) == ([], 0)


def test_speaking_where_nobody_listens_is_possible(told: Told) -> None:
    reporter = Reporter("orders", NOWHERE, lambda: [info()], no_check, lambda _: None)
    reporter.note("mail", "proxy_started")
    told.loop.move(SUMMARY_SECONDS)
    assert reporter.tracker.get("mail").last_event == "periodic_heartbeat"
