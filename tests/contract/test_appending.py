"""Appending to one stream: versions, positions, what an event holds, and concurrent writers."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, timedelta
from uuid import UUID

import pytest

from gater import (
    ANY,
    NO_STREAM,
    EventTooLargeError,
    GaterApi,
    InvalidArgumentError,
    NewEvent,
    StreamAppend,
    WrongExpectedVersionError,
)
from tests.contract.samples import numbered, numbers, positions, refused, versions
from tests.contract.ways import Http, Way


async def test_first_event_has_version_zero_and_position_one(api: GaterApi, store: str, way: Way) -> None:
    result = await api.append_events(store, "order-1", numbered(1))
    assert (result.version, result.position, result.durability) == (0, 1, way.durability)
    (event,) = await api.get_events(store, "order-1")
    assert (event.version, event.position) == (0, 1)


async def test_appending_n_events_at_version_v_answers_v_plus_n(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", numbered(3))
    result = await api.append_events(store, "order-1", numbered(4, first=3), 2)
    assert (result.version, result.position) == (6, 7)
    events = await api.get_events(store, "order-1")
    assert versions(events) == numbers(events) == list(range(7))
    assert await api.get_version(store, "order-1") == 6


async def test_positions_count_over_all_streams_of_a_store(api: GaterApi, store: str) -> None:
    assert (await api.append_events(store, "a", numbered(2))).position == 2
    assert (await api.append_events(store, "b", numbered(3))).position == 5
    assert (await api.append_events(store, "a", numbered(1))).position == 6
    assert [(e.stream_id, e.version) for e in await api.read_all(store)] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
        ("b", 2),
        ("a", 2),
    ]


async def test_a_stream_comes_into_being_with_its_first_append(api: GaterApi, store: str) -> None:
    assert await api.get_streams(store) == []
    assert await api.get_version(store, "order-1") == -1
    await api.append_events(store, "order-1", numbered(1))
    assert await api.get_streams(store) == ["order-1"]


@pytest.mark.parametrize("expected", [ANY, NO_STREAM])
async def test_appending_nothing_to_an_unknown_stream_writes_nothing(api: GaterApi, store: str, expected: int) -> None:
    await api.append_events(store, "other", numbered(2))
    result = await api.append_events(store, "order-1", [], expected)
    assert (result.version, result.position) == (-1, 2)
    assert await api.get_streams(store) == ["other"]


async def test_appending_nothing_answers_the_current_version(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", numbered(3))
    await api.append_events(store, "other", numbered(2))
    result = await api.append_events(store, "order-1", [])
    assert (result.version, result.position) == (2, 5)
    assert (await api.append_events(store, "order-1", [], 2)).version == 2
    assert len(await api.read_all(store)) == 5


async def test_appending_nothing_still_checks_the_expected_version(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", numbered(3))
    with refused(WrongExpectedVersionError, stream_id="order-1", expected=1, actual=2):
        await api.append_events(store, "order-1", [], 1)


async def test_a_plain_mapping_is_an_event_and_gets_a_time_ordered_id(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", [{"event_type": "OrderPlaced", "data": {"total": 12}}])
    (event,) = await api.get_events(store, "order-1")
    assert event.event_type == "OrderPlaced"
    assert event.data == {"total": 12}
    assert event.metadata == {}
    assert event.content_type == "application/json"
    assert event.event_id.version == 7


async def test_an_event_holds_what_was_appended(api: GaterApi, store: str) -> None:
    event_id = UUID("018f3f5c-0000-7000-8000-000000000001")
    before = time.time_ns() // 1_000
    new = NewEvent("OrderPlaced:v1", {"total": 12}, metadata={"user": "Zoë"}, event_id=event_id)
    await api.append_events(store, "order-1", [*numbered(1), new])
    after = time.time_ns() // 1_000
    event = (await api.get_events(store, "order-1", 1))[0]
    assert event.stream_id == "order-1"
    assert event.version == 1
    assert event.position == 2
    assert event.event_id == event_id
    assert event.event_type == "OrderPlaced:v1"
    assert event.data == {"total": 12}
    assert event.metadata == {"user": "Zoë"}
    assert before <= event.created_epoch <= after
    assert event.created.tzinfo is UTC
    assert event.created.timestamp() == pytest.approx(event.created_epoch / 1e6, abs=1e-3)
    assert event.created.utcoffset() == timedelta(0)


async def test_a_batch_is_appended_whole_or_not_at_all(api: GaterApi, store: str) -> None:
    too_large = NewEvent("Counted", b"x" * ((1 << 20) + 1))
    with refused(EventTooLargeError, size=(1 << 20) + 1, limit=1 << 20):
        await api.append_events(store, "order-1", [*numbered(2), too_large])
    assert await api.get_version(store, "order-1") == -1
    assert await api.read_all(store) == []


async def test_appends_without_expected_version_never_conflict(api: GaterApi, store: str) -> None:
    results = await asyncio.gather(*[api.append_events(store, "order-1", numbered(2, first=2 * n)) for n in range(50)])
    assert sorted(result.version for result in results) == list(range(1, 100, 2))
    events = await api.get_events(store, "order-1")
    assert versions(events) == positions(events) == list(range(100)) or positions(events) == list(range(1, 101))
    assert sorted(numbers(events)) == list(range(100))
    # Every append stands there in one piece, where its answer said.
    assert all(low + 1 == high for low, high in zip(numbers(events)[::2], numbers(events)[1::2], strict=True))
    assert [numbers(events)[result.version] for result in results] == list(range(1, 100, 2))


async def test_of_concurrent_appends_at_one_version_exactly_one_succeeds(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", numbered(1))
    outcomes = await asyncio.gather(
        *[api.append_events(store, "order-1", numbered(1, first=n), 0) for n in range(1, 20)], return_exceptions=True
    )
    lost = [outcome for outcome in outcomes if isinstance(outcome, WrongExpectedVersionError)]
    assert len(lost) == 18
    assert {(error.expected, error.actual) for error in lost} == {(0, 1)}
    assert await api.get_version(store, "order-1") == 1


async def test_streams_written_at_the_same_time_share_gapless_positions(api: GaterApi, store: str) -> None:
    async def write(stream: str) -> None:
        for n in range(10):
            await api.append_events(store, stream, numbered(3, first=3 * n), 3 * n - 1)

    await asyncio.gather(*[write(f"order-{n}") for n in range(8)])
    events = await api.read_all(store, count=1_000)
    assert positions(events) == list(range(1, 241))
    for n in range(8):
        assert numbers([e for e in events if e.stream_id == f"order-{n}"]) == list(range(30))


async def test_one_stream_takes_mixed_concurrent_work(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", numbered(1))
    work = []
    for n in range(1, 21):
        work += [
            api.append_events(store, "order-1", numbered(1, first=n)),
            api.get_events(store, "order-1"),
            api.get_version(store, "order-1"),
            api.get_streams(store),
        ]
    outcomes = await asyncio.gather(*work)
    for read, version, streams in zip(outcomes[1::4], outcomes[2::4], outcomes[3::4], strict=True):
        assert versions(read) == list(range(len(read)))
        assert 0 <= version <= 20
        assert streams == ["order-1"]
    assert await api.get_version(store, "order-1") == 20


async def test_an_answered_append_is_read_at_once(api: GaterApi, store: str) -> None:
    for n in range(30):
        result = await api.append_events(store, "order-1", numbered(1, first=n))
        assert await api.get_version(store, "order-1") == result.version
        assert numbers(await api.read_all(store, result.position - 1)) == [n]


async def test_a_read_waits_for_the_position_it_names(api: GaterApi, store: str) -> None:
    read = asyncio.ensure_future(api.get_events(store, "order-1", after_position=3))
    await api.append_events(store, "other", numbered(2))
    assert not read.done()
    await api.append_events(store, "order-1", numbered(1))
    assert versions(await read) == [0]


async def test_a_generator_that_was_used_up_is_refused(api: GaterApi, store: str, way: Way) -> None:
    if isinstance(way, Http):
        pytest.skip("over HTTP events are a list")
    events = (NewEvent("T", number) for number in range(2))
    await api.append_events(store, "s", events)
    for again in (
        lambda: api.append_events(store, "s", events),
        lambda: api.append_streams(store, [StreamAppend("s", events)]),
        lambda: api.import_events(store, iter(())),
    ):
        with refused(InvalidArgumentError, argument="events"):
            await again()
    assert await api.get_version(store, "s") == 1
