"""Consumers and subscriptions of the blocking API, which another thread or a signal handler stops."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

import gater
from gater import BlockingGaterApi, NewEvent

WAIT = 10.0


@pytest.fixture
def api() -> Iterator[BlockingGaterApi]:
    """A store `s` with three events of three streams, and a subscription that parks what fails once."""
    with gater.open_sync(":memory:", stores=["s"]) as opened:
        for number in range(3):
            opened.append_events("s", f"s-{number}", [NewEvent("T", number)])
        opened.save_subscription("s", name="all", max_retries=0)
        yield opened


def test_another_thread_stops_a_consumer_that_waits(api: BlockingGaterApi) -> None:
    seen: list[int] = []
    consumer = api.consumer("s", "all")
    third = threading.Event()

    def consume() -> None:
        with consumer:
            for delivery in consumer:
                seen.append(delivery.event.position)
                delivery.ack()
                if len(seen) == 3:
                    third.set()

    consuming = threading.Thread(target=consume)
    consuming.start()
    assert third.wait(WAIT)
    consumer.stop()
    consuming.join(WAIT)
    assert not consuming.is_alive()
    assert seen == [1, 2, 3]
    info = api.get_subscription("s", "all")
    assert (info.acked, info.in_flight, info.consumers) == (3, 0, 0)


def test_a_signal_handler_stops_the_loop_after_its_body(api: BlockingGaterApi) -> None:
    seen: list[int] = []
    with api.consumer("s", "all") as consumer:
        before = signal.signal(signal.SIGUSR1, lambda number, frame: consumer.stop())
        try:
            for delivery in consumer:
                os.kill(os.getpid(), signal.SIGUSR1)
                seen.append(delivery.event.position)
                delivery.ack()
        finally:
            signal.signal(signal.SIGUSR1, before)
    info = api.get_subscription("s", "all")
    assert (seen, info.acked, info.in_flight, info.parked) == ([1], 1, 0, 0)


def test_a_signal_handler_stops_a_loop_that_waits(api: BlockingGaterApi) -> None:
    with api.consumer("s", "all") as consumer, api.subscribe("s", start_from=gater.LIVE) as subscription:
        before = signal.signal(signal.SIGALRM, lambda number, frame: (consumer.stop(), subscription.stop()))
        try:
            for delivery in consumer:
                delivery.ack()
                if delivery.event.position == 3:
                    signal.setitimer(signal.ITIMER_REAL, 0.05)
            assert list(subscription) == []
        finally:
            signal.signal(signal.SIGALRM, before)
    assert api.get_subscription("s", "all").acked == 3


def test_closing_waits_until_what_was_settled_has_arrived(api: BlockingGaterApi) -> None:
    with api.consumer("s", "all") as consumer:
        next(consumer).nack("park")
    assert [parked.position for parked in api.list_parked("s", "all")] == [1]
    assert next(consumer, None) is None
    consumer.close()
