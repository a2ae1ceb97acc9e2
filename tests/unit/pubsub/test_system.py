"""The system of ten instances: isolated from each other, shared by all, ended by the last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gater.model.errors import InvalidArgumentError, InvalidRequestError
from gater.pubsub import system
from gater.pubsub.bus import SlowSubscriber
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.subscription import Subscription
from gater.pubsub.system import PubSub, SharedPubSub
from gater.telemetry.tally import MOST_NAMES


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    running = PubSub()
    yield running
    running.close()


def bodies(subscription: Subscription) -> list[Any]:
    return [message.body for message in subscription.take()]


def test_the_ten_instances_are_distinct_and_always_the_same(pubsub: PubSub) -> None:
    buses = [pubsub.instance(instance) for instance in Instance]
    assert len(set(map(id, buses))) == 10
    for bus, instance in zip(buses, Instance, strict=True):
        assert bus.instance is instance
        assert pubsub.instance(instance.value) is pubsub.instance(instance.full_name) is bus
    with pytest.raises(InvalidArgumentError):
        pubsub.instance("weather")


@pytest.mark.parametrize("instance", list(Instance))
def test_a_message_stays_on_its_instance(pubsub: PubSub, instance: Instance) -> None:
    subscriptions = {each: pubsub.subscribe(each, "t") for each in Instance}
    assert pubsub.broadcast(instance.full_name, "t", 1) == 1
    assert {each: bodies(subscription) for each, subscription in subscriptions.items()} == {
        each: [1] if each is instance else [] for each in Instance
    }
    assert {each: stats.published for each, stats in pubsub.stats().items()} == {
        each: int(each is instance) for each in Instance
    }


async def test_all_ten_work_at_the_same_time(pubsub: PubSub) -> None:
    async def read(instance: Instance) -> list[Any]:
        async with pubsub.subscribe(instance, "t:*") as subscription:
            return [(await anext(subscription)).body async for _ in ticks(50)]

    async def ticks(count: int) -> Any:
        for number in range(count):
            yield number

    async def write(instance: Instance) -> None:
        for number in range(50):
            pubsub.broadcast(instance, f"t:{number}", (instance, number))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        readers = {instance: group.create_task(read(instance)) for instance in Instance}
        await asyncio.sleep(0)
        for instance in Instance:
            group.create_task(write(instance))
    for instance, reader in readers.items():
        assert reader.result() == [(instance, number) for number in range(50)]


async def test_a_flood_and_a_stuck_subscriber_leave_the_other_instances_alone(pubsub: PubSub) -> None:
    stuck = pubsub.subscribe(Instance.METRICS, "*")
    alerts = pubsub.subscribe(Instance.ALERTS, "*")
    is_done = asyncio.Event()

    async def flood() -> None:
        while not is_done.is_set():
            for number in range(2_000):
                pubsub.broadcast(Instance.METRICS, f"performance_metrics:{number}", number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(flood())
        for number in range(20):
            assert pubsub.broadcast(Instance.ALERTS, "system_alerts:critical", number) == 1
            turns = 0
            reading = group.create_task(anext(alerts))
            while not reading.done():
                await asyncio.sleep(0)
                turns += 1
            assert (await reading).body == number
            # One turn of the loop to begin and no more than one to be seen: nothing of the flood is in between.
            assert turns <= 2
        is_done.set()
    stats = pubsub.stats()
    assert stats[Instance.METRICS].depth == stuck.depth == POLICIES[Instance.METRICS].bound
    assert stats[Instance.METRICS].dropped > 0
    assert (stats[Instance.ALERTS].dropped, stats[Instance.ALERTS].depth) == (0, 0)


async def test_the_recipes_of_the_specification_work(pubsub: PubSub) -> None:
    """Health dashboard, security, performance monitoring, incident response: one consumer on several instances."""
    recipes = {
        "dashboard": [("health", "subscription_health:*"), ("lifecycle", "process_lifecycle:*")],
        "security": [
            ("security", "security_events:*"),
            ("audit", "audit_trail:*"),
            ("alerts", "system_alerts:critical"),
        ],
        "performance": [("metrics", "subscription_metrics:*"), ("diagnostics", "diagnostics:performance_trace")],
        "incidents": [("alerts", "system_alerts:*"), ("health", "*"), ("lifecycle", "*")],
    }
    subscriptions = {
        recipe: [pubsub.subscribe(name, pattern) for name, pattern in sources] for recipe, sources in recipes.items()
    }
    published = [
        ("health", "subscription_health:orders:mailer"),
        ("lifecycle", "process_lifecycle:supervisors"),
        ("security", "security_events:authentication"),
        ("audit", "audit_trail:user_actions"),
        ("alerts", "system_alerts:critical"),
        ("alerts", "system_alerts:warning"),
        ("metrics", "subscription_metrics:orders:mailer"),
        ("diagnostics", "diagnostics:performance_trace"),
        ("diagnostics", "diagnostics:memory_analysis"),
    ]
    for name, topic in published:
        pubsub.broadcast(name, topic, ("event", {"timestamp": 1_700_000_000_000}))
    assert {
        recipe: [message.topic for source in sources for message in source.take()]
        for recipe, sources in subscriptions.items()
    } == {
        "dashboard": ["subscription_health:orders:mailer", "process_lifecycle:supervisors"],
        "security": ["security_events:authentication", "audit_trail:user_actions", "system_alerts:critical"],
        "performance": ["subscription_metrics:orders:mailer", "diagnostics:performance_trace"],
        "incidents": [
            "system_alerts:critical",
            "system_alerts:warning",
            "subscription_health:orders:mailer",
            "process_lifecycle:supervisors",
        ],
    }


def test_a_hook_hears_of_every_instance_that_never_drops(pubsub: PubSub) -> None:
    told: list[SlowSubscriber] = []
    pubsub.slow_hooks.append(told.append)
    subscriptions = [pubsub.subscribe(instance, "t", buffer=1) for instance in Instance]
    for _ in range(3):
        for instance in Instance:
            pubsub.broadcast(instance, "t", None)
    assert [(slow.instance, slow.depth) for slow in told] == [
        (instance, 2) for instance in (Instance.SECURITY, Instance.AUDIT, Instance.ALERTS)
    ]
    assert len(subscriptions) == 10


async def test_a_shared_system_ends_with_its_last_user() -> None:
    shared = SharedPubSub()
    pubsub = shared.acquire()
    assert shared.acquire() is pubsub
    assert shared.acquire() is pubsub
    subscription = pubsub.subscribe("health", "*")
    shared.release()
    shared.release()
    assert pubsub.broadcast("health", "t", 1) == 1
    shared.release()
    assert pubsub.broadcast("health", "t", 2) == 0
    assert [message.body async for message in subscription] == [1]
    assert not any(stats.is_open for stats in pubsub.stats().values())


def test_a_shared_system_begins_anew_after_its_end() -> None:
    shared = SharedPubSub()
    first = shared.acquire()
    shared.release()
    second = shared.acquire()
    assert second is not first
    assert all(stats.is_open and stats.published == 0 for stats in second.stats().values())
    shared.release()


def test_a_shared_system_that_nobody_has_cannot_be_released() -> None:
    shared = SharedPubSub()
    with pytest.raises(InvalidRequestError):
        shared.release()
    shared.acquire()
    shared.release()
    with pytest.raises(InvalidRequestError):
        shared.release()


def test_messages_are_counted_by_topic_over_all_instances(pubsub: PubSub) -> None:
    for _ in range(2):
        pubsub.broadcast("health", "node_health", None)
        pubsub.broadcast("metrics", "node_health", None)
    pubsub.broadcast("events", "orders:new", None)
    assert pubsub.topics() == {"node_health": 4, "orders:new": 1}


def test_topics_are_told_apart_up_to_a_bound(pubsub: PubSub) -> None:
    for number in range(MOST_NAMES + 50):
        pubsub.broadcast("events", f"event_stream:{number}", None)
    pubsub.broadcast("alerts", "system_alerts:critical", None)
    topics = pubsub.topics()
    assert len(topics) <= MOST_NAMES + 1
    assert sum(topics.values()) == MOST_NAMES + 51


async def test_an_instance_that_was_closed_is_opened_again_alone(pubsub: PubSub) -> None:
    ended, other = pubsub.subscribe("health", "t"), pubsub.subscribe("metrics", "t")
    pubsub.instance("health").close()
    assert pubsub.reopen() == [Instance.HEALTH]
    assert pubsub.reopen() == []
    assert [message.body async for message in ended] == []
    again = pubsub.subscribe("health", "t")
    assert [pubsub.broadcast(name, "t", 1) for name in ("health", "metrics")] == [1, 1]
    assert (len(again.take()), len(other.take())) == (1, 1)


def test_the_system_of_the_process_is_one() -> None:
    first = system.acquire()
    try:
        with system.held() as second:
            assert second is first
        assert first.instance("alerts").is_open
    finally:
        system.release()
