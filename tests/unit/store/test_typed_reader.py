"""Reading by type: the same events as looking at every one of them, in either direction, page after page."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from gater.model.commands import DeleteStream, TruncateStream
from gater.model.events import EventRow
from gater.store import typed_reader
from gater.store.reader import Page
from gater.store.store import Store
from tests.unit.store.stores import event_of, memory_store, write

TYPES = "ABCDE"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of four positions, three blocks and five events a page: every bound is met all the time."""
    monkeypatch.setattr("gater.store.type_index.BLOCK_SHIFT", 2)
    monkeypatch.setattr(typed_reader, "BLOCK_SHIFT", 2)
    monkeypatch.setattr(typed_reader, "BLOCKS", 3)
    monkeypatch.setattr("gater.store.reader.PAGE_EVENTS", 5)


async def fill(store: Store, rng: random.Random) -> None:
    """Runs of types, so that some are in many blocks and some in few; some streams are hidden again."""
    while store.tail.position < 200:
        kind = rng.choices(TYPES, [20, 10, 5, 2, 1])[0]
        events = [event_of(rng.choice((kind, kind, "A"))) for _ in range(rng.choice((1, 3, 9)))]
        await write(store, f"s-{rng.randrange(6)}", *events)
    await store.run(TruncateStream("s-1", rng.randrange(20)))
    await store.run(DeleteStream("s-2"))
    if rng.random() < 0.5:
        await store.compact()


def everything(store: Store) -> list[EventRow]:
    found: list[EventRow] = []
    cursor: int | None = 0
    while cursor is not None:
        page = store.reader.read_all(cursor, 100, store.tail.position)
        found += page.events
        cursor = page.next
    return found


def pages_forward(store: Store, types: set[str], after: int, count: int, head: int) -> Iterator[Page]:
    cursor: int | None = after
    while cursor is not None:
        page = store.reader.read_types(types, cursor, count, head)
        assert page.next is None or page.next > cursor
        yield page
        cursor = page.next


def pages_backward(store: Store, types: set[str], before: int, count: int) -> Iterator[Page]:
    cursor: int | None = before
    while cursor is not None:
        page = store.reader.read_types_backward(types, cursor, count)
        assert page.next is None or page.next < cursor
        yield page
        cursor = page.next


@pytest.mark.parametrize("seed", range(12))
async def test_it_agrees_with_looking_at_every_event(seed: int) -> None:
    rng = random.Random(seed)
    async with memory_store() as store:
        await fill(store, rng)
        everyone, last = everything(store), store.tail.position
        for _ in range(60):
            types = set(rng.sample([*TYPES, "unheard"], rng.randrange(1, 4)))
            at, count, head = rng.randrange(last + 5), rng.randrange(1, 9), rng.choice((last, rng.randrange(1, last)))
            forward = [event for page in pages_forward(store, types, at, count, head) for event in page.events]
            assert forward == [event for event in everyone if at < event[2] <= head and event[4] in types]
            backward = [event for page in pages_backward(store, types, at, count) for event in page.events]
            assert backward == [event for event in everyone[::-1] if event[2] < at and event[4] in types]


async def test_a_page_holds_no_more_than_was_asked_for() -> None:
    async with memory_store() as store:
        await write(store, "s", *[event_of("A") for _ in range(30)])
        for count, size in ((1, 1), (4, 4), (5, 5), (30, 5)):
            assert len(store.reader.read_types({"A"}, 0, count, 30).events) == size
            assert len(store.reader.read_types_backward({"A"}, 31, count).events) == size


async def test_a_rare_type_is_found_without_reading_what_lies_between() -> None:
    async with memory_store() as store:
        await write(store, "s", event_of("Rare"))
        await write(store, "s", *[event_of("A") for _ in range(400)])
        await write(store, "s", event_of("Rare"))
        assert [event[2] for event in store.reader.read_types({"Rare"}, 0, 5, 402).events] == [1, 402]
        assert [event[2] for event in store.reader.read_types_backward({"Rare"}, 403, 5).events] == [402, 1]


async def test_a_type_that_was_never_written_is_nowhere() -> None:
    async with memory_store() as store:
        assert store.reader.read_types({"A"}, 0, 5, 0) == Page([], None)
        await write(store, "s", event_of("A"))
        assert store.reader.read_types({"B"}, 0, 5, 1) == Page([], None)
        assert store.reader.read_types_backward({"B"}, 2, 5) == Page([], None)
        assert store.reader.read_types({"A"}, 1, 5, 1) == Page([], None)
        assert store.reader.read_types({"A"}, 99, 5, 1) == Page([], None)
