"""The history of a store: by it, a follower of a store that was restored or made anew is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from gater import CAUGHT_UP, LIVE, Event, GaterApi, HistoryChangedError, by_event_type, stream_prefix
from tests.contract.samples import all_of, first_of, numbered, positions, refused, until, versions


async def history_of(api: GaterApi, store: str) -> str:
    return (await api.get_store_status(store)).history


async def made_anew(api: GaterApi, store: str, events: int) -> str:
    """Remove a store and make one of its name with so many events; the history of the first."""
    history = await history_of(api, store)
    await api.remove_store(store)
    await api.create_store(store, in_memory=True)
    if events:
        await api.append_events(store, "s", numbered(events))
    return history


async def refusal(events: AsyncGenerator[Event, None]) -> HistoryChangedError:
    """The error that a subscription ends with at once."""
    with pytest.raises(HistoryChangedError) as caught:
        await anext(events)
    return caught.value


async def test_a_follower_with_the_history_of_the_store_goes_on(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    history = await history_of(api, store)
    assert len(history) == 16
    await api.append_events(store, "s", numbered(2, first=3))
    assert await history_of(api, store) == history
    assert positions(await first_of(api.subscribe(store, start_from=4, history=history), 2)) == [4, 5]
    assert versions(await first_of(api.subscribe(store, "by_stream", "s", 3, history=history), 2)) == [3, 4]
    assert positions(await first_of(api.subscribe(store, start_from=4, history=None), 2)) == [4, 5]


@pytest.mark.parametrize("events", [0, 5])
async def test_a_follower_of_a_store_that_was_made_anew_is_refused(api: GaterApi, store: str, events: int) -> None:
    await api.append_events(store, "s", numbered(3))
    former = await made_anew(api, store, events)
    for kind, selector in (("by_stream", "$all"), ("by_stream", "s"), ("by_event_type", "T")):
        for start in (0, 3, LIVE):
            error = await refusal(api.subscribe(store, kind, selector, start, history=former))
            assert (error.store, error.history, error.shared) == (store, await history_of(api, store), 0)
            assert not error.retryable
    assert error.history != former


async def test_a_follower_ahead_of_the_history_that_it_names_is_refused(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    history = await history_of(api, store)
    for selector in ("by_stream", by_event_type("T"), stream_prefix("s")):
        error = await refusal(api.subscribe(store, selector, start_from=5, history=history))
        assert error.reason == "position 4 is ahead of it: its newest is 3"
    error = await refusal(api.subscribe(store, "by_stream", "s", 4, history=history))
    assert error.reason == "version 3 is ahead of it: its newest is 2"
    following = asyncio.ensure_future(first_of(api.subscribe(store, start_from=4, history=history), 1))
    await until(lambda: _is_followed(api, store))
    await api.append_events(store, "s", numbered(1))
    assert positions(await following) == [4]


@pytest.mark.parametrize(("selector", "start"), [("$all", 6), ("s", 5)])
async def test_a_follower_that_begins_ahead_has_not_caught_up(
    api: GaterApi, store: str, selector: str, start: int
) -> None:
    await api.append_events(store, "s", numbered(3))
    following = asyncio.ensure_future(first_of(api.subscribe(store, "by_stream", selector, start, notices=True), 2))
    await until(lambda: _is_followed(api, store))
    await api.append_events(store, "s", numbered(3))
    event, notice = await following
    assert (event.version, notice) == (5, CAUGHT_UP)


def reads(api: GaterApi, store: str, at: int, history: str | None) -> list[Callable[[], Awaitable[list[Event]]]]:
    """Every way to read on from an event in the middle, by its version and its position."""
    return [
        lambda: api.get_events(store, "s", at, history=history),
        lambda: api.get_events(store, "s", at, direction="backward", history=history),
        lambda: api.read_all(store, at, history=history),
        lambda: api.read_all(store, at, direction="backward", history=history),
        lambda: all_of(api.stream_forward(store, "s", at, history=history)),
        lambda: all_of(api.stream_backward(store, "s", at, history=history)),
        lambda: all_of(api.stream_all(store, at, history=history)),
        lambda: all_of(api.stream_all(store, at, "backward", history=history)),
    ]


async def test_a_read_that_goes_on_in_a_store_that_was_made_anew_is_refused(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    former = await made_anew(api, store, 5)
    present = await history_of(api, store)
    for read in reads(api, store, 2, former):
        with refused(HistoryChangedError, store=store, history=present, shared=0):
            await read()
    for known in (present, None):
        for read in reads(api, store, 2, known):
            assert await read()


async def test_a_read_ahead_of_the_history_that_it_names_is_refused(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    history = await history_of(api, store)
    forward = slice(0, 8, 2)
    for read in reads(api, store, 4, history)[forward]:
        with refused(HistoryChangedError, history=history):
            await read()
    for read in reads(api, store, 4, None)[forward] + reads(api, store, 3, history)[forward]:
        assert await read() == []
    assert await api.read_all(store, 4, direction="backward", history=history)


async def _is_followed(api: GaterApi, store: str) -> bool:
    return (await api.get_store_status(store)).subscribers == 1
