"""The watch over the instances of pub/sub: what is too much, what fails too often, what has ended."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from gater.messages import logs, metrics
from gater.monitoring.announcements import Announcements
from gater.monitoring.pubsub_monitor import MOST_FAILURES, WINDOW_CHECKS, PubSubMonitor
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.system import PubSub
from tests.unit.telemetry.hands import Clock

NOISE = "noise"


class Watched:
    """The instances of a process, looked at every second of a clock that is moved by hand."""

    def __init__(self, pubsub: PubSub, said: Announcements) -> None:
        self.pubsub = pubsub
        self.clock = Clock()
        self._alerts = pubsub.subscribe("alerts", "system_alerts:*")
        self._open = said.messenger.open
        self.watch = PubSubMonitor(pubsub, said, self.clock)
        self.watch.check()

    def look(self, seconds: float = 1.0) -> list[tuple[str, str, str, str]]:
        """What is said after so many seconds: severity, title, source and description of each alert."""
        self.clock.move(seconds)
        self.watch.check()
        found = [self._open(message.body) for message in self._alerts.take()]
        return [(alert.severity, alert.title, alert.source, alert.description) for alert in found]

    def publish(self, instance: Instance, count: int) -> None:
        """Publish messages that are none of the node's own."""
        for _ in range(count):
            self.pubsub.broadcast(instance, NOISE, None)


@pytest.fixture
def watched(pubsub: PubSub, said: Announcements) -> Watched:
    return Watched(pubsub, said)


@pytest.mark.parametrize("instance", [Instance.SECURITY, Instance.HEALTH, Instance.ALERTS])
def test_unusual_volume_is_an_alert(watched: Watched, instance: Instance) -> None:
    usual = POLICIES[instance].usual_rate
    watched.publish(instance, usual)
    assert watched.look() == []
    watched.publish(instance, 2 * usual + 10)
    ((severity, title, source, text),) = watched.look()
    assert (severity, title, source) == ("warning", "unusual volume", instance.value)
    assert text.endswith(f"messages a second on {instance.value}, where up to {usual:,} are usual")


def test_a_short_burst_among_quiet_seconds_is_usual(watched: Watched) -> None:
    for _ in range(WINDOW_CHECKS):
        assert watched.look() == []
    watched.publish(Instance.SECURITY, 5 * POLICIES[Instance.SECURITY].usual_rate)
    for _ in range(2 * WINDOW_CHECKS):
        assert watched.look() == []


def test_volume_is_judged_by_the_time_that_has_passed(watched: Watched) -> None:
    watched.publish(Instance.SECURITY, 5 * POLICIES[Instance.SECURITY].usual_rate)
    assert watched.look(seconds=10) == []


def fail(message: Any) -> None:
    raise LookupError(message.topic)


def test_subscribers_that_fail_time_and_again_are_an_alert(watched: Watched) -> None:
    watched.pubsub.instance("health").subscribe_callback(NOISE, fail)
    watched.publish(Instance.HEALTH, MOST_FAILURES - 1)
    assert watched.look() == []
    watched.publish(Instance.HEALTH, 1)
    text = f"{MOST_FAILURES} messages on health could not be delivered lately"
    assert watched.look() == [("error", "messages fail", "health", text)]


def test_failures_now_and_then_are_none(watched: Watched) -> None:
    watched.pubsub.instance("health").subscribe_callback(NOISE, fail)
    for _ in range(2 * MOST_FAILURES):
        watched.publish(Instance.HEALTH, 1)
        assert watched.look() + watched.look() == []


def test_messages_that_cannot_be_published_are_an_alert(watched: Watched, said: Announcements) -> None:
    too_large = logs.log_entry("info", "x" * (1 << 20), "m")
    for _ in range(MOST_FAILURES):
        said.messenger.secure_broadcast("logs:gater:info", too_large)
    assert [alert[:3] for alert in watched.look()] == [("error", "messages fail", "logging")]


def test_an_instance_that_has_ended_is_opened_again_and_told_of(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.pubsub.instance("audit").close()
    with caplog.at_level(logging.ERROR):
        assert [alert[:3] for alert in watched.look()] == [("critical", "instance down", "audit")]
    assert [line.getMessage() for line in caplog.records] == ["an instance of pub/sub had ended"]
    assert watched.pubsub.subscribe("audit", "*").is_open
    assert watched.look(seconds=60) == []


def test_throughput_is_told_of_instances_that_had_messages(watched: Watched, said: Announcements) -> None:
    figures = watched.pubsub.subscribe("metrics", "throughput_stats:*")
    watched.publish(Instance.HEALTH, 10)
    watched.watch.report()  # the first time there is nothing to compare with
    watched.publish(Instance.HEALTH, 30)
    watched.clock.move(15)
    watched.watch.report()
    (message,) = figures.take()
    record = said.messenger.open(message.body)
    assert isinstance(record, metrics.ThroughputMetric)
    assert message.topic == "throughput_stats:pubsub:health"
    assert (record.operation, record.count, record.duration_ms) == ("pubsub:health", 30, 15_000)
