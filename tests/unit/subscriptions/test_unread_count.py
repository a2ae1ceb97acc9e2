"""The count of matching events that a group has not read: a bound, and the number itself once all was looked at."""

from __future__ import annotations

import pytest

from gater.model.events import EventRow
from gater.model.selectors import stream_prefix
from gater.store.store import Store
from gater.subscriptions import unread_count
from gater.subscriptions.matching import compile_selector
from gater.subscriptions.unread_count import MOST_PARTS, UnreadCount
from tests.unit.store.stores import event_of, memory_store, write

MATCHING = 40


async def counted(store: Store, monkeypatch: pytest.MonkeyPatch, page: int) -> UnreadCount:
    """A count in a store where one of five events matches, which looks at so many matching events at once."""
    monkeypatch.setattr(unread_count, "PAGE_EVENTS", page)
    monkeypatch.setattr(unread_count, "TURN_SECONDS", 10.0)
    for _ in range(MATCHING):
        await write(store, "a", event_of())
        await write(store, "b", *[event_of() for _ in range(4)])
    return UnreadCount(store, compile_selector(stream_prefix("a")))


@pytest.mark.parametrize("page", [1, 3, 1_000])
async def test_it_falls_to_the_number_of_events_that_are_left(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_store() as store:
        count = await counted(store, monkeypatch, page)
        monkeypatch.setattr(unread_count, "TURN_SECONDS", 0.0)
        bounds = [count.at_most(0)]
        for _ in range(bounds[0]):
            count.count_on(0)
            bounds.append(count.at_most(0))
            assert len(count._parts) <= MOST_PARTS
        assert (bounds[0], bounds[-1]) == (5 * MATCHING, MATCHING)
        assert bounds == sorted(bounds, reverse=True)


async def test_what_was_read_does_not_count_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_store() as store:
        count = await counted(store, monkeypatch, 1_000)
        for reached in (0, 7, 50, 111, 199, 200):
            left = MATCHING - (reached + 4) // 5
            assert count.at_most(reached) >= left
            count.count_on(reached)
            assert count.at_most(reached) == left


async def test_each_question_takes_a_turn_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_store() as store:
        count = await counted(store, monkeypatch, 10)
        monkeypatch.setattr(unread_count, "TURN_SECONDS", 0.0)
        looked: list[int] = []
        original = store.tail.after

        def noting(after: int, limit: int) -> list[EventRow] | None:
            looked.append(after)
            return original(after, limit)

        monkeypatch.setattr(store.tail, "after", noting)
        count.count_on(0)
        assert len(looked) <= 1
