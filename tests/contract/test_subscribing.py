"""Subscriptions: what is stored, then what is new; no gap, no repeat, nothing held up by a slow reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from gater import (
    CAUGHT_UP,
    FELL_BEHIND,
    LIVE,
    Event,
    GaterApi,
    GaterError,
    InvalidArgumentError,
    InvalidStartVersionError,
    NewEvent,
    StoreNotFoundError,
    StoreUnavailableError,
    StreamAppend,
    by_event_type,
)
from tests.contract.samples import first_of, numbered, numbers, positions, refused, versions


async def subscribed(api: GaterApi, store: str, count: int = 1) -> None:
    """Return when so many subscriptions are under way."""
    while (await api.get_store_status(store)).subscribers != count:
        await asyncio.sleep(0.001)


async def test_everything_stored_comes_in_order(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(3))
    await api.append_events(store, "b", numbered(2))
    await api.append_events(store, "a", numbered(2, first=3))
    events = await first_of(api.subscribe(store), 7)
    assert events == await api.read_all(store)
    assert await first_of(api.subscribe(store, "by_stream", "a"), 5) == await api.get_events(store, "a")
    assert await first_of(api.subscribe(store, "by_stream", "$a"), 5) == await api.get_events(store, "a")


@pytest.mark.parametrize(("start", "expected"), [(0, 1), (1, 1), (2, 2), (5, 5), (6, 6)])
async def test_start_from_is_an_inclusive_position_for_all(
    api: GaterApi, store: str, start: int, expected: int
) -> None:
    await api.append_events(store, "s", numbered(5))
    subscription = api.subscribe(store, start_from=start)
    first = asyncio.ensure_future(anext(subscription))
    if start > 5:
        await subscribed(api, store)
        await api.append_events(store, "s", numbered(2))
    assert (await first).position == expected
    await subscription.aclose()


@pytest.mark.parametrize(("start", "expected"), [(0, 0), (1, 1), (4, 4), (5, 5), (6, 6)])
async def test_start_from_is_an_inclusive_version_for_a_stream(
    api: GaterApi, store: str, start: int, expected: int
) -> None:
    await api.append_events(store, "other", numbered(3))
    await api.append_events(store, "s", numbered(5))
    subscription = api.subscribe(store, "by_stream", "s", start)
    first = asyncio.ensure_future(anext(subscription))
    if start > 4:
        await subscribed(api, store)
        await api.append_events(store, "s", numbered(3))
    assert (await first).version == expected
    await subscription.aclose()


@pytest.mark.parametrize("selector", ["$all", "s"])
async def test_what_is_new_follows_what_is_stored(api: GaterApi, store: str, selector: str) -> None:
    await api.append_events(store, "s", numbered(3))
    async with aclosing(api.subscribe(store, "by_stream", selector)) as events:
        assert numbers([await anext(events) for _ in range(3)]) == [0, 1, 2]
        for number in range(3, 30):
            await api.append_events(store, "s", numbered(1, first=number))
            assert numbers([await anext(events)]) == [number]


@pytest.mark.parametrize("selector", ["$all", "s"])
async def test_live_begins_with_what_is_committed_from_now_on(api: GaterApi, store: str, selector: str) -> None:
    await api.append_events(store, "s", numbered(3))
    async with aclosing(api.subscribe(store, "by_stream", selector, LIVE)) as events:
        first = asyncio.ensure_future(anext(events))
        await subscribed(api, store)
        for number in range(3, 10):
            await api.append_events(store, "s", numbered(1, first=number))
        assert numbers([await first, *[await anext(events) for _ in range(6)]]) == [3, 4, 5, 6, 7, 8, 9]


async def test_one_stream_only(api: GaterApi, store: str) -> None:
    async with aclosing(api.subscribe(store, "by_stream", "s", LIVE)) as events:
        first = asyncio.ensure_future(anext(events))
        await subscribed(api, store)
        await api.append_events(store, "other", numbered(5))
        await api.append_streams(store, [StreamAppend("more", numbered(2)), StreamAppend("s", numbered(2))])
        await api.append_events(store, "S", numbered(5))
        await api.append_events(store, "s", numbered(1))
        assert versions([await first, await anext(events), await anext(events)]) == [0, 1, 2]


async def test_a_stream_that_is_not_yet_written_can_be_followed(api: GaterApi, store: str) -> None:
    async with aclosing(api.subscribe(store, "by_stream", "later")) as events:
        first = asyncio.ensure_future(anext(events))
        await subscribed(api, store)
        await api.append_events(store, "later", numbered(1))
        assert versions([await first]) == [0]


async def test_subscribers_at_every_point_see_every_event_of_concurrent_writers_once(api: GaterApi, store: str) -> None:
    """Writers write as fast as they can while subscribers begin, at the start, in the middle, and live."""
    writers, appends, size = 4, 25, 3
    total = writers * appends * size

    async def write(writer: int) -> None:
        for number in range(appends):
            await api.append_events(store, f"s-{writer}", numbered(size, first=number * size))

    async def follow_all(start: int) -> list[Event]:
        seen: list[Event] = []
        async with aclosing(api.subscribe(store, start_from=start)) as events:
            async for event in events:
                seen.append(event)
                if event.position == total:
                    return seen
        raise AssertionError("a subscription has no end")

    async def follow_stream(writer: int) -> list[Event]:
        return await first_of(api.subscribe(store, "by_stream", f"s-{writer}"), appends * size)

    async def begin_late(after: int, start: int) -> list[Event]:
        await api.get_version(store, "s-0", after_position=after)
        return await follow_all(start)

    async with asyncio.TaskGroup() as group:
        writing = [group.create_task(write(writer)) for writer in range(writers)]
        of_all = {
            start: group.create_task(begin_late(after, start))
            for after, start in ((0, 0), (30, 17), (60, 90), (150, 1), (total - 1, total - 1))
        }
        of_streams = [group.create_task(follow_stream(writer)) for writer in range(writers)]
    assert all(task.done() for task in writing)
    for start, task in of_all.items():
        assert positions(task.result()) == list(range(max(start, 1), total + 1))
    for task in of_streams:
        assert versions(task.result()) == numbers(task.result()) == list(range(appends * size))


async def test_live_subscribers_see_one_run_without_a_gap(api: GaterApi, store: str) -> None:
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await api.append_events(store, "s", numbered(2))

    async def follow(selector: str) -> list[Event]:
        return await first_of(api.subscribe(store, "by_stream", selector, LIVE), 100)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        seen = await asyncio.gather(*[follow(selector) for selector in ("$all", "s", "$all", "s")])
        stop.set()
    for events in seen:
        assert positions(events) == list(range(events[0].position, events[0].position + 100))


@pytest.mark.parametrize("selector", ["$all", "s"])
async def test_a_slow_reader_misses_nothing_and_holds_nobody_up(api: GaterApi, store: str, selector: str) -> None:
    async with aclosing(api.subscribe(store, "by_stream", selector)) as events:
        await api.append_events(store, "s", numbered(1))
        assert numbers([await anext(events)]) == [0]
        for first in range(1, 12_001, 1_000):
            await api.append_events(store, "s", numbered(1_000, first=first))
        assert numbers([await anext(events) for _ in range(12_000)]) == list(range(1, 12_001))


async def test_large_events_reach_a_subscriber(api: GaterApi, store: str) -> None:
    async with aclosing(api.subscribe(store)) as events:
        for number in range(12):
            await api.append_events(store, "s", [NewEvent("Large", bytes([number]) * (1 << 20))])
        seen = [await anext(events) for _ in range(12)]
        assert [(len(event.data), event.data[0]) for event in seen] == [(1 << 20, number) for number in range(12)]


async def test_a_closed_subscription_is_let_go(api: GaterApi, store: str) -> None:
    subscriptions = [api.subscribe(store), api.subscribe(store, "by_stream", "s", LIVE)]
    waiting = [asyncio.ensure_future(anext(subscription)) for subscription in subscriptions]
    await subscribed(api, store, 2)
    await api.append_events(store, "s", numbered(1))
    await asyncio.gather(*waiting)
    for subscription in subscriptions:
        await subscription.aclose()
    await subscribed(api, store, 0)
    for subscription in subscriptions:
        assert await anext(subscription, None) is None


async def test_a_cancelled_subscriber_is_let_go(api: GaterApi, store: str, way: Any) -> None:
    if way.name == "blocking-rpc":
        pytest.skip("a thread that waits cannot be cancelled")
    for subscription in (api.subscribe(store), api.subscribe(store, "by_stream", "s")):
        reading = asyncio.ensure_future(_drain(subscription))
        await subscribed(api, store)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await subscribed(api, store, 0)
    await api.append_events(store, "s", numbered(1))


async def _drain(events: AsyncGenerator[Event, None]) -> None:
    async with aclosing(events):
        async for _ in events:
            pass


async def test_many_subscribers_each_see_everything(api: GaterApi, store: str) -> None:
    reading = [asyncio.ensure_future(first_of(api.subscribe(store), 20)) for _ in range(20)]
    await subscribed(api, store, 20)
    for number in range(10):
        await api.append_events(store, f"s-{number}", numbered(2))
    for events in await asyncio.gather(*reading):
        assert positions(events) == list(range(1, 21))


@pytest.mark.parametrize("start", [0, 1_500, 2_100])
async def test_a_stream_that_was_truncated_far_is_followed_from_its_first_event(
    api: GaterApi, store: str, start: int
) -> None:
    await api.append_events(store, "s", numbered(2_200))
    await api.truncate_stream(store, "s", 2_100)
    assert versions(await first_of(api.subscribe(store, "by_stream", "s", start), 100)) == list(range(2_100, 2_200))


async def test_a_revived_stream_goes_on(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    async with aclosing(api.subscribe(store, "by_stream", "s")) as events:
        assert versions([await anext(events) for _ in range(3)]) == [0, 1, 2]
        await api.delete_stream(store, "s")
        await api.append_events(store, "s", numbered(2))
        assert versions([await anext(events) for _ in range(2)]) == [3, 4]
        await api.truncate_stream(store, "s", 5)
        await api.compact_store(store)
        await api.append_events(store, "s", numbered(1))
        assert versions([await anext(events)]) == [5]


async def test_subscriptions_end_with_an_error_when_their_store_is_removed(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    subscriptions = [
        api.subscribe(store),
        api.subscribe(store, "by_stream", "s"),
        api.subscribe(store, start_from=LIVE),
    ]
    waiting = [asyncio.ensure_future(_drain(subscription)) for subscription in subscriptions]
    await subscribed(api, store, 3)
    await api.remove_store(store)
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, StoreUnavailableError | StoreNotFoundError), outcome


@pytest.mark.parametrize("start", [-2, 1.5, "x", True, 1 << 63])
async def test_a_start_that_is_none_is_refused(api: GaterApi, store: str, start: Any) -> None:
    for selector in ("$all", "s"):
        with pytest.raises(GaterError) as caught:
            await anext(api.subscribe(store, "by_stream", selector, start))
        assert isinstance(caught.value, InvalidStartVersionError | InvalidArgumentError)


@pytest.mark.parametrize("kind", ["by_nothing", "$all", "BY_STREAM"])
async def test_an_unknown_kind_of_selector_is_refused(api: GaterApi, store: str, kind: str) -> None:
    with refused(InvalidArgumentError, argument="type"):
        await anext(api.subscribe(store, kind))


@pytest.mark.parametrize("selector", ["$", "a\nb", "x" * 256])
async def test_a_selector_names_a_stream(api: GaterApi, store: str, selector: str) -> None:
    with refused(InvalidArgumentError, argument="selector"):
        await anext(api.subscribe(store, "by_stream", selector))


async def told(events: AsyncGenerator[Any, None], count: int) -> list[Any]:
    """The next events, as their positions, and notices, as they are."""
    items = [await anext(events) for _ in range(count)]
    return [item.position if isinstance(item, Event) else item for item in items]


@pytest.mark.parametrize("kind", ["by_stream", "by_event_type", "stream_prefix", "by_event_payload"])
async def test_notices_tell_where_the_stored_events_end(api: GaterApi, store: str, kind: str) -> None:
    selector = {"by_stream": "s", "by_event_type": "T", "stream_prefix": "s", "by_event_payload": {"k": "x"}}[kind]
    await api.append_events(store, "s", [NewEvent("T", {"k": "x"}) for _ in range(3)])
    async with aclosing(api.subscribe(store, kind, selector, notices=True)) as events:
        assert await told(events, 4) == [1, 2, 3, CAUGHT_UP]
        await api.append_events(store, "other", [NewEvent("U", {"k": "y"})])
        await api.append_events(store, "s", [NewEvent("T", {"k": "x"}) for _ in range(2)])
        assert await told(events, 2) == [5, 6]


async def test_a_subscription_without_anything_stored_has_caught_up_at_once(api: GaterApi, store: str) -> None:
    for start in (0, LIVE, 1):
        async with aclosing(api.subscribe(store, start_from=start, notices=True)) as events:
            assert await told(events, 1) == [CAUGHT_UP]


async def test_notices_come_only_to_who_asks(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(2))
    async with aclosing(api.subscribe(store)) as events:
        assert await told(events, 2) == [1, 2]
        await api.append_events(store, "s", numbered(1))
        assert await told(events, 1) == [3]


@pytest.mark.parametrize(("kind", "selector"), [("by_stream", "$all"), ("by_event_type", "Counted")])
async def test_who_does_not_read_is_told_that_it_fell_behind(
    api: GaterApi, store: str, way: Any, kind: str, selector: str
) -> None:
    if not way.name.startswith("in-"):
        pytest.skip("how much waits on the way differs")
    await api.append_events(store, "s", numbered(1))
    async with aclosing(api.subscribe(store, kind, selector, notices=True)) as events:
        assert await told(events, 2) == [1, CAUGHT_UP]
        for first in range(0, 16_000, 1_000):
            await api.append_events(store, "s", numbered(1_000, first=first))
        items = await told(events, 16_002)
        notices = [item for item in items if not isinstance(item, int)]
        assert [item for item in items if isinstance(item, int)] == list(range(2, 16_002))
        assert notices == [FELL_BEHIND, CAUGHT_UP]


async def test_subscribers_to_different_events_see_each_its_own(api: GaterApi, store: str) -> None:
    kinds = [("by_stream", f"s-{n}") for n in range(3)] + [("by_event_type", f"T-{n}") for n in range(3)]
    async with asyncio.TaskGroup() as group:
        found = {
            kind: [group.create_task(first_of(api.subscribe(store, *kind, LIVE), 18)) for _ in range(2)]
            for kind in kinds
        }
        await subscribed(api, store, 12)
        for number in range(54):
            await api.append_events(store, f"s-{number % 3}", numbered(1, number, f"T-{number // 3 % 3}"))
    for (_, value), tasks in found.items():
        expected = [n for n in range(54) if value in (f"s-{n % 3}", f"T-{n // 3 % 3}")]
        assert [numbers(task.result()) for task in tasks] == [expected] * 2, value


async def test_a_selector_beside_a_whole_selector_is_refused(api: GaterApi, store: str, way: Any) -> None:
    if way.name == "http":
        pytest.skip("over HTTP the two are different fields")
    with refused(InvalidArgumentError, argument="selector"):
        await anext(api.subscribe(store, by_event_type("T"), "$all"))
