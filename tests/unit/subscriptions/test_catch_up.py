"""Following a store: the seam between the file and the tail, with bounds so small that it is met all the time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

import gater
from gater import LIVE, Event, GaterApi, NewEvent, StreamAppend


@pytest.fixture(params=[1, 3, 50], ids=lambda size: f"pages of {size}")
def tiny(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("gater.subscriptions.catch_up.PAGE_EVENTS", "gater.store.reader.PAGE_EVENTS"):
        monkeypatch.setattr(path, request.param)
    monkeypatch.setattr("gater.store.tail.MOST_EVENTS", 7)
    monkeypatch.setattr("gater.store.reader.SPAN", 5)


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
