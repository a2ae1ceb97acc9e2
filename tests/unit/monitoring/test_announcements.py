"""What a node says of itself: only to those who listen, never in the way of its work, and no alert too often."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from gater.messages import health, origin
from gater.messages.records import Record
from gater.monitoring import announcements as module
from gater.monitoring.announcements import ALERT_SECONDS, MOST_KINDS, Announcements
from gater.monitoring.lifecycle import announce_log_line, announce_node, announce_store
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from tests.unit.monitoring.listening import NODE, Listener
from tests.unit.telemetry.hands import Clock

FULL = ("error", "store", "full", {"store": "orders"})
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
OF_ORDERS = ["logging:store", "logging:store:orders"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.mark.parametrize("instance", list(Instance))
def test_nothing_is_made_for_an_instance_that_nobody_listens_to(
    pubsub: PubSub, said: Announcements, instance: Instance
) -> None:
    made: list[Instance] = []

    def make() -> Record:
        made.append(instance)
        return health.node_health("n", "healthy")

    others = [pubsub.subscribe(other, "*") for other in Instance if other is not instance]
    said.publish(instance, "topic", make)
    assert made == []
    with pubsub.subscribe(instance, "elsewhere"):
        said.publish(instance, "topic", make)
    assert made == [instance]
    for other in others:
        other.close()


def test_a_record_that_cannot_be_made_is_logged_and_not_raised(
    said: Announcements, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    said.component_health("orders", "quite well", {})  # type: ignore[arg-type]
    said.component_health("", "healthy", {})
    said.component_health("stock", "degraded", {"limit": float("nan")})
    assert listener.heard() == []
    assert [(line.levelno, line.getMessage()) for line in caplog.records] == [
        (logging.WARNING, "an announcement cannot be made")
    ] * 3
    assert [line.topic for line in caplog.records] == [  # type: ignore[attr-defined]
        "process_health:orders",
        "process_health:",
        "process_health:stock",
    ]


def test_a_topic_that_is_none_is_logged_and_not_raised(
    said: Announcements, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    said.publish(Instance.HEALTH, "a\nb", lambda: health.node_health("n", "healthy"))
    assert (listener.heard(), len(caplog.records)) == ([], 1)


def test_a_record_is_of_its_node_also_while_another_source_is_in_use(said: Announcements, listener: Listener) -> None:
    with origin.using(origin.Origin("elsewhere")):
        announce_store(said, "orders", "started")
        assert origin.self_node() == "elsewhere"
    [(_, _, record)] = listener.heard()
    assert record.to_dict()["node"] == NODE


def test_nothing_is_raised_when_the_system_has_ended(pubsub: PubSub, said: Announcements) -> None:
    with pubsub.subscribe(Instance.SYSTEM, "*") as subscription:
        pubsub.close()
        announce_node(said, "stopped")
        assert subscription.take() == []


@pytest.mark.parametrize(
    ("say", "component", "kind", "topics"),
    [
        (lambda said: announce_node(said, "started"), "node", "startup", ["logging:node"]),
        (lambda said: announce_node(said, "stopped"), "node", "shutdown", ["logging:node"]),
        (lambda said: announce_node(said, "stopping"), "node", None, []),
        (lambda said: announce_store(said, "orders", "started"), "store", "startup", OF_ORDERS),
        (lambda said: announce_store(said, "orders", "stopped"), "store", "shutdown", OF_ORDERS),
        (lambda said: announce_store(said, "orders", "crashed"), "store", None, []),
        (
            lambda said: announce_log_line(said, *FULL, NOON),
            "store",
            "error",
            OF_ORDERS,
        ),
    ],
)
def test_events_of_the_log_go_to_the_topics_of_their_component_and_store(
    pubsub: PubSub,
    said: Announcements,
    say: Callable[[Announcements], None],
    component: str,
    kind: str | None,
    topics: list[str],
) -> None:
    heard = pubsub.subscribe("logging", "logging:*")
    say(said)
    messages = heard.take()
    assert [message.topic for message in messages] == topics
    for message in messages:
        tag, event = message.body
        assert (tag, event["component"], event["event_type"]) == ("log_event", component, kind)
        assert set(event) == {"component", "event_type", "store_id", "pid", "timestamp", "message", "metadata"}


def test_a_line_about_what_is_no_name_is_told_all_the_same(
    pubsub: PubSub, said: Announcements, caplog: pytest.LogCaptureFixture
) -> None:
    heard = pubsub.subscribe("logging", "*")
    with caplog.at_level(logging.WARNING):
        announce_log_line(said, "error", "store", "no such store", {"store": "a\nb"}, NOON)
    assert [message.topic for message in heard.take()] == ["logging:store", "logs:gater:error"]
    assert [line.getMessage() for line in caplog.records if line.name == module.__name__] == [
        "a log event cannot be published"
    ]


def test_an_alert_is_given_again_only_after_a_while(said: Announcements, listener: Listener, clock: Clock) -> None:
    def alert(title: str = "slow", source: str = "orders") -> int:
        said.alert("warning", "performance", title, "it is slow", source)
        return len(listener.heard())

    assert [alert(), alert(), alert()] == [1, 0, 0]
    clock.move(ALERT_SECONDS - 0.1)
    assert [alert(), alert(title="other"), alert(source="other")] == [0, 1, 1]
    clock.move(0.1)
    assert [alert(), alert()] == [1, 0]


def test_what_is_remembered_of_alerts_is_bounded(said: Announcements, listener: Listener, clock: Clock) -> None:
    for number in range(MOST_KINDS + 1):
        said.alert("warning", "system", "t", "d", str(number))
    assert len(listener.heard()) == MOST_KINDS + 1
    assert len(said._alerted) <= MOST_KINDS
