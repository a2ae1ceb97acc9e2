"""Two processes joined by an adapter: what is published in one is heard in the other, once."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest

from gater.pubsub.adapters.local import LocalAdapter
from gater.pubsub.bus import MOST_CARRIED_BYTES
from gater.pubsub.instances import Instance
from gater.pubsub.subscription import Subscription
from gater.pubsub.system import PubSub
from tests.unit.pubsub.hub import Hub


class Process:
    """A pub/sub system with the adapter that joins it to the others."""

    def __init__(self, hub: Hub) -> None:
        self.pubsub = PubSub()
        self.adapter = hub.adapter()

    async def __aenter__(self) -> PubSub:
        await self.pubsub.carrying.attach(self.adapter)
        return self.pubsub

    async def __aexit__(self, *_: object) -> None:
        await self.pubsub.carrying.detach(self.adapter)
        self.pubsub.close()


class Network(NamedTuple):
    """Two processes and what joins them."""

    hub: Hub
    here: PubSub
    there: PubSub


@asynccontextmanager
async def joined() -> AsyncIterator[Network]:
    hub = Hub()
    async with Process(hub) as here, Process(hub) as there:
        yield Network(hub, here, there)


def bodies(subscription: Subscription) -> list[Any]:
    return [message.body for message in subscription.take()]


async def test_a_message_is_heard_once_in_every_process() -> None:
    async with joined() as (_, here, there):
        own, other = here.subscribe("health", "t:*"), there.subscribe("health", "t:*")
        assert here.broadcast("health", "t:1", ["tag", {"n": 1}]) == 1
        there.broadcast("health", "t:2", b"bytes")
        assert bodies(own) == bodies(other) == [["tag", {"n": 1}], b"bytes"]


async def test_a_message_stays_on_its_instance_and_topic_elsewhere_too() -> None:
    async with joined() as (_, here, there):
        wrong = [there.subscribe("metrics", "t"), there.subscribe("health", "u")]
        here.broadcast("health", "t", 1)
        assert [bodies(subscription) for subscription in wrong] == [[], []]


async def test_a_process_that_is_joined_to_others_may_be_heard() -> None:
    hub, pubsub = Hub(), PubSub()
    adapter = hub.adapter()
    await pubsub.carrying.attach(adapter)
    assert pubsub.instance("alerts").is_heard
    await pubsub.carrying.detach(adapter)
    assert not pubsub.instance("alerts").is_heard


async def test_an_adapter_without_others_has_nothing_to_carry() -> None:
    pubsub = PubSub()
    await pubsub.carrying.attach(LocalAdapter())
    assert not pubsub.instance("events").is_heard
    assert pubsub.broadcast("events", "t", object()) == 0
    assert pubsub.stats()[Instance.EVENTS].failed == 0


@pytest.mark.parametrize("body", [object(), {1, object()}, "x" * MOST_CARRIED_BYTES, 1 << 70])
async def test_what_cannot_be_carried_is_heard_here_and_counted(caplog: pytest.LogCaptureFixture, body: Any) -> None:
    async with joined() as (_, here, there):
        own, other = here.subscribe("events", "t"), there.subscribe("events", "t")
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert here.broadcast("events", "t", body) == 1
            here.broadcast("events", "t", "plain")
            here.broadcast("events", "t", body)
        assert bodies(own) == [body, body, body, "plain", body]
        assert bodies(other) == ["plain"]
        assert (here.stats()[Instance.EVENTS].not_carried, here.stats()[Instance.EVENTS].failed) == (4, 4)
        assert [line.getMessage() for line in caplog.records] == ["a message cannot be given to other processes"] * 2


@pytest.mark.parametrize(
    ("topic", "encoded"),
    [
        ("t", b""),
        ("t", b"\xc1"),
        ("t", b"\x92\x01"),
        ("", b"\x01"),
        ("a\nb", b"\x01"),
        ("t", msgspec.msgpack.encode(math.nan)),
        ("t", msgspec.msgpack.encode({"x": msgspec.msgpack.Ext(5, b"x")})),
        ("t", b"\x91" * 600 + b"\x01"),
    ],
)
async def test_nonsense_from_elsewhere_is_counted_and_told_once(
    caplog: pytest.LogCaptureFixture, topic: str, encoded: bytes
) -> None:
    async with joined() as (hub, here, there):
        subscription = here.subscribe("events", "*")
        stranger = hub.adapter()
        await stranger.start(lambda *_: None)
        for _ in range(3):
            stranger.publish(Instance.EVENTS, topic, encoded)
        stranger.publish(Instance.EVENTS, "t", b"\x07")
        assert bodies(subscription) == [7]
        assert (here.carrying.refused, there.carrying.refused) == (3, 3)
        in_each = ["what came from another process is no message"] * 2
        assert [line.getMessage() for line in caplog.records] == in_each


async def test_one_adapter_is_in_use_at_a_time_and_the_next_takes_its_place() -> None:
    async with joined() as (hub, _, there):
        pubsub, first, second = PubSub(), hub.adapter(), hub.adapter()
        for adapter in (first, second):
            await pubsub.carrying.attach(adapter)
        heard_here, heard_there = pubsub.subscribe("events", "*"), there.subscribe("events", "*")

        def speak_both_ways() -> tuple[list[Any], list[Any]]:
            pubsub.broadcast("events", "t", "from here")
            there.broadcast("events", "t", "from there")
            return bodies(heard_here), bodies(heard_there)

        once = ["from here", "from there"]
        assert speak_both_ways() == (once, once)
        await pubsub.carrying.detach(first)
        assert speak_both_ways() == (once, once)
        await pubsub.carrying.detach(second)
        assert speak_both_ways() == (["from here"], ["from there"])


async def test_a_message_that_a_listener_publishes_is_carried_after_the_one_it_heard() -> None:
    async with joined() as (_, here, there):
        other = there.subscribe("events", "*")
        here.instance("events").subscribe_callback("question", lambda _: here.broadcast("events", "answer", 42))
        here.broadcast("events", "question", "?")
        assert bodies(other) == ["?", 42]


async def test_a_system_that_has_ended_carries_nothing() -> None:
    async with joined() as (_, here, there):
        other = there.subscribe("events", "*")
        here.close()
        here.broadcast("events", "t", 1)
        assert bodies(other) == []
