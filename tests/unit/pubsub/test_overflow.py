"""Slow subscribers: what is dropped, what is kept, who is told, and who is disconnected."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.errors import OverloadedError
from gater.pubsub.bus import Bus, SlowSubscriber
from gater.pubsub.instances import HARD_BOUND_FACTOR, POLICIES, Instance, Overflow
from gater.pubsub.subscription import Subscription

DROPPING = [instance for instance, policy in POLICIES.items() if policy.overflow is Overflow.DROP_OLDEST]
KEEPING = [instance for instance, policy in POLICIES.items() if policy.overflow is Overflow.NEVER]

BUFFER = 4
HARD = BUFFER * HARD_BOUND_FACTOR


class Told:
    """A hook that remembers what it was told."""

    def __init__(self) -> None:
        self.of: list[SlowSubscriber] = []

    def __call__(self, slow: SlowSubscriber) -> None:
        self.of.append(slow)


def bodies(subscription: Subscription) -> list[Any]:
    return [message.body for message in subscription.take()]


@pytest.mark.parametrize("instance", DROPPING)
def test_a_slow_subscriber_loses_its_own_oldest_messages(instance: Instance) -> None:
    told = Told()
    bus = Bus(instance, [told])
    slow, quick = bus.subscribe("t", buffer=BUFFER), bus.subscribe("t")
    for number in range(10):
        assert bus.broadcast("t", number) == 2
    assert bodies(slow) == [6, 7, 8, 9]
    assert bodies(quick) == list(range(10))
    assert (slow.dropped, quick.dropped, bus.stats().dropped) == (6, 0, 6)
    assert told.of == []


@pytest.mark.parametrize("instance", list(Instance))
def test_the_bound_of_the_table_holds(instance: Instance) -> None:
    bus = Bus(instance)
    subscription = bus.subscribe("t")
    for number in range(POLICIES[instance].hard_bound + 1):
        bus.broadcast("t", number)
    assert subscription.depth == subscription.high_water == POLICIES[instance].hard_bound
    assert subscription.dropped == (0 if instance in KEEPING else 1)
    assert subscription.is_open == (instance not in KEEPING)


def test_a_queue_of_one_holds_the_newest() -> None:
    bus = Bus(Instance.METRICS)
    subscription = bus.subscribe("t", buffer=1)
    for number in range(3):
        bus.broadcast("t", number)
    assert bus.stats().depth == 1
    assert bodies(subscription) == [2]
    assert bus.stats().depth == 0


@pytest.mark.parametrize("instance", KEEPING)
def test_beyond_its_bound_all_is_kept_and_somebody_is_told_once(instance: Instance) -> None:
    told = Told()
    bus = Bus(instance, [told])
    slow = bus.subscribe("t*", buffer=BUFFER)
    for number in range(HARD):
        assert bus.broadcast("t", number) == 1
    assert told.of == [SlowSubscriber(instance, "t*", BUFFER + 1, is_disconnected=False)]
    assert bodies(slow) == list(range(HARD))
    assert (slow.dropped, bus.stats().overflows, bus.stats().disconnected) == (0, 1, 0)


def test_who_has_caught_up_and_is_slow_again_is_told_of_again() -> None:
    told = Told()
    bus = Bus(Instance.ALERTS, [told])
    slow = bus.subscribe("t", buffer=BUFFER)
    for episode in range(1, 4):
        for number in range(BUFFER * 2):
            bus.broadcast("t", number)
        assert len(told.of) == bus.stats().overflows == episode
        slow.take()


async def test_who_reads_but_does_not_catch_up_is_told_of_once() -> None:
    told = Told()
    bus = Bus(Instance.ALERTS, [told])
    slow = bus.subscribe("t", buffer=BUFFER)
    for number in range(BUFFER * 2):
        bus.broadcast("t", number)
    for number in range(50):
        assert await anext(slow)
        bus.broadcast("t", number)
    assert len(told.of) == 1


@pytest.mark.parametrize("instance", KEEPING)
async def test_past_the_hard_bound_a_subscriber_reads_what_waits_and_is_told(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    bus = Bus(instance, [told])
    stuck, other = bus.subscribe("t", buffer=BUFFER), bus.subscribe("t")
    with caplog.at_level(logging.WARNING):
        for number in range(HARD):
            assert bus.broadcast("t", number) == 2
        assert bus.broadcast("t", HARD) == 1
        assert bus.broadcast("t", HARD + 1) == 1
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["a subscriber is slow", "a slow subscriber was disconnected"]
    assert told.of[1:] == [SlowSubscriber(instance, "t", HARD, is_disconnected=True)]
    assert not stuck.is_open
    assert [(await anext(stuck)).body for _ in range(HARD)] == list(range(HARD))
    for _ in range(2):
        with pytest.raises(OverloadedError) as overload:
            await anext(stuck)
        assert overload.value.limit == HARD
    with pytest.raises(OverloadedError):
        await stuck.wait()
    assert bodies(other) == list(range(HARD + 2))
    stats = bus.stats()
    assert (stats.disconnected, stats.dropped, stats.subscribers) == (1, 0, 1)


async def test_a_disconnected_subscription_can_be_closed_or_forgotten() -> None:
    bus = Bus(Instance.AUDIT)
    closed, forgotten = bus.subscribe("t", buffer=1), bus.subscribe("t", buffer=1)
    for number in range(HARD_BOUND_FACTOR + 1):
        bus.broadcast("t", number)
    assert bus.stats().depth == 2 * HARD_BOUND_FACTOR
    closed.close()
    assert [message async for message in closed] == []
    del forgotten
    gc.collect()
    assert bus.stats().depth == 0


def test_a_hook_that_fails_harms_neither_publisher_nor_subscriber(caplog: pytest.LogCaptureFixture) -> None:
    def fail(slow: SlowSubscriber) -> None:
        raise LookupError(slow.pattern)

    def cancel(slow: SlowSubscriber) -> None:
        raise asyncio.CancelledError

    told = Told()
    bus = Bus(Instance.SECURITY, [fail, cancel, told])
    slow = bus.subscribe("t", buffer=1)
    assert [bus.broadcast("t", number) for number in range(3)] == [1, 1, 1]
    assert bodies(slow) == [0, 1, 2]
    assert len(told.of) == 1
    assert [record.getMessage() for record in caplog.records].count("telling of a slow subscriber failed") == 2


def test_what_a_hook_publishes_comes_after_what_it_was_told_of() -> None:
    hooks: list[Any] = []
    bus = Bus(Instance.ALERTS, hooks)
    hooks.append(lambda slow: bus.broadcast("t", "slow!"))
    slow, quick = bus.subscribe("t", buffer=2), bus.subscribe("t")
    for number in range(4):
        bus.broadcast("t", number)
    assert bodies(slow) == bodies(quick) == [0, 1, 2, "slow!", 3]


actions = st.lists(st.sampled_from(["put", "put", "put", "pop", "take"]), max_size=150)


@given(actions, st.integers(1, 3), st.sampled_from([Instance.METRICS, Instance.AUDIT]))
def test_every_message_is_read_waits_or_is_counted(actions: list[str], buffer: int, instance: Instance) -> None:
    bus = Bus(instance)
    subscription = bus.subscribe("t", buffer=buffer)
    mailbox, seen, put = subscription._mailbox, list[int](), 0
    for action in actions:
        if action == "put":
            put += bus.broadcast("t", put)
        elif action == "take":
            seen += bodies(subscription)
        elif subscription.depth:
            seen.append(mailbox.pop().body)
        assert subscription.delivered == put == len(seen) + subscription.dropped + subscription.depth
        assert subscription.depth == bus.stats().depth == bus.stats().max_lag <= subscription.high_water
    seen += bodies(subscription)
    assert seen == sorted(set(seen))
    if instance is Instance.AUDIT:
        assert seen == list(range(put))
