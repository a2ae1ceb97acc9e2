"""Subscribers that are functions: called within the broadcast, and on their own when they fail."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import pytest

from gater.model.errors import InvalidArgumentError
from gater.pubsub.bus import Bus
from gater.pubsub.callbacks import CallbackSubscription
from gater.pubsub.instances import Instance
from gater.pubsub.mailbox import Message


@pytest.fixture
def bus() -> Bus:
    return Bus(Instance.LOGGING)


def test_a_callback_is_called_within_the_broadcast(bus: Bus) -> None:
    calls: list[Message] = []
    subscription = bus.subscribe_callback("t:*", calls.append)
    assert bus.is_heard
    assert bus.broadcast("t:1", "x") == 1
    assert bus.broadcast("u:1", "y") == 0
    assert calls == [Message("t:1", "x", Instance.LOGGING)]
    assert (subscription.delivered, bus.stats().delivered) == (1, 1)


def test_a_closed_callback_is_not_called(bus: Bus) -> None:
    calls: list[Message] = []
    bus.subscribe_callback("t", calls.append).close()
    unsubscribed = bus.subscribe_callback("t", calls.append)
    bus.unsubscribe(unsubscribed)
    bus.unsubscribe(unsubscribed)
    assert bus.broadcast("t", 1) == 0
    assert calls == []
    assert not bus.is_heard


@pytest.mark.parametrize("error", [LookupError("no"), asyncio.CancelledError(), StopIteration(), RecursionError()])
def test_a_callback_that_fails_harms_nobody(bus: Bus, error: BaseException) -> None:
    def fail(message: Message) -> None:
        raise error

    calls: list[Message] = []
    queue = bus.subscribe("t")
    failing = bus.subscribe_callback("t", fail)
    bus.subscribe_callback("t", calls.append)
    assert bus.broadcast("t", 1) == 2
    assert bus.broadcast("t", 2) == 2
    assert [message.body for message in calls] == [1, 2]
    assert queue.depth == 2
    assert (failing.failed, failing.delivered, bus.stats().failed_callbacks) == (2, 0, 2)
    assert failing.is_open


def test_failures_in_a_row_are_logged_once(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    bus.subscribe_callback("t", lambda message: 1 / message.body)
    with caplog.at_level(logging.WARNING):
        for body in (0, 0, 0, 1, 0):
            bus.broadcast("t", body)
    assert [record.getMessage() for record in caplog.records] == ["a subscriber has failed"] * 2
    assert all(record.exc_info for record in caplog.records)


def test_a_callback_that_fails_on_log_lines_that_are_messages_does_not_feed_itself(bus: Bus) -> None:
    class ToBus(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            bus.broadcast("logs:gater:warning", record.getMessage())

    logger, handler = logging.getLogger("gater.pubsub.callbacks"), ToBus()
    listener = bus.subscribe("logs:*")
    failing = bus.subscribe_callback("logs:*", lambda message: 1 / 0)
    logger.addHandler(handler)
    try:
        bus.broadcast("logs:gater:info", "first")
    finally:
        logger.removeHandler(handler)
    assert [message.body for message in listener.take()] == ["first", "a subscriber has failed"]
    assert failing.failed == 2


def test_callbacks_that_publish_what_they_listen_to_come_to_an_end(bus: Bus) -> None:
    queue = bus.subscribe("*")
    callbacks = [bus.subscribe_callback("t*", lambda message: bus.broadcast("t", "again")) for _ in range(3)]
    bus.broadcast("t", "once")
    assert queue.take()[0].body == "once"
    assert all(callback.failed for callback in callbacks)
    assert bus.broadcast("u", 1) == 1


def test_a_callback_may_publish_under_another_topic(bus: Bus) -> None:
    queue = bus.subscribe("*")
    bus.subscribe_callback("a", lambda message: bus.broadcast("b", message.body + 1))
    bus.broadcast("a", 1)
    assert [(message.topic, message.body) for message in queue.take()] == [("a", 1), ("b", 2)]


def test_a_callback_may_close_itself_and_others(bus: Bus) -> None:
    calls: list[str] = []
    subscriptions: list[CallbackSubscription] = []

    def close_all(name: str, message: Message) -> None:
        calls.append(name)
        for subscription in subscriptions:
            subscription.close()

    subscriptions += [bus.subscribe_callback("t", partial(close_all, name)) for name in ("first", "second")]
    assert bus.broadcast("t", 1) == 1
    assert calls == ["first"]
    assert bus.broadcast("t", 2) == 0


async def coroutine(message: Message) -> None:
    raise AssertionError("never awaited")


class Awaited:
    async def __call__(self, message: Message) -> None:
        raise AssertionError("never awaited")


@pytest.mark.parametrize("callback", [None, "print", 7, coroutine, Awaited()], ids=lambda value: type(value).__name__)
def test_what_cannot_be_called_or_must_be_awaited_is_refused(bus: Bus, callback: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        bus.subscribe_callback("t", callback)
    assert refusal.value.argument == "callback"
    assert not bus.is_heard
