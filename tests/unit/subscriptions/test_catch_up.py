"""Following a store: the seam between the file and the tail, with bounds so small that it is met all the time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import (
    CAUGHT_UP,
    FELL_BEHIND,
    LIVE,
    Event,
    GaterApi,
    NewEvent,
    StoreUnavailableError,
    StreamAppend,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from gater.model.selectors import Selector
from gater.store.watches import Watch
from gater.subscriptions.catch_up import follow, reached
from gater.subscriptions.matching import compile_selector
from tests.unit.store.stores import event_of, memory_store
from tests.unit.store.stores import write as write_event


@pytest.fixture(params=[1, 3, 50], ids=lambda size: f"pages of {size}")
def tiny(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (
        "gater.subscriptions.catch_up.PAGE_EVENTS",
        "gater.subscriptions.cursors.PAGE_EVENTS",
        "gater.store.reader.PAGE_EVENTS",
    ):
        monkeypatch.setattr(path, request.param)
    monkeypatch.setattr("gater.store.tail.MOST_EVENTS", 7)
    monkeypatch.setattr("gater.store.reader.SPAN", 5)
    monkeypatch.setattr("gater.store.watches.MOST_WAITING", 3)


async def open_store(folder: Path) -> AsyncGenerator[GaterApi, None]:
    async with gater.open(folder, stores=["s"]) as api:
        yield api


@pytest.fixture
def api(tmp_path: Path) -> AsyncGenerator[GaterApi, None]:
    return open_store(tmp_path)


def some(count: int) -> list[NewEvent]:
    return [NewEvent("T") for _ in range(count)]


async def read_with_pauses(events: AsyncGenerator[Event, None], last: int, rng: random.Random) -> list[int]:
    """The positions up to `last`, read now quickly and now slowly."""
    seen: list[int] = []
    async with aclosing(events):
        async for event in events:
            seen.append(event.position)
            if event.position >= last:
                return seen
            for _ in range(rng.choice((0, 0, 0, 1, 20))):
                await asyncio.sleep(0)
    raise AssertionError("a subscription has no end")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("seed", range(4))
async def test_quick_and_slow_readers_see_each_event_once(api: GaterApi, seed: int) -> None:
    rng = random.Random(seed)
    total = 300

    async def write() -> None:
        written = 0
        while written < total:
            size = min(rng.choice((1, 1, 2, 9)), total - written)
            await api.append_events("s", f"a-{rng.randrange(3)}", some(size))
            written += size
            for _ in range(rng.choice((0, 0, 5))):
                await asyncio.sleep(0)

    starts = [0, 1, 7, 150, total]
    readers = [asyncio.ensure_future(read_with_pauses(api.subscribe("s", start_from=s), total, rng)) for s in starts]
    await write()
    for start, seen in zip(starts, await asyncio.gather(*readers), strict=True):
        assert seen == list(range(max(start, 1), total + 1))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("seed", range(4))
async def test_what_is_hidden_meanwhile_makes_no_gap_and_no_repeat(api: GaterApi, seed: int) -> None:
    """Streams are truncated and deleted under the readers: they see a subset, in order, and all of what stays."""
    rng = random.Random(100 + seed)
    kept: list[int] = []
    readers = [asyncio.ensure_future(read_with_pauses(api.subscribe("s"), 201, rng)) for _ in range(3)]
    position = 0
    for _ in range(100):
        writes = [StreamAppend("kept", some(1)), StreamAppend(f"cut-{rng.randrange(3)}", some(1))]
        results = await api.append_streams("s", writes)
        kept.append(results[0].position)
        position = results[1].position
        match rng.randrange(4):
            case 0:
                await api.truncate_stream("s", f"cut-{rng.randrange(3)}", rng.randrange(60))
            case 1:
                await api.delete_stream("s", f"cut-{rng.randrange(3)}")
            case 2:
                await api.compact_store("s")
    assert position == 200
    await api.append_events("s", "kept", some(1))
    for seen in await asyncio.gather(*readers):
        assert seen == sorted(set(seen))
        assert set(kept) <= set(seen)


@pytest.mark.usefixtures("tiny")
async def test_a_stream_is_followed_past_whatever_was_truncated(api: GaterApi) -> None:
    for _ in range(4):
        await api.append_events("s", "a", some(30))
    await api.truncate_stream("s", "a", 100)
    for start in (0, 50, 99, 100):
        async with aclosing(api.subscribe("s", "by_stream", "a", start)) as events:
            assert [(await anext(events)).version for _ in range(20)] == list(range(100, 120))


@pytest.mark.usefixtures("tiny")
async def test_all_is_followed_past_whatever_was_deleted(api: GaterApi) -> None:
    await api.append_events("s", "gone", some(100))
    await api.append_events("s", "kept", some(2))
    await api.delete_stream("s", "gone")
    for start in (0, 50, 101):
        async with aclosing(api.subscribe("s", start_from=start)) as events:
            assert [(await anext(events)).position for _ in range(2)] == [101, 102]
    async with aclosing(api.subscribe("s", start_from=LIVE)) as events:
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        await api.append_events("s", "kept", some(1))
        assert (await first).position == 103


@pytest.mark.usefixtures("tiny")
async def test_nothing_that_is_deleted_reaches_a_late_subscriber(api: GaterApi) -> None:
    for number in range(10):
        await api.append_events("s", "secret", [NewEvent("Secret", {"n": number})])
        await api.append_events("s", "open", some(1))
    await api.delete_stream("s", "secret", tombstone=True)
    async with aclosing(api.subscribe("s")) as events:
        seen = [await anext(events) for _ in range(10)]
    assert {event.stream_id for event in seen} == {"open"}


async def test_a_reader_that_never_reads_costs_no_memory(api: GaterApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.tail.MOST_BYTES", 100_000)
    async with aclosing(api.subscribe("s")) as events:
        await api.append_events("s", "a", some(1))
        await anext(events)
        for _ in range(40):
            await api.append_events("s", "a", [NewEvent("T", bytes(10_000), {"more": "x" * 10_000})])
        seen = [await anext(events) for _ in range(40)]
        assert [event.position for event in seen] == list(range(2, 42))


SELECTORS = {
    "type": by_event_type("T-1"),
    "types": by_event_type("T-1") | by_event_type("T-2"),
    "payload": by_event_payload({"k": "x"}),
    "prefix": stream_prefix("a-"),
    "stream": by_stream("a-1"),
    "streams": by_stream("a-1") | by_stream("b-2"),
    "joined": stream_prefix("a-") & by_event_type("T-0"),
    "type or payload": by_event_type("T-2") | by_event_payload({"k": "y"}),
}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
@pytest.mark.parametrize("seed", range(2))
async def test_followers_of_every_kind_see_what_matches_once(api: GaterApi, selector: Selector, seed: int) -> None:
    """Quick and slow ones, which fall behind and catch up over and over, among writers that do not wait for them."""
    rng = random.Random(seed)

    async def write() -> None:
        for _ in range(250):
            event = NewEvent(f"T-{rng.randrange(3)}", {"k": rng.choice("xyz")})
            await api.append_events("s", f"{rng.choice('ab')}-{rng.randrange(3)}", [event])
            for _ in range(rng.choice((0, 0, 5))):
                await asyncio.sleep(0)
        # Each selector takes one of these, by which its followers know the end.
        await api.append_events(
            "s", "a-1", [NewEvent("T-1", {"k": "x", "last": 1}), NewEvent("T-0", {"k": "y", "last": 2})]
        )

    starts = (0, 0, 40)
    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        followers = [
            group.create_task(_read_to_the_end(api.subscribe("s", selector, start_from=start), random.Random(number)))
            for number, start in enumerate(starts)
        ]
    everything = await api.read_all("s", 0, 1_000, selector=selector)
    for follower, start in zip(followers, starts, strict=True):
        seen = follower.result()
        begin = [e for e in everything if (e.position if selector.stream_id is None else e.version) >= start]
        assert seen == begin[: len(seen)]
        assert len(begin) - len(seen) <= 1


async def _read_to_the_end(events: AsyncGenerator[Event, None], rng: random.Random) -> list[Event]:
    seen: list[Event] = []
    async with aclosing(events):
        async for event in events:
            seen.append(event)
            if "last" in event.data:
                return seen
            for _ in range(rng.choice((0, 0, 1, 20))):
                await asyncio.sleep(0)
    raise AssertionError("a subscription has no end")


@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
async def test_who_falls_behind_is_told_and_reads_on_from_the_file(
    api: GaterApi, monkeypatch: pytest.MonkeyPatch, selector: Selector
) -> None:
    monkeypatch.setattr("gater.store.tail.MOST_EVENTS", 7)
    monkeypatch.setattr("gater.store.watches.MOST_WAITING", 3)
    async with aclosing(api.subscribe("s", selector, notices=True)) as events:
        assert await anext(events) is CAUGHT_UP
        for number in range(60):
            await api.append_events("s", "a-1", [NewEvent(f"T-{number % 3}", {"k": "xy"[number % 2]})])
        expected = await api.read_all("s", selector=selector)
        assert len(expected) > 5
        found: list[Any] = []
        while not found or found[-1] is not CAUGHT_UP:
            found.append(await anext(events))
        found.remove(FELL_BEHIND)
        assert found == [*expected, CAUGHT_UP]


async def test_followers_are_found_by_what_they_wait_for_and_leave_nothing(tmp_path: Path) -> None:
    async with memory_store() as store:
        watches = store.tail.watches
        followers = [follow(store, compile_selector(selector), None) for selector in SELECTORS.values()]
        for follower in followers:
            assert (await anext(follower)).live
        assert len(watches._index._groups) == len(SELECTORS)
        assert watches._index._untold == {}
        assert set(watches._index._indexes) == {"stream_id", "event_type", "stream_prefix", "data"}
        for follower in followers:
            await follower.aclose()
        assert not watches._index
        assert watches._index._indexes == {}


async def test_an_append_wakes_no_read_that_waits_for_a_later_position(monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_store() as store:
        woken: list[Watch] = []
        monkeypatch.setattr(Watch, "wake", lambda watch, wake=Watch.wake: (woken.append(watch), wake(watch)))
        later = [asyncio.create_task(reached(store, position)) for position in range(10, 60)]
        soon = asyncio.create_task(reached(store, 2))
        await asyncio.sleep(0)
        await write_event(store, "s", event_of())
        assert not woken
        await write_event(store, "s", event_of())
        await soon
        assert len(woken) == 1
        for waiting in later:
            waiting.cancel()
        await asyncio.gather(*later, return_exceptions=True)
        assert not store.tail.watches._positions


async def test_a_follower_of_what_is_rare_is_told_how_far_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it need not begin anew when its connection breaks."""
    monkeypatch.setattr("gater.subscriptions.catch_up.QUIET_PAGES", 2)
    monkeypatch.setattr("gater.store.reader.SPAN", 5)
    monkeypatch.setattr("gater.store.tail.MOST_EVENTS", 5)
    async with memory_store() as store:
        for _ in range(50):
            await write_event(store, "noise", event_of())
        async with aclosing(follow(store, compile_selector(stream_prefix("rare")), 0)) as pages:
            told = []
            async for page in pages:
                told.append((len(page.events), page.next))
                if page.live:
                    break
    assert [events for events, _ in told] == [0] * len(told)
    reached = [position for _, position in told]
    assert reached == sorted(reached)
    assert len(set(reached)) > 3
    assert reached[-1] == 51


async def test_who_waits_is_told_that_the_store_is_closed() -> None:
    async with memory_store() as store:
        followers = [follow(store, compile_selector(selector), 0) for selector in SELECTORS.values()]
        for follower in followers:
            assert (await anext(follower)).live
        waiting = [asyncio.ensure_future(anext(follower)) for follower in followers]
        await asyncio.sleep(0)
        store.tail.watches.close()
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, StoreUnavailableError)
