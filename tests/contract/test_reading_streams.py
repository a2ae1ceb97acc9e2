"""Reading one stream: starts, counts, directions, page bounds, lazy streams."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from gater import GaterApi, InvalidArgumentError, InvalidCountError, InvalidStartVersionError, NewEvent
from tests.contract.samples import all_of, first_of, numbered, numbers, refused, versions

LARGEST = (1 << 63) - 1


async def fill(api: GaterApi, store: str, count: int, stream: str = "s") -> None:
    for first in range(0, count, 500):
        await api.append_events(store, stream, numbered(min(500, count - first), first=first))


READS: list[tuple[int | None, int | None, str, list[int]]] = [
    (0, 100, "forward", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (0, 1, "forward", [0]),
    (0, 10, "forward", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (3, 4, "forward", [3, 4, 5, 6]),
    (8, 5, "forward", [8, 9]),
    (9, 1, "forward", [9]),
    (10, 5, "forward", []),
    (LARGEST, LARGEST, "forward", []),
    (0, LARGEST, "forward", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (9, 100, "backward", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    (9, 3, "backward", [9, 8, 7]),
    (2, 10, "backward", [2, 1, 0]),
    (0, 1, "backward", [0]),
    (0, LARGEST, "backward", [0]),
    (11, 3, "backward", [9, 8, 7]),
    (15, 1, "backward", [9]),
    (LARGEST, 10, "backward", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    (LARGEST, LARGEST, "backward", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    (None, None, "forward", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    (None, 2, "forward", [0, 1]),
    (7, None, "forward", [7, 8, 9]),
    (None, None, "backward", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
    (None, 2, "backward", [9, 8]),
    (2, None, "backward", [2, 1, 0]),
]


async def test_a_read_gives_events_from_its_start_on(api: GaterApi, store: str) -> None:
    await fill(api, store, 10)
    await fill(api, store, 5, "other")
    for start, count, direction, expected in READS:
        wanted: Any = direction
        events = await api.get_events(store, "s", start, count, wanted)
        assert versions(events) == numbers(events) == expected, (start, count, direction)
        stream = api.stream_forward if direction == "forward" else api.stream_backward
        assert versions(await all_of(stream(store, "s", start, count))) == expected, (start, count, direction)


async def test_direction_start_and_count_have_defaults(api: GaterApi, store: str) -> None:
    await fill(api, store, 150)
    assert versions(await api.get_events(store, "s")) == list(range(150))
    assert versions(await api.get_events(store, "s", 100)) == list(range(100, 150))
    assert versions(await api.get_events(store, "s", direction="backward")) == list(range(149, -1, -1))
    assert versions(await all_of(api.stream_forward(store, "s"))) == list(range(150))
    assert versions(await all_of(api.stream_backward(store, "s"))) == list(range(149, -1, -1))


async def test_an_unknown_stream_reads_empty(api: GaterApi, store: str) -> None:
    await fill(api, store, 1, "other")
    assert await api.get_events(store, "s") == []
    assert await api.get_events(store, "s", 5, 5, "backward") == []
    assert await all_of(api.stream_forward(store, "s")) == []
    assert await all_of(api.stream_backward(store, "s")) == []
    assert await api.get_version(store, "s") == -1


async def test_reads_longer_than_a_page_are_whole(api: GaterApi, store: str) -> None:
    await fill(api, store, 2_500)
    assert versions(await api.get_events(store, "s", 0, 10_000)) == list(range(2_500))
    assert versions(await api.get_events(store, "s", 10, 2_001)) == list(range(10, 2_011))
    assert versions(await api.get_events(store, "s", 0, 1_000)) == list(range(1_000))
    assert versions(await api.get_events(store, "s", 2_499, 10_000, "backward")) == list(range(2_499, -1, -1))
    assert versions(await api.get_events(store, "s", 2_400, 2_001, "backward")) == list(range(2_400, 399, -1))
    assert versions(await all_of(api.stream_forward(store, "s", 1, 2_300))) == list(range(1, 2_301))
    assert versions(await all_of(api.stream_backward(store, "s"))) == list(range(2_499, -1, -1))
    assert versions(await all_of(api.stream_backward(store, "s", 2_000, 1_500))) == list(range(2_000, 500, -1))


async def test_reads_of_large_events_are_whole(api: GaterApi, store: str) -> None:
    sizes = [1 << 20, 1, 600_000, 600_000, (1 << 20) - 1, 1 << 20, 5]
    for number, size in enumerate(sizes):
        await api.append_events(store, "s", [NewEvent("Large", bytes([number]) * size)])
    for events in (await api.get_events(store, "s"), await all_of(api.stream_forward(store, "s"))):
        assert [(len(event.data), event.data[0]) for event in events] == [(s, n) for n, s in enumerate(sizes)]
    backward = await api.get_events(store, "s", 6, 7, "backward")
    assert [len(event.data) for event in backward] == sizes[::-1]
    assert [len(event.data) for event in await api.read_all(store)] == sizes


async def test_reads_of_large_metadata_are_whole(api: GaterApi, store: str) -> None:
    for number in range(5):
        await api.append_events(store, "s", [NewEvent("Large", None, {"n": number, "text": "x" * 1_000_000})])
    assert [event.metadata["n"] for event in await api.get_events(store, "s")] == [0, 1, 2, 3, 4]
    assert [event.metadata["n"] for event in await first_of(api.subscribe(store), 5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("compacted", [False, True])
async def test_a_read_begins_at_the_first_event_that_is_there(api: GaterApi, store: str, compacted: bool) -> None:
    await fill(api, store, 300)
    await fill(api, store, 1, "other")
    await api.truncate_stream(store, "s", 250)
    if compacted:
        await api.compact_store(store)
    kept = list(range(250, 300))
    for start in (None, 0, 100, 250):
        assert versions(await api.get_events(store, "s", start)) == kept
        assert versions(await api.get_events(store, "s", start, 50)) == kept
        assert versions(await api.get_events(store, "s", start, 3)) == [250, 251, 252]
        assert versions(await all_of(api.stream_forward(store, "s", start, 3))) == [250, 251, 252]
    assert versions(await api.get_events(store, "s", 400, 2, "backward")) == [299, 298]
    assert versions(await api.get_events(store, "s", 251, 10, "backward")) == [251, 250]
    assert await api.get_events(store, "s", 249, 10, "backward") == []
    assert versions(await all_of(api.stream_backward(store, "s", 400, 2))) == [299, 298]
    assert versions(await api.read_all(store, 0, 2)) == [250, 251]
    await api.delete_stream(store, "s")
    assert await api.get_events(store, "s") == await api.get_events(store, "s", direction="backward") == []
    await api.append_events(store, "s", numbered(2))
    assert versions(await api.get_events(store, "s", count=1)) == [300]
    assert versions(await api.get_events(store, "s", direction="backward")) == [301, 300]


async def test_a_stream_can_be_left_early(api: GaterApi, store: str) -> None:
    await fill(api, store, 2_500)
    assert versions(await first_of(api.stream_forward(store, "s"), 3)) == [0, 1, 2]
    assert versions(await first_of(api.stream_backward(store, "s"), 3)) == [2_499, 2_498, 2_497]
    assert versions(await first_of(api.stream_forward(store, "s"), 1_001)) == list(range(1_001))
    await api.append_events(store, "s", numbered(1))


async def test_a_stream_reads_as_it_is_asked(api: GaterApi, store: str) -> None:
    """It is lazy: what is written while it is read is read as well."""
    await fill(api, store, 3_000)
    seen = []
    async with aclosing(api.stream_forward(store, "s")) as events:
        async for event in events:
            seen.append(event.version)
            if event.version == 0:
                await api.append_events(store, "s", numbered(1))
    assert seen[:3_000] == list(range(3_000))
    assert seen[3_000:] in ([], [3_000])


async def test_many_streams_can_be_read_at_once(api: GaterApi, store: str) -> None:
    for number in range(5):
        await fill(api, store, 30, f"s-{number}")
    readers = [api.stream_forward(store, f"s-{number}") for number in range(5)]
    for version in range(30):
        for reader in readers:
            assert (await anext(reader)).version == version
    for reader in readers:
        assert await anext(reader, None) is None


@pytest.mark.parametrize("start", [-1, -2, -100, 1 << 63, 1 << 100, 1.5, 1.0, "0", "", True, [1]])
async def test_a_start_that_is_no_version_is_refused(api: GaterApi, store: str, start: Any) -> None:
    for direction in ("forward", "backward"):
        with refused(InvalidStartVersionError, value=start):
            await api.get_events(store, "s", start, 10, direction)
    with refused(InvalidStartVersionError, value=start):
        await anext(api.stream_forward(store, "s", start))
    with refused(InvalidStartVersionError, value=start):
        await anext(api.stream_backward(store, "s", start))


@pytest.mark.parametrize("count", [0, -1, 1 << 63, 2.5, "10", True])
async def test_a_count_below_one_is_refused(api: GaterApi, store: str, count: Any) -> None:
    for direction in ("forward", "backward"):
        with refused(InvalidCountError, value=count):
            await api.get_events(store, "s", 0, count, direction)
    with refused(InvalidCountError, value=count):
        await anext(api.stream_forward(store, "s", 0, count))
    with refused(InvalidCountError, value=count):
        await anext(api.stream_backward(store, "s", 0, count))
    with refused(InvalidCountError, value=count):
        await api.read_all(store, 0, count)


async def test_start_is_checked_before_count(api: GaterApi, store: str) -> None:
    with refused(InvalidStartVersionError, value=-1):
        await api.get_events(store, "s", -1, 0)


@pytest.mark.parametrize("direction", ["", "up", "FORWARD", None, 1])
async def test_an_unknown_direction_is_refused(api: GaterApi, store: str, direction: Any) -> None:
    with refused(InvalidArgumentError, argument="direction"):
        await api.get_events(store, "s", 0, 10, direction)
    with refused(InvalidArgumentError, argument="direction"):
        await api.read_all(store, 0, 10, direction)


@pytest.mark.parametrize("stream", ["$settings", "$all"])
async def test_reserved_streams_can_be_read_but_not_written(api: GaterApi, store: str, stream: str) -> None:
    assert await api.get_events(store, stream) == []
    assert await api.get_version(store, stream) == -1
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.append_events(store, stream, numbered(1))
