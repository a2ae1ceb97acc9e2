"""Deleting, closing and truncating streams, and getting their space back."""

from __future__ import annotations

from typing import Any

import pytest

from gater import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    DuplicateEventError,
    GaterApi,
    InvalidArgumentError,
    InvalidStartVersionError,
    StoreNotFoundError,
    StreamDeletedError,
    WrongExpectedVersionError,
)
from tests.contract.samples import all_of, first_of, numbered, positions, refused, versions


async def visible(api: GaterApi, store: str, stream: str = "s") -> list[int]:
    """The versions of a stream that readers see, which every kind of read must agree on."""
    events = await api.get_events(store, stream, 0, 1_000)
    assert await all_of(api.stream_forward(store, stream)) == events
    assert await all_of(api.stream_backward(store, stream)) == events[::-1]
    assert [e for e in await api.read_all(store, 0, 10_000) if e.stream_id == stream] == events
    assert [e for e in await api.read_all(store, None, 10_000, "backward") if e.stream_id == stream] == events[::-1]
    return versions(events)


async def test_a_deleted_stream_reads_empty_and_keeps_its_version(api: GaterApi, store: str) -> None:
    await api.append_events(store, "other", numbered(1))
    await api.append_events(store, "s", numbered(3))
    result = await api.delete_stream(store, "s")
    assert (result.version, result.position) == (2, 4)
    assert await visible(api, store) == []
    assert await api.get_version(store, "s") == 2
    assert await visible(api, store, "other") == [0]


@pytest.mark.parametrize("expected", [2, NO_STREAM, ANY])
async def test_an_append_revives_a_deleted_stream_behind_its_version(api: GaterApi, store: str, expected: int) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.delete_stream(store, "s")
    result = await api.append_events(store, "s", numbered(2), expected)
    assert (result.version, result.position) == (4, 5)
    assert await visible(api, store) == [3, 4]
    assert (await api.append_events(store, "s", numbered(1), STREAM_EXISTS)).version == 5


async def test_deleting_checks_the_expected_version(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    for tombstone in (False, True):
        with refused(WrongExpectedVersionError, stream_id="s", expected=1, actual=2):
            await api.delete_stream(store, "s", 1, tombstone=tombstone)
        with refused(WrongExpectedVersionError, stream_id="s", expected=NO_STREAM, actual=2):
            await api.delete_stream(store, "s", NO_STREAM, tombstone=tombstone)
    assert await visible(api, store) == [0, 1, 2]
    await api.delete_stream(store, "s", STREAM_EXISTS)
    with refused(WrongExpectedVersionError, expected=STREAM_EXISTS, actual=2):
        await api.delete_stream(store, "s", STREAM_EXISTS)


async def test_deleting_twice_is_deleting_once(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    first = await api.delete_stream(store, "s")
    assert await api.delete_stream(store, "s", 2) == first
    assert (await api.append_events(store, "s", numbered(1))).version == 3


async def test_deleting_an_unknown_stream_changes_nothing(api: GaterApi, store: str) -> None:
    assert (await api.delete_stream(store, "s")).version == -1
    with refused(WrongExpectedVersionError, expected=0, actual=-1):
        await api.delete_stream(store, "s", 0)
    assert (await api.append_events(store, "s", numbered(1), NO_STREAM)).version == 0
    assert await visible(api, store) == [0]


async def test_a_tombstoned_stream_is_closed_for_good(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    assert (await api.delete_stream(store, "s", tombstone=True)).version == 2
    assert await visible(api, store) == []
    for expected in (ANY, NO_STREAM, STREAM_EXISTS, 2):
        with refused(StreamDeletedError, stream_id="s"):
            await api.append_events(store, "s", numbered(1), expected)
    with refused(StreamDeletedError, stream_id="s"):
        await api.delete_stream(store, "s")
    with refused(StreamDeletedError, stream_id="s"):
        await api.truncate_stream(store, "s", 1)
    assert (await api.delete_stream(store, "s", tombstone=True)).version == 2
    await api.compact_store(store)
    with refused(StreamDeletedError, stream_id="s"):
        await api.append_events(store, "s", numbered(1))


async def test_a_stream_can_be_closed_before_it_is_written(api: GaterApi, store: str) -> None:
    assert (await api.delete_stream(store, "s", tombstone=True)).version == -1
    with refused(StreamDeletedError, stream_id="s"):
        await api.append_events(store, "s", numbered(1))
    assert await api.get_streams(store) == []
    assert await api.get_version(store, "s") == -1


async def test_a_deleted_stream_can_be_closed(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    await api.delete_stream(store, "s")
    await api.delete_stream(store, "s", tombstone=True)
    with refused(StreamDeletedError, stream_id="s"):
        await api.append_events(store, "s", numbered(1))


async def test_truncation_hides_what_is_older(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(6))
    result = await api.truncate_stream(store, "s", 4)
    assert (result.version, result.position) == (5, 6)
    assert await visible(api, store) == [4, 5]
    assert await api.get_version(store, "s") == 5
    assert versions(await api.get_events(store, "s", 0, 1)) == [4]
    assert versions(await api.get_events(store, "s", 0, 4)) == [4, 5]
    assert versions(await api.get_events(store, "s", 5, 100, "backward")) == [5, 4]


async def test_truncation_never_brings_back(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(6))
    await api.truncate_stream(store, "s", 4)
    await api.truncate_stream(store, "s", 2)
    await api.truncate_stream(store, "s", 0)
    assert await visible(api, store) == [4, 5]


async def test_truncating_everything_keeps_the_stream(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.truncate_stream(store, "s", (1 << 63) - 1)
    assert await visible(api, store) == []
    assert await api.get_streams(store) == ["s"]
    assert (await api.append_events(store, "s", numbered(1), 2)).version == 3
    assert await visible(api, store) == [3]


async def test_truncating_an_unknown_stream_changes_nothing(api: GaterApi, store: str) -> None:
    assert (await api.truncate_stream(store, "s", 5)).version == -1
    await api.append_events(store, "s", numbered(3))
    assert await visible(api, store) == [0, 1, 2]


async def test_truncating_a_revived_stream_hides_only_more(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.delete_stream(store, "s")
    await api.truncate_stream(store, "s", 1)
    await api.append_events(store, "s", numbered(3))
    await api.truncate_stream(store, "s", 2)
    assert await visible(api, store) == [3, 4, 5]
    await api.truncate_stream(store, "s", 4)
    assert await visible(api, store) == [4, 5]


@pytest.mark.parametrize("before", [-1, 1.5, "2", True, None, 1 << 63])
async def test_truncation_takes_a_version(api: GaterApi, store: str, before: Any) -> None:
    with refused(InvalidStartVersionError, value=before):
        await api.truncate_stream(store, "s", before)


async def test_what_is_hidden_is_hidden_from_subscriptions_too(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(4))
    await api.append_events(store, "gone", numbered(3))
    await api.append_events(store, "closed", numbered(2))
    await api.append_events(store, "end", numbered(1))
    await api.truncate_stream(store, "s", 2)
    await api.delete_stream(store, "gone")
    await api.delete_stream(store, "closed", tombstone=True)
    assert positions(await first_of(api.subscribe(store), 3)) == [3, 4, 10]
    assert versions(await first_of(api.subscribe(store, "by_stream", "s"), 2)) == [2, 3]


async def test_compaction_removes_what_is_hidden_and_nothing_else(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(5))
    await api.append_events(store, "b", numbered(5))
    await api.append_events(store, "c", numbered(5))
    await api.truncate_stream(store, "a", 3)
    await api.delete_stream(store, "b")
    await api.delete_stream(store, "c", tombstone=True)
    assert await api.compact_store(store) == 13
    assert await api.compact_store(store) == 0
    assert positions(await api.read_all(store)) == [4, 5]
    assert [await api.get_version(store, name) for name in "abc"] == [4, 4, 4]
    report = await api.verify(store)
    assert report.ok
    assert (report.events, report.position) == (2, 15)


async def test_positions_and_versions_go_on_after_compaction(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(5))
    await api.delete_stream(store, "s")
    assert await api.compact_store(store) == 5
    result = await api.append_events(store, "s", numbered(1), 4)
    assert (result.version, result.position) == (5, 6)
    result = await api.append_events(store, "other", numbered(1))
    assert (result.version, result.position) == (0, 7)
    assert positions(await api.read_all(store)) == [6, 7]


async def test_compacted_ids_are_forgotten(api: GaterApi, store: str) -> None:
    events = numbered(3)
    await api.append_events(store, "s", events)
    await api.truncate_stream(store, "s", 2)
    await api.compact_store(store)
    with refused(DuplicateEventError, stream_id="s"):
        await api.append_events(store, "s", events)
    assert (await api.append_events(store, "s", events[:2])).version == 4


async def test_compaction_of_many_events_is_whole(api: GaterApi, store: str) -> None:
    for _ in range(5):
        await api.append_events(store, "s", numbered(500))
    await api.append_events(store, "kept", numbered(3))
    await api.delete_stream(store, "s")
    assert await api.compact_store(store) == 2_500
    assert positions(await api.read_all(store)) == [2_501, 2_502, 2_503]
    assert (await api.append_events(store, "s", numbered(1))).version == 2_500
    assert (await api.verify(store)).ok


@pytest.mark.parametrize("stream", ["", "a\tb", "x" * 256, "$all"])
async def test_stream_ids_are_checked(api: GaterApi, store: str, stream: str) -> None:
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.delete_stream(store, stream)
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.truncate_stream(store, stream, 1)


async def test_an_unknown_store_is_refused(api: GaterApi) -> None:
    with refused(StoreNotFoundError, store="nowhere"):
        await api.delete_stream("nowhere", "s")
    with refused(StoreNotFoundError, store="nowhere"):
        await api.truncate_stream("nowhere", "s", 1)
    with refused(StoreNotFoundError, store="nowhere"):
        await api.compact_store("nowhere")
