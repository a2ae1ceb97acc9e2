"""Cursors: what matches, page after page, from the tail or from the file, with what is hidden passed over."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gater.model.commands import DeleteStream, TruncateStream
from gater.model.events import EventRow
from gater.model.selectors import (
    Selector,
    any_of,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from gater.store.store import Store
from gater.subscriptions.cursors import Cursor, StoreCursor, StreamCursor, cursor_of
from gater.subscriptions.matching import compile_selector
from tests.unit.store.stores import event_of, memory_store, write

SELECTORS: list[Selector] = [
    by_stream(),
    by_stream("a-1"),
    by_stream("a-1") & by_event_type("T"),
    by_event_type("T"),
    by_event_type("T") | by_event_type("U"),
    by_event_type("T") & stream_prefix("a-"),
    stream_prefix("a-"),
    by_event_payload({"k": "x"}),
    by_event_type("U") | by_event_payload({"k": "y"}),
    any_of(by_stream("a-1"), by_stream("b-1")),
]


@pytest.fixture(params=[1, 4, 50], ids=lambda size: f"pages of {size}")
def tiny(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pages and a tail so small that every bound is met."""
    for path in ("gater.subscriptions.cursors.PAGE_EVENTS", "gater.store.reader.PAGE_EVENTS"):
        monkeypatch.setattr(path, request.param)
    monkeypatch.setattr("gater.store.tail.MOST_EVENTS", 9)
    monkeypatch.setattr("gater.store.reader.SPAN", 7)
    return int(request.param)


async def fill(store: Store, rng: random.Random, events: int) -> None:
    for _ in range(events):
        text = rng.choice("xyz")
        await write(
            store,
            rng.choice(("a-1", "a-2", "b-1")),
            event_of(rng.choice("TUV"), f'{{"k":"{text}"}}'.encode()),
        )


def read_on(cursor: Cursor, limit: int) -> list[EventRow]:
    """What comes next until there is nothing more; the cursor moves with each page."""
    found: list[EventRow] = []
    while True:
        before = cursor.next
        page = cursor.page(limit)
        if page is None:
            assert cursor.next == before
            return found
        assert cursor.next > before
        found += page


def expected(store: Store, selector: Selector, start: int) -> list[EventRow]:
    """The same by looking at every event."""
    matcher, found = compile_selector(selector), list[EventRow]()
    cursor: int | None = 0
    while cursor is not None:
        page = store.reader.read_all(cursor, 1_000, store.tail.position)
        found += page.events
        cursor = page.next
    number = 2 if selector.stream_id is None else 1
    return [event for event in found if matcher.accepts(event) and event[number] >= start]


@pytest.mark.parametrize("seed", range(3))
async def test_pages_are_what_looking_at_every_event_gives(tiny: int, seed: int) -> None:
    rng = random.Random(seed)
    async with memory_store() as store:
        await fill(store, rng, 80)
        await store.run(TruncateStream("a-1", 5))
        for selector in SELECTORS:
            for start in (0, 1, 9, rng.randrange(80), 80, 200):
                cursor = cursor_of(store, compile_selector(selector), start)
                assert read_on(cursor, tiny) == expected(store, selector, start), (selector, start)
        await store.run(DeleteStream("a-1"))
        for selector in SELECTORS:
            assert read_on(cursor_of(store, compile_selector(selector), 0), tiny) == expected(store, selector, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_a_cursor_that_came_to_the_end_goes_on_with_what_is_new(tiny: int, seed: int) -> None:
    rng = random.Random(50 + seed)
    async with memory_store() as store:
        cursors = [(cursor_of(store, compile_selector(selector), 0), selector) for selector in SELECTORS]
        found: list[list[EventRow]] = [[] for _ in cursors]
        for _ in range(10):
            await fill(store, rng, rng.choice((1, 2, 20)))
            for taken, (cursor, _) in zip(found, cursors, strict=True):
                taken += read_on(cursor, tiny)
        for taken, (_, selector) in zip(found, cursors, strict=True):
            assert taken == expected(store, selector, 0)


async def test_a_cursor_from_now_on_passes_over_what_is_there() -> None:
    async with memory_store() as store:
        await write(store, "s", event_of(), event_of())
        of_all = cursor_of(store, compile_selector(by_stream()), None)
        of_stream = cursor_of(store, compile_selector(by_stream("s")), None)
        of_new = cursor_of(store, compile_selector(by_stream("new")), None)
        assert (of_all.next, of_stream.next, of_new.next) == (3, 2, 0)
        assert of_all.page(9) is of_stream.page(9) is of_new.page(9) is None
        await write(store, "s", event_of())
        assert [len(cursor.page(9) or []) for cursor in (of_all, of_stream, of_new)] == [1, 1, 0]


@pytest.mark.parametrize("selector", [by_stream("s"), by_event_type("T")], ids=["stream", "store"])
async def test_what_was_given_and_was_looked_at_already_is_passed_over(selector: Selector) -> None:
    """An event may be read from the file, and wait to be taken as well."""
    async with memory_store() as store:
        await write(store, "s", event_of(), event_of("U"), event_of())
        given = store.tail.after(0, 9) or []
        cursor = cursor_of(store, compile_selector(selector), 0)
        matcher = compile_selector(selector)
        assert cursor.pass_by(given[:1]).matching == given[:1]
        assert cursor.pass_by(given).matching == [event for event in given[1:] if matcher.accepts(event)]
        assert cursor.pass_by(given).matching == cursor.pass_by([]).matching == []
        assert cursor.page(9) is None


async def test_a_store_cursor_can_be_told_that_all_was_looked_at() -> None:
    async with memory_store() as store:
        await write(store, "s", *[event_of() for _ in range(5)])
        of_store = cursor_of(store, compile_selector(by_event_type("Rare")), 0)
        of_stream = cursor_of(store, compile_selector(by_stream("other")), 0)
        for cursor in (of_store, of_stream):
            cursor.pass_all(5)
        assert (of_store.next, of_stream.next) == (6, 0)


@pytest.mark.parametrize(
    ("selector", "kind"),
    [
        (by_stream("a"), StreamCursor),
        (by_stream("a") & by_event_type("T"), StreamCursor),
        (by_stream(), StoreCursor),
        (stream_prefix("a"), StoreCursor),
        (any_of(by_stream("a"), by_stream("b")), StoreCursor),
    ],
)
async def test_one_stream_is_read_by_itself(selector: Selector, kind: type[Any]) -> None:
    async with memory_store() as store:
        assert type(cursor_of(store, compile_selector(selector), 0)) is kind


async def test_a_rare_type_is_read_through_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand events of another type are not looked at one by one."""
    monkeypatch.setattr("gater.store.tail.MOST_EVENTS", 5)
    async with memory_store() as store:
        await write(store, "s", event_of("Rare"))
        await write(store, "s", *[event_of("Common") for _ in range(1_000)])
        await write(store, "s", event_of("Rare"))
        await write(store, "s", *[event_of("Common") for _ in range(1_000)])
        looked_at: list[int] = []

        def accept(event: EventRow) -> bool:
            looked_at.append(event[2])
            return True

        matcher = compile_selector(by_event_type("Rare"))
        cursor = StoreCursor(store, type(matcher)(matcher.selector, accept, types=matcher.types), 0)
        assert [event[2] for event in cursor.page(100) or []] == [1, 1_002]
        assert looked_at == [1, 1_002]
        assert cursor.next == 2_003


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: str(selector.to_plain()))
async def test_a_cursor_that_begins_beyond_the_end_stays_there(selector: Selector) -> None:
    async with memory_store() as store:
        await write(store, "a-1", event_of())
        cursor = cursor_of(store, compile_selector(selector), 5)
        cursor.pass_all(store.tail.given)
        assert cursor.pass_by(store.tail.after(0, 9) or []).matching == []
        assert (cursor.next, cursor.page(9)) == (5, None)
