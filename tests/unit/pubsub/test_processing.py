"""How long subscribers take for a message: measured without a look at the clock for each."""

from __future__ import annotations

import asyncio

import pytest

from gater.pubsub import callbacks, mailbox
from gater.pubsub.bus import Bus
from gater.pubsub.instances import Instance
from gater.telemetry.histogram import Histogram
from tests.unit.telemetry.hands import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (mailbox, callbacks):
        monkeypatch.setattr(module, "perf_counter", clock)
    return clock


@pytest.fixture
def bus(clock: Clock) -> Bus:
    return Bus(Instance.METRICS)


def measured(bus: Bus) -> tuple[int, float]:
    """Messages that were worked on, and the seconds that this took."""
    processing: Histogram = bus.stats().processing
    return processing.count, pytest.approx(processing.seconds)


async def test_a_reader_is_timed_from_a_message_to_asking_for_the_next(bus: Bus, clock: Clock) -> None:
    async def work() -> None:
        async for _ in bus.subscribe("t"):
            clock.move(0.5)

    worker = asyncio.create_task(work())
    await asyncio.sleep(0)
    for _ in range(3):
        clock.move(100)  # nothing to do meanwhile
        bus.broadcast("t", None)
        bus.broadcast("t", None)
        await asyncio.sleep(0.001)
    assert measured(bus) == (6, 3.0)
    worker.cancel()


async def test_a_reader_that_takes_all_at_once_is_timed(bus: Bus, clock: Clock) -> None:
    subscription = bus.subscribe("t")
    for _ in range(4):
        bus.broadcast("t", None)
    clock.move(100)
    assert await subscription.wait()
    assert len(subscription.take()) == 4
    clock.move(2)
    bus.broadcast("t", None)
    assert await subscription.wait()
    assert measured(bus) == (4, 2.0)
    assert bus.stats().processing.mean == pytest.approx(0.5)


async def test_a_reader_that_is_never_through_is_timed_when_somebody_asks(bus: Bus, clock: Clock) -> None:
    subscription = bus.subscribe("t")
    for _ in range(10):
        bus.broadcast("t", None)
    for _ in range(3):
        await anext(subscription)
        clock.move(2)
    assert measured(bus) == (0, 0.0)  # asks, and has the reader timed when it comes for the next
    await anext(subscription)
    assert measured(bus) == (3, 6.0)
    clock.move(7)
    await anext(subscription)
    assert measured(bus) == (4, 13.0)


async def test_messages_that_nobody_read_are_not_timed(bus: Bus, clock: Clock) -> None:
    slow, closed = bus.subscribe("t", buffer=2), bus.subscribe("t")
    for _ in range(5):
        bus.broadcast("t", None)
    closed.close()
    assert await closed.wait() is False
    await anext(slow)
    clock.move(1)
    bus.broadcast("t", None)
    bus.broadcast("t", None)
    slow.take()
    clock.move(3)
    slow.close()
    assert await slow.wait() is False
    assert measured(bus) == (3, 4.0)


def test_a_callback_is_timed_also_when_it_fails(bus: Bus, clock: Clock) -> None:
    def work(message: mailbox.Message) -> None:
        clock.move(message.body)
        if message.body > 1:
            raise ValueError(message.body)

    bus.subscribe_callback("t", work)
    bus.broadcast("t", 0.5)
    bus.broadcast("t", 2)
    assert measured(bus) == (2, 2.5)
