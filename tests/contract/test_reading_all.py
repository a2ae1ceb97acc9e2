"""Reading a whole store in commit order."""

from __future__ import annotations

from typing import Any

import pytest

from gater import GaterApi, InvalidArgumentError, StoreNotFoundError, StreamAppend
from tests.contract.samples import all_of, first_of, numbered, positions, refused

LARGEST = (1 << 63) - 1


async def fill(api: GaterApi, store: str, count: int) -> None:
    for first in range(0, count, 500):
        await api.append_events(store, f"s-{first // 500}", numbered(min(500, count - first), first=first))


SPANS: list[tuple[int | None, int, str, list[int]]] = [
    (0, 100, "forward", [1, 2, 3, 4, 5, 6, 7]),
    (0, 3, "forward", [1, 2, 3]),
    (3, 2, "forward", [4, 5]),
    (6, 5, "forward", [7]),
    (7, 5, "forward", []),
    (100, 5, "forward", []),
    (LARGEST, LARGEST, "forward", []),
    (0, LARGEST, "forward", [1, 2, 3, 4, 5, 6, 7]),
    (None, 100, "backward", [7, 6, 5, 4, 3, 2, 1]),
    (None, 2, "backward", [7, 6]),
    (7, 2, "backward", [6, 5]),
    (8, 2, "backward", [7, 6]),
    (100, 2, "backward", [7, 6]),
    (LARGEST, LARGEST, "backward", [7, 6, 5, 4, 3, 2, 1]),
    (2, 5, "backward", [1]),
    (1, 5, "backward", []),
    (0, 5, "backward", []),
]


async def test_after_is_exclusive(api: GaterApi, store: str) -> None:
    await fill(api, store, 7)
    for after, count, direction, expected in SPANS:
        assert positions(await api.read_all(store, after, count, direction)) == expected, (after, count, direction)
        if count >= 100:
            assert positions(await all_of(api.stream_all(store, after, direction))) == expected, (after, direction)


async def test_an_empty_store_reads_empty(api: GaterApi, store: str) -> None:
    assert await api.read_all(store) == []
    assert await api.read_all(store, None, 10, "backward") == []
    assert await all_of(api.stream_all(store)) == []
    assert await all_of(api.stream_all(store, None, "backward")) == []


async def test_reads_longer_than_a_page_are_whole(api: GaterApi, store: str) -> None:
    await fill(api, store, 2_500)
    assert positions(await api.read_all(store, 0, 10_000)) == list(range(1, 2_501))
    assert positions(await api.read_all(store, 100, 2_001)) == list(range(101, 2_102))
    assert positions(await api.read_all(store, None, 10_000, "backward")) == list(range(2_500, 0, -1))
    assert positions(await api.read_all(store, 2_400, 2_001, "backward")) == list(range(2_399, 398, -1))
    assert positions(await all_of(api.stream_all(store, 17))) == list(range(18, 2_501))
    assert positions(await all_of(api.stream_all(store, None, "backward"))) == list(range(2_500, 0, -1))
    assert positions(await first_of(api.stream_all(store), 1_001)) == list(range(1, 1_002))


async def test_a_long_run_of_hidden_events_is_passed_over(api: GaterApi, store: str) -> None:
    await api.append_events(store, "kept", numbered(2))
    for _ in range(21):
        await api.append_streams(store, [StreamAppend("hidden", numbered(1_000))])
    await api.append_events(store, "kept", numbered(2))
    await api.delete_stream(store, "hidden")
    kept = [1, 2, 21_003, 21_004]
    assert positions(await api.read_all(store, 0, 100)) == kept
    assert positions(await api.read_all(store, 2, 1)) == [21_003]
    assert positions(await api.read_all(store, None, 100, "backward")) == kept[::-1]
    assert positions(await api.read_all(store, 21_003, 1, "backward")) == [2]
    assert positions(await all_of(api.stream_all(store))) == kept
    assert positions(await all_of(api.stream_all(store, None, "backward"))) == kept[::-1]
    assert positions(await first_of(api.subscribe(store), 4)) == kept


async def test_a_stream_of_all_ends_where_the_store_ends(api: GaterApi, store: str) -> None:
    await fill(api, store, 1_200)
    seen = []
    async for event in api.stream_all(store):
        seen.append(event.position)
        if len(seen) < 50:
            await api.append_events(store, "more", numbered(1))
    assert seen == list(range(1, len(seen) + 1))
    assert 1_200 <= len(seen) <= 1_250


async def test_reads_wait_for_the_position_they_name(api: GaterApi, store: str) -> None:
    result = await api.append_events(store, "s", numbered(3))
    assert positions(await api.read_all(store, after_position=result.position)) == [1, 2, 3]
    assert positions(await all_of(api.stream_all(store, after_position=result.position))) == [1, 2, 3]
    assert await api.get_version(store, "s", after_position=3) == 2
    for value in (-1, 1 << 63, "3", 1.0, True):
        wrong: Any = value
        with refused(InvalidArgumentError, argument="after_position"):
            await api.read_all(store, after_position=wrong)


@pytest.mark.parametrize("after", [-1, 1 << 63, "0", 1.5, True])
async def test_an_after_that_is_no_position_is_refused(api: GaterApi, store: str, after: Any) -> None:
    for direction in ("forward", "backward"):
        with refused(InvalidArgumentError, argument="after"):
            await api.read_all(store, after, 10, direction)
        with refused(InvalidArgumentError, argument="after"):
            await anext(api.stream_all(store, after, direction))


async def test_reads_without_a_start_or_count_are_whole(api: GaterApi, store: str) -> None:
    await fill(api, store, 150)
    assert positions(await api.read_all(store)) == list(range(1, 151))
    assert positions(await api.read_all(store, 100)) == list(range(101, 151))
    assert positions(await api.read_all(store, count=2)) == [1, 2]
    assert positions(await api.read_all(store, direction="backward")) == list(range(150, 0, -1))
    assert positions(await api.read_all(store, selector={"by_stream": "$all"})) == list(range(1, 151))
    assert positions(await all_of(api.stream_all(store, direction="backward"))) == list(range(150, 0, -1))


async def test_an_unknown_store_is_refused(api: GaterApi) -> None:
    with refused(StoreNotFoundError, store="nowhere"):
        await api.read_all("nowhere")
    with refused(StoreNotFoundError, store="nowhere"):
        await anext(api.stream_all("nowhere"))
