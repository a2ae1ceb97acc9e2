"""One instance: who is given what, in which order, until when."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import aclosing
from typing import Any

import pytest

from gater.model.errors import InvalidArgumentError, NotFoundError
from gater.pubsub.bus import Bus
from gater.pubsub.instances import Instance
from gater.pubsub.mailbox import Message
from gater.pubsub.subscription import MOST_IN_A_ROW, Subscription


@pytest.fixture
def bus() -> Bus:
    return Bus(Instance.HEALTH)


def bodies(subscription: Subscription) -> list[Any]:
    return [message.body for message in subscription.take()]


async def read(subscription: Subscription, count: int) -> list[Any]:
    return [(await anext(subscription)).body for _ in range(count)]


async def until_waiting(*readers: asyncio.Task[Any]) -> None:
    """Return once new tasks have run as far as they can."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(reader.done() for reader in readers)


@pytest.mark.parametrize(
    "body", [None, {}, [], "", 0, b"", ("tag", {"timestamp": 1}), object()], ids=lambda value: type(value).__name__
)
async def test_any_body_arrives_as_it_was_given(bus: Bus, body: Any) -> None:
    with bus.subscribe("t") as subscription:
        assert bus.broadcast("t", body) == 1
        message = await anext(subscription)
    assert message.body is body
    assert (message.topic, message.instance) == ("t", Instance.HEALTH)


def test_each_subscriber_of_the_topic_gets_one_copy(bus: Bus) -> None:
    subscribers = [bus.subscribe(pattern) for pattern in ("t:1", "t:1", "t:*", "*")]
    others = [bus.subscribe(pattern) for pattern in ("t:2", "t", "t:1:*", "u*")]
    assert bus.broadcast("t:1", "x") == 4
    assert [bodies(subscription) for subscription in subscribers] == [["x"]] * 4
    assert [bodies(subscription) for subscription in others] == [[]] * 4


def test_a_message_without_subscribers_reaches_nobody(bus: Bus) -> None:
    assert bus.broadcast("t", 1) == 0
    assert bodies(bus.subscribe("t")) == []


@pytest.mark.parametrize("topic", ["", "x" * 1_025, "a\nb", None, 3])
def test_broadcast_refuses_what_is_no_topic(bus: Bus, topic: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        bus.broadcast(topic, 1)
    assert bus.stats().published == 0


@pytest.mark.parametrize("buffer", [0, -1, 1.5, True, "9"])
def test_subscribe_refuses_what_is_no_buffer(bus: Bus, buffer: Any) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        bus.subscribe("t", buffer=buffer)
    assert refusal.value.argument == "buffer"


@pytest.mark.parametrize("pattern", ["", None, "a\tb"])
def test_subscribe_refuses_what_is_no_pattern(bus: Bus, pattern: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        bus.subscribe(pattern)
    with pytest.raises(InvalidArgumentError):
        bus.subscribe_callback(pattern, print)
    assert not bus.is_heard


async def test_messages_come_in_the_order_they_were_published(bus: Bus) -> None:
    rng = random.Random(7)
    exact, wide = bus.subscribe("t:1"), bus.subscribe("t:*")

    async def publish() -> None:
        for number in range(500):
            bus.broadcast(f"t:{number % 2}", number)
            if rng.random() < 0.2:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        odd = group.create_task(read(exact, 250))
        every = group.create_task(read(wide, 500))
    assert every.result() == list(range(500))
    assert odd.result() == list(range(1, 500, 2))


async def test_a_hundred_rapid_messages_all_arrive(bus: Bus) -> None:
    async with asyncio.timeout(1):
        subscriptions = [bus.subscribe("t") for _ in range(10)]
        readers = [asyncio.create_task(read(subscription, 100)) for subscription in subscriptions]
        for number in range(100):
            assert bus.broadcast("t", number) == 10
        assert await asyncio.gather(*readers) == [list(range(100))] * 10


def test_a_topic_is_heard_as_long_as_somebody_listens_to_it(bus: Bus) -> None:
    assert not bus.hears("t:1")
    wide, exact = bus.subscribe("t:*"), bus.subscribe_callback("u", print)
    assert [bus.hears(topic) for topic in ("t:1", "u", "v")] == [True, True, False]
    wide.close()
    exact.close()
    assert [bus.hears(topic) for topic in ("t:1", "u", "v")] == [False, False, False]


def test_who_asked_is_told_when_somebody_begins_to_listen(bus: Bus) -> None:
    told: list[str] = []
    bus.on_heard.append(lambda: told.append("heard"))
    first = bus.subscribe("t")
    second = bus.subscribe_callback("t", print)
    assert told == ["heard"]
    first.close()
    second.close()
    bus.subscribe_callback("u", print).close()
    assert told == ["heard"] * 2


async def test_readers_that_wait_have_a_message_in_the_next_turn_of_the_loop(bus: Bus) -> None:
    readers = [asyncio.create_task(anext(bus.subscribe("t"))) for _ in range(10)]
    for reader in readers:
        await until_waiting(reader)
    assert bus.broadcast("t", "x") == 10
    await asyncio.sleep(0)
    assert [reader.result().body for reader in readers if reader.done()] == ["x"] * 10


async def test_a_reader_that_waits_is_woken_once_for_many_messages(bus: Bus) -> None:
    subscription = bus.subscribe("t")
    waking = asyncio.create_task(subscription.wait())
    await until_waiting(waking)
    for number in range(50):
        bus.broadcast("t", number)
    assert await waking is True
    assert bodies(subscription) == list(range(50))
    assert subscription.take() == []


async def test_a_reader_of_many_messages_leaves_others_their_turn(bus: Bus) -> None:
    subscription = bus.subscribe("t")
    for number in range(MOST_IN_A_ROW + 1):
        bus.broadcast("t", number)
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "mine")
    await read(subscription, MOST_IN_A_ROW)
    assert turns == []
    await read(subscription, 1)
    assert turns == ["mine"]


async def test_a_second_task_cannot_wait_for_the_same_messages(bus: Bus) -> None:
    subscription = bus.subscribe("t")
    first = asyncio.create_task(anext(subscription))
    await until_waiting(first)
    with pytest.raises(InvalidArgumentError):
        await anext(subscription)
    bus.broadcast("t", 1)
    assert (await first).body == 1


async def test_a_cancelled_wait_loses_no_message(bus: Bus) -> None:
    subscription = bus.subscribe("t")
    for is_woken in (False, True):
        reader = asyncio.create_task(anext(subscription))
        await until_waiting(reader)
        if is_woken:
            bus.broadcast("t", "kept")
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert await read(subscription, 1) == ["kept"]
    assert subscription.delivered == 1


def test_a_reader_whose_loop_is_gone_is_no_trouble_of_the_publisher(bus: Bus) -> None:
    subscription = bus.subscribe("t")
    loop = asyncio.new_event_loop()
    waiting = subscription.wait()

    async def begin() -> None:
        waiting.send(None)

    loop.run_until_complete(begin())
    loop.close()
    assert bus.broadcast("t", 1) == 1
    waiting.close()
    assert bodies(subscription) == [1]


ENDINGS = ["close", "aclose", "with", "async with", "aclosing", "unsubscribe"]


async def end(bus: Bus, subscription: Subscription, how: str) -> None:
    match how:
        case "close":
            subscription.close()
        case "aclose":
            await subscription.aclose()
        case "with":
            with subscription:
                pass
        case "async with":
            async with subscription:
                pass
        case "aclosing":
            async with aclosing(subscription):
                pass
        case "unsubscribe":
            bus.unsubscribe(subscription)


@pytest.mark.parametrize("how", ENDINGS)
async def test_a_closed_subscription_gets_nothing_and_ends(bus: Bus, how: str) -> None:
    subscription, other = bus.subscribe("t"), bus.subscribe("t")
    bus.broadcast("t", 1)
    await end(bus, subscription, how)
    await end(bus, subscription, how)
    assert bus.broadcast("t", 2) == 1
    assert [message async for message in subscription] == []
    assert subscription.depth == 0
    assert not subscription.is_open
    assert await subscription.wait() is False
    assert bodies(other) == [1, 2]
    assert bus.stats().subscribers == 1


async def test_closing_ends_the_wait_of_a_reader(bus: Bus) -> None:
    subscription = bus.subscribe("t")
    reader = asyncio.create_task(subscription.wait())
    await until_waiting(reader)
    subscription.close()
    assert await reader is False


async def test_a_forgotten_subscription_is_closed(bus: Bus) -> None:
    for number in range(20):
        subscription = bus.subscribe(f"t:{number}")
        bus.broadcast(f"t:{number}", number)
    del subscription
    gc.collect()
    stats = bus.stats()
    assert (stats.subscribers, stats.depth) == (0, 0)
    assert not bus.is_heard
    assert bus.broadcast("t:1", 1) == 0


async def test_a_subscription_that_a_task_waits_for_is_not_forgotten(bus: Bus) -> None:
    async def first() -> Any:
        async for message in bus.subscribe("t"):
            return message.body
        return None

    reader = asyncio.create_task(first())
    await until_waiting(reader)
    gc.collect()
    assert bus.broadcast("t", "x") == 1
    assert await reader == "x"
    gc.collect()
    assert bus.stats().subscribers == 0


async def test_a_subscriber_that_crashes_harms_nobody(bus: Bus) -> None:
    async def crash() -> None:
        async with bus.subscribe("t") as subscription:
            async for _ in subscription:
                raise LookupError("no such thing")

    crashing = asyncio.create_task(crash())
    other = bus.subscribe("t")
    await until_waiting(crashing)
    assert bus.broadcast("t", 1) == 2
    with pytest.raises(LookupError):
        await crashing
    assert bus.broadcast("t", 2) == 1
    assert bodies(other) == [1, 2]


async def test_closing_a_bus_ends_its_subscriptions_after_what_waits(bus: Bus) -> None:
    subscription, idle = bus.subscribe("t"), bus.subscribe("u")
    reader = asyncio.create_task(idle.wait())
    await until_waiting(reader)
    calls: list[Message] = []
    callback = bus.subscribe_callback("t", calls.append)
    bus.broadcast("t", 1)
    bus.close()
    bus.close()
    assert bus.broadcast("t", 2) == 0
    assert [message.body async for message in subscription] == [1]
    assert await reader is False
    assert [message.body for message in calls] == [1]
    assert not callback.is_open
    stats = bus.stats()
    assert (stats.subscribers, stats.published, stats.is_open) == (0, 1, False)


def test_a_closed_bus_takes_no_subscribers(bus: Bus) -> None:
    bus.close()
    with pytest.raises(NotFoundError):
        bus.subscribe("t")
    with pytest.raises(NotFoundError):
        bus.subscribe_callback("t", print)


async def test_the_counters_add_up(bus: Bus) -> None:
    first, second = bus.subscribe("*", buffer=5), bus.subscribe("t:*")
    bus.subscribe_callback("t:1", lambda _: None)
    for number in range(8):
        bus.broadcast(f"t:{number}", number)
    bus.broadcast("other", None)
    assert await read(second, 2) == [0, 1]
    stats = bus.stats()
    assert (stats.published, stats.delivered, stats.dropped) == (9, 9 + 8 + 1, 4)
    assert (stats.subscribers, stats.depth, stats.max_lag) == (3, 5 + 6, 6)
    assert (first.delivered, first.dropped, first.depth, first.high_water) == (9, 4, 5, 5)
    assert (second.delivered, second.dropped, second.depth, second.high_water) == (8, 0, 6, 8)
    assert bodies(first) == [4, 5, 6, 7, None]
    assert (bus.stats().depth, first.depth, first.high_water) == (6, 0, 5)
