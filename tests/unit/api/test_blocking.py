"""The blocking API: the same methods from any thread, iterators that end, and nothing that hangs."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import (
    ApiClosedError,
    BlockingGaterApi,
    GaterApi,
    NewEvent,
    StoreNotFoundError,
    WrongContextError,
)
from gater.api.blocking_items import MOST_AHEAD, MOST_AHEAD_BYTES, BlockingIterator
from gater.api.loop_thread import LoopThread
from gater.api.pubsub_operations import PubSubMessage
from gater.model.events import JSON, Event
from gater.model.subscriptions import Delivered

WAIT = 10.0


def events(count: int) -> list[NewEvent]:
    return [NewEvent("T", {"number": number}) for number in range(count)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def api() -> Iterator[BlockingGaterApi]:
    with gater.open_sync(":memory:", stores=["s"]) as opened:
        yield opened


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    started = LoopThread()
    yield started
    started.stop()


def parameters(method: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())


def test_it_has_every_method_of_the_async_api_with_the_same_parameters() -> None:
    methods = [name for name, _ in inspect.getmembers(GaterApi, inspect.isfunction) if not name.startswith("_")]
    assert len(methods) > 20
    for name in methods:
        method = getattr(BlockingGaterApi, name)
        assert not inspect.iscoroutinefunction(method)
        assert not inspect.isasyncgenfunction(method)
        assert parameters(method) == parameters(getattr(GaterApi, name)), name
        assert method.__doc__, name


def test_calls_answer_and_raise_as_the_async_api_does(api: BlockingGaterApi) -> None:
    assert api.append_events("s", "a", events(3)).version == 2
    assert [event.version for event in api.get_events("s", "a")] == [0, 1, 2]
    with pytest.raises(StoreNotFoundError):
        api.get_version("nowhere", "a")


def test_iterators_give_everything_and_end(api: BlockingGaterApi) -> None:
    api.append_events("s", "a", events(2_500))
    assert [event.version for event in api.stream_forward("s", "a")] == list(range(2_500))
    assert [event.position for event in api.stream_all("s", 2_490)] == list(range(2_491, 2_501))
    iterator = api.stream_backward("s", "a", 3)
    assert [event.version for event in iterator] == [3, 2, 1, 0]
    assert next(iterator, None) is None


def test_an_error_reaches_the_reader_each_time(api: BlockingGaterApi) -> None:
    iterator = api.stream_forward("nowhere", "a")
    for _ in range(3):
        with pytest.raises(StoreNotFoundError):
            next(iterator)
    iterator.close()


def test_a_subscription_waits_for_what_is_new(api: BlockingGaterApi) -> None:
    with api.subscribe("s") as subscription, ThreadPoolExecutor() as pool:
        waiting = pool.submit(next, subscription)
        api.append_events("s", "a", events(2))
        assert waiting.result(WAIT).position == 1
        assert next(subscription).position == 2


def test_closing_an_iterator_lets_its_subscription_go(api: BlockingGaterApi) -> None:
    api.append_events("s", "a", events(3))
    with api.subscribe("s") as subscription:
        assert next(subscription).position == 1
        assert api.get_store_status("s").subscribers == 1
    until(lambda: api.get_store_status("s").subscribers == 0)
    assert next(subscription, None) is None
    subscription.close()


def test_an_iterator_that_was_never_asked_can_be_closed(api: BlockingGaterApi) -> None:
    subscription = api.subscribe("s")
    subscription.close()
    assert next(subscription, None) is None
    assert api.get_store_status("s").subscribers == 0


def test_an_iterator_that_is_forgotten_is_closed(api: BlockingGaterApi) -> None:
    api.append_events("s", "a", events(1))
    subscription = api.subscribe("s")
    assert next(subscription).position == 1
    del subscription
    gc.collect()
    until(lambda: api.get_store_status("s").subscribers == 0)


def test_closing_from_another_thread_ends_the_wait(api: BlockingGaterApi) -> None:
    subscription = api.subscribe("s")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(next, subscription, "ended")
        until(lambda: api.get_store_status("s").subscribers == 1)
        subscription.close()
        assert waiting.result(WAIT) == "ended"


def test_closing_at_any_moment_ends_the_wait(api: BlockingGaterApi) -> None:
    """Also when the reader has just asked, and the loop has not yet begun."""
    with ThreadPoolExecutor() as pool:
        for number in range(300):
            subscription = api.subscribe("s")
            waiting = pool.submit(next, subscription, "ended")
            if number % 3:
                time.sleep(number % 7 * 1e-5)
            subscription.close()
            assert waiting.result(WAIT) == "ended"
    until(lambda: api.get_store_status("s").subscribers == 0)


def test_closing_the_api_ends_every_wait() -> None:
    for _ in range(20):
        api = gater.open_sync(":memory:", stores=["s"])
        with ThreadPoolExecutor() as pool:
            waiting = [pool.submit(list, api.subscribe("s")) for _ in range(3)]
            api.close()
            for reading in waiting:
                try:
                    assert reading.result(WAIT) == []
                except ApiClosedError:
                    continue


def test_what_comes_after_closing_is_refused() -> None:
    api = gater.open_sync(":memory:", stores=["s"])
    api.append_events("s", "a", events(3))
    begun = api.stream_forward("s", "a")
    assert next(begun).version == 0
    api.close()
    api.close()
    with pytest.raises(ApiClosedError):
        api.append_events("s", "a", events(1))
    with pytest.raises(ApiClosedError):
        next(api.subscribe("s"))
    assert [event.version for event in begun] in ([], [1, 2])
    begun.close()


def test_closing_answers_calls_that_are_under_way(tmp_path: Path) -> None:
    api = gater.open_sync(tmp_path, stores=["s"])
    stop = threading.Event()

    def write(stream: str) -> int:
        written = 0
        while not stop.is_set():
            try:
                api.append_events("s", stream, events(1))
            except ApiClosedError:
                break
            written += 1
        return written

    with ThreadPoolExecutor() as pool:
        writers = {f"a-{n}": pool.submit(write, f"a-{n}") for n in range(4)}
        until(lambda: len(api.get_streams("s")) == 4)
        api.close()
        stop.set()
        acknowledged = {stream: writer.result(WAIT) for stream, writer in writers.items()}
    with gater.open_sync(tmp_path) as again:
        for stream, written in acknowledged.items():
            assert again.get_version("s", stream) in (written - 1, written)


def test_many_threads_share_it(tmp_path: Path) -> None:
    with gater.open_sync(tmp_path, stores=["s"]) as api, ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda n: api.append_events("s", f"a-{n % 5}", events(2)), range(200)))
        assert sorted(result.position for result in results) == list(range(2, 401, 2))
        assert sum(api.get_version("s", f"a-{n}") + 1 for n in range(5)) == 400


def test_a_reader_that_stops_holds_a_bounded_number(thread: LoopThread) -> None:
    made = []

    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(5 * MOST_AHEAD):
            made.append(number)
            yield number

    iterator = BlockingIterator(thread, numbers())
    assert next(iterator) == 0
    until(lambda: len(made) >= MOST_AHEAD)
    time.sleep(0.05)
    assert len(made) <= 2 * MOST_AHEAD + 1
    assert list(iterator) == list(range(1, 5 * MOST_AHEAD))


def test_one_iterator_can_be_read_by_many_threads(thread: LoopThread) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(5_000):
            yield number

    iterator = BlockingIterator(thread, numbers())
    with ThreadPoolExecutor(4) as pool:
        parts = [part.result(WAIT) for part in [pool.submit(list, iterator) for _ in range(4)]]
    assert sorted(number for part in parts for number in part) == list(range(5_000))


def test_it_cannot_be_used_on_its_own_loop(thread: LoopThread) -> None:
    async def inside() -> None:
        async def work() -> None:
            return None

        thread.run(work())

    with pytest.raises(WrongContextError, match="own event loop"):
        thread.run(inside())


def test_what_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(gater.GaterError):
            gater.open_sync(tmp_path / "file" / "data", stores=["s"])
    assert threading.active_count() <= before


def test_an_interrupted_wait_leaves_the_api_in_order(api: BlockingGaterApi) -> None:
    class InterruptedWaitError(Exception):
        pass

    def interrupt(number: int, frame: Any) -> None:
        raise InterruptedWaitError

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for call in (lambda: next(api.subscribe("s")), lambda: api.get_version("s", "a", after_position=99)):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(InterruptedWaitError):
                call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    gc.collect()
    until(lambda: api.get_store_status("s").subscribers == 0)
    assert api.append_events("s", "a", events(1)).version == 0


def test_a_loop_that_was_ended_from_within_refuses_what_is_asked_of_it(thread: LoopThread) -> None:
    thread.call(thread._loop.stop)
    thread._thread.join(10)
    with pytest.raises(ApiClosedError):
        thread.run(asyncio.sleep(0))
    thread.stop()


def test_what_an_iterator_holds_ready_is_bounded_in_bytes(thread: LoopThread) -> None:
    heavy = Event("s", 0, 1, bytes(16), "T", JSON, b"{}", b'{"a":"%b"}' % (b"x" * 500_000), 0)
    made: list[int] = []

    async def items() -> AsyncGenerator[Any, None]:
        for number in range(60):
            made.append(number)
            yield (heavy, Delivered(heavy, 1, 1), PubSubMessage("t", "x" * 500_000))[number % 3]

    iterator = BlockingIterator(thread, items())
    next(iterator)
    most = MOST_AHEAD_BYTES // 500_000 + 1
    until(lambda: len(made) >= most)
    assert len(made) <= 2 * most + 1
    assert len(list(iterator)) == 59
