"""The messenger: what it publishes, what it takes, and that publishing harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gater.messages import health, logs, metrics
from gater.messages.broadcast import Messenger, current_messenger
from gater.messages.catalog import module_for_instance
from gater.messages.envelope import Envelope
from gater.messages.origin import Origin, using
from gater.messages.records import Record
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring
from gater.model.errors import (
    InvalidArgumentError,
    InvalidFormatError,
    InvalidSignatureError,
    MessageReplayedError,
    MisconfiguredError,
    UnsecuredMessageError,
    ValidationError,
)
from gater.telemetry.sources import MessageFigures
from tests.unit.messages.promises import MOMENT, NOW, PROMISES, Promise

KEYS = Keyring("the secret")


class Bus:
    """What was published; it fails while there is trouble."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str, Envelope]] = []
        self.trouble: Exception | None = None

    def __call__(self, instance: str, topic: str, body: Envelope) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.published.append((instance, topic, body))


@pytest.fixture
def bus() -> Bus:
    return Bus()


def messenger_on(bus: Bus, keys: Keyring | None = KEYS, **options: Any) -> Messenger:
    return Messenger(bus, keys, clock=lambda: NOW, node="node-1", **options)


@pytest.fixture
def messenger(bus: Bus) -> Iterator[Messenger]:
    """The messenger in use; it has keys."""
    made = messenger_on(bus)
    with using(made):
        yield made


@pytest.mark.parametrize("promise", PROMISES, ids=str)
def test_a_broadcast_publishes_its_record_on_its_instance(promise: Promise, messenger: Messenger, bus: Bus) -> None:
    record = promise.build()
    promise.broadcast("some:topic", record)
    [(instance, topic, body)] = bus.published
    assert (instance, topic, body[0]) == (promise.instance, "some:topic", "secure_message")
    opened = module_for_instance(instance).validate_secure_message(body)  # type: ignore[union-attr]
    assert opened == record
    assert record.timestamp == MOMENT


@pytest.mark.parametrize("promise", PROMISES, ids=str)
def test_a_broadcast_refuses_another_record(promise: Promise, messenger: Messenger, bus: Bus) -> None:
    others: list[Any] = [each.build() for each in PROMISES if each != promise]
    for other in [*others, None, {}, promise.build().to_dict(), Record()]:
        with pytest.raises(ValidationError) as caught:
            promise.broadcast("topic", other)
        assert caught.value.field == "record"
    assert bus.published == []


@pytest.mark.parametrize("instance", sorted({promise.instance for promise in PROMISES}))
def test_secure_broadcast_takes_every_record_of_its_instance_only(
    instance: str, messenger: Messenger, bus: Bus
) -> None:
    module: Any = module_for_instance(instance)
    for promise in PROMISES:
        if promise.instance == instance:
            module.secure_broadcast("topic", promise.build())
        else:
            with pytest.raises(ValidationError):
                module.secure_broadcast("topic", promise.build())
    assert {published[0] for published in bus.published} == {instance}


@pytest.mark.parametrize("topic", [None, 1, b"topic", "", "a\nb", "x" * 1_025])
def test_a_topic_is_a_name(topic: Any, messenger: Messenger) -> None:
    with pytest.raises(InvalidArgumentError):
        health.broadcast_node_health(topic, health.node_health("n", "healthy"))
    with pytest.raises(InvalidArgumentError):
        health.broadcast_store_health(topic, health.node_health("n", "healthy"))


def test_what_is_no_record_of_a_message_is_refused(messenger: Messenger) -> None:
    for nothing in (None, {"node": "n"}, Record()):
        with pytest.raises(ValidationError):
            messenger.secure_broadcast("topic", nothing)  # type: ignore[arg-type]


def test_without_a_messenger_in_use_broadcasting_is_misconfigured() -> None:
    with using(Origin("n")), pytest.raises(MisconfiguredError):
        health.broadcast_node_health("topic", health.node_health("n", "healthy"))
    with using(Origin("n")), pytest.raises(MisconfiguredError):
        health.validate_secure_message(None)


def test_the_messenger_in_use_names_node_and_time(messenger: Messenger) -> None:
    assert current_messenger() is messenger
    made = metrics.performance_metric("m", 1, "ms")
    assert (made.node, made.timestamp) == ("node-1", MOMENT)


def test_store_and_cluster_health_have_topics_of_their_own(messenger: Messenger, bus: Bus) -> None:
    record = health.health_check("disk", "n", "pass")
    health.broadcast_store_health("orders", record)
    health.broadcast_store_health("orders:health", record)
    health.broadcast_cluster_health_update(health.cluster_health("healthy", 3, 3))
    health.broadcast_cluster_health_update(health.node_health("n", "healthy"))
    assert [topic for _, topic, _ in bus.published] == ["orders:health"] * 2 + ["cluster:health"] * 2
    assert (health.store_health_topic("orders"), health.cluster_health_topic()) == ("orders:health", "cluster:health")
    with pytest.raises(ValidationError):
        health.broadcast_store_health("orders", health.cluster_health("healthy", 3, 3))  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        health.broadcast_cluster_health_update(record)  # type: ignore[arg-type]


HEALTH_RECORDS = [
    health.node_health("n", "healthy"),
    health.component_health("store", "n", "healthy"),
    health.health_check("disk", "n", "pass"),
    health.cluster_health("healthy", 3, 3),
]


@pytest.mark.parametrize("record", HEALTH_RECORDS, ids=[record.tag for record in HEALTH_RECORDS])
@pytest.mark.parametrize("of_a_store", [True, False], ids=["store", "cluster"])
def test_a_topic_of_health_takes_just_its_records(
    messenger: Messenger, bus: Bus, record: Any, of_a_store: bool
) -> None:
    taken = {"node_health_updated", "component_health_updated", "health_check_completed"}
    if not of_a_store:
        taken = {"node_health_updated", "cluster_health_updated"}

    def publish() -> None:
        if of_a_store:
            health.broadcast_store_health("orders", record)
        else:
            health.broadcast_cluster_health_update(record)

    if record.tag in taken:
        publish()
    else:
        with pytest.raises(ValidationError):
            publish()
    assert len(bus.published) == (record.tag in taken)


def test_without_a_key_messages_go_unsigned_with_one_warning_for_each_instance(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    messenger = messenger_on(bus, None)
    for _ in range(3):
        messenger.secure_broadcast("t", health.node_health("n", "healthy"))
        messenger.secure_broadcast("t", metrics.performance_metric("m", 1, "ms"))
    for _, _, body in bus.published:
        assert body[0] == "unsecured_message"
        messenger.open(body)
    warned = [(line.instance, line.direction) for line in caplog.records if line.levelno == logging.WARNING]  # type: ignore[attr-defined]
    assert sorted(warned) == [
        (instance, direction)
        for instance in ("ex_esdb_health", "ex_esdb_metrics")
        for direction in ("received", "sent")
    ]
    assert messenger.stats() == MessageFigures(sent=6, received=6, unsigned=12)


@pytest.mark.parametrize("keys", [None, Keyring(), Keyring(previous=["old"])], ids=["none", "empty", "only old"])
def test_a_node_that_must_sign_needs_a_key(keys: Keyring | None, bus: Bus) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        messenger_on(bus, keys, allow_unsigned=False)
    assert caught.value.setting == "secret_key_base"


def test_a_node_without_a_name_takes_that_of_the_machine(bus: Bus) -> None:
    assert Messenger(bus).node


def test_trouble_with_publishing_is_logged_once_and_counted_and_harms_nobody(
    messenger: Messenger, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    record = health.node_health("n", "healthy")
    bus.trouble = RuntimeError("the bus is down")
    for _ in range(3):
        health.broadcast_node_health("topic", record)
    bus.trouble = None
    health.broadcast_node_health("topic", record)
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]
    assert caplog.records[0].reason == "RuntimeError('the bus is down')"  # type: ignore[attr-defined]
    assert caplog.records[1].failures == 3  # type: ignore[attr-defined]
    stats = messenger.stats()
    assert (stats.sent, stats.failed) == (1, 3)


def test_a_log_handler_that_broadcasts_does_not_go_round_in_circles(messenger: Messenger, bus: Bus) -> None:
    class Announcing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logs.broadcast_log_entry("system_logs", logs.log_entry("warn", record.getMessage(), record.name))

    handler = Announcing()
    logging.getLogger("gater.messages").addHandler(handler)
    bus.trouble = RuntimeError("down")
    try:
        logs.broadcast_log_entry("system_logs", logs.log_entry("info", "hello", "m"))
    finally:
        logging.getLogger("gater.messages").removeHandler(handler)
    assert messenger.stats().failed == 2


def test_a_record_that_is_too_large_is_not_published(messenger: Messenger, bus: Bus) -> None:
    logs.broadcast_log_entry("system_logs", logs.log_entry("info", "x" * (1 << 20), "m"))
    assert bus.published == []
    assert messenger.stats().failed == 1


def test_a_message_of_another_instance_is_refused(messenger: Messenger, bus: Bus) -> None:
    health.broadcast_node_health("topic", health.node_health("n", "healthy"))
    with pytest.raises(InvalidFormatError, match="ex_esdb_health"):
        metrics.validate_secure_message(bus.published[0][2])


def test_each_receiver_opens_a_message_once(messenger: Messenger, bus: Bus) -> None:
    health.broadcast_node_health("topic", health.node_health("n", "healthy"))
    body = bus.published[0][2]
    for guard in (None, ReplayGuard(), ReplayGuard()):
        health.validate_secure_message(body, guard=guard)
        with pytest.raises(MessageReplayedError):
            health.validate_secure_message(body, guard=guard)
    assert messenger.stats().refused == {"message_replayed": 3}


def test_refusals_are_counted_by_code(messenger: Messenger, bus: Bus) -> None:
    with pytest.raises(InvalidFormatError):
        messenger.open(None)
    other = messenger_on(bus, Keyring("other"))
    other.secure_broadcast("t", health.node_health("n", "healthy"))
    with pytest.raises(InvalidSignatureError):
        messenger.open(bus.published[-1][2])
    messenger_on(bus, None).secure_broadcast("t", health.node_health("n", "healthy"))
    with pytest.raises(UnsecuredMessageError):
        messenger.open(bus.published[-1][2])
    assert messenger.stats().refused == {
        "invalid_format": 1,
        "invalid_signature": 1,
        "unsecured_message_rejected": 1,
    }


def test_a_messenger_changes_its_key_and_still_takes_the_one_before(messenger: Messenger, bus: Bus) -> None:
    record = health.node_health("n", "healthy")
    messenger.secure_broadcast("t", record)
    messenger.rotate("the new secret")
    messenger.secure_broadcast("t", record)
    before, after = (published[2] for published in bus.published)
    assert messenger.open(before) == messenger.open(after) == record
    with pytest.raises(InvalidSignatureError):
        messenger_on(bus).open(after)


def test_a_broadcaster_says_what_it_is() -> None:
    assert repr(health.broadcast_node_health) == "<broadcast of NodeHealth>"
