"""Appending to several streams in one step, with guards on others."""

from __future__ import annotations

import asyncio

import pytest

from gater import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    GaterApi,
    InvalidArgumentError,
    NewEvent,
    StoreNotFoundError,
    StreamAppend,
    StreamGuard,
    WrongExpectedVersionError,
)
from gater.model.errors import EventTooLargeError, StreamDeletedError
from tests.contract.samples import all_of, numbered, numbers, positions, refused


async def test_results_come_in_the_order_of_the_appends(api: GaterApi, store: str) -> None:
    await api.append_events(store, "b", numbered(4))
    results = await api.append_streams(
        store, [StreamAppend("c", numbered(2)), StreamAppend("a", []), StreamAppend("b", numbered(1), 3)]
    )
    assert [(r.version, r.position) for r in results] == [(1, 6), (-1, 6), (4, 7)]
    assert [e.stream_id for e in await api.read_all(store, 4)] == ["c", "c", "b"]


async def test_one_refused_part_refuses_all(api: GaterApi, store: str) -> None:
    await api.append_events(store, "b", numbered(1))
    for refused_part in (StreamAppend("b", numbered(1), 5), StreamAppend("b", [], 5)):
        with refused(WrongExpectedVersionError, stream_id="b", expected=5, actual=0):
            await api.append_streams(store, [StreamAppend("a", numbered(2)), refused_part])
    with refused(EventTooLargeError):
        await api.append_streams(
            store, [StreamAppend("a", numbered(2)), StreamAppend("b", [NewEvent("T", "x" * (1 << 20))])]
        )
    assert await api.get_streams(store) == ["b"]
    assert len(await api.read_all(store)) == 1


async def test_a_guard_holds_or_the_append_is_refused(api: GaterApi, store: str) -> None:
    await api.append_events(store, "account", numbered(2))
    for form in (1, STREAM_EXISTS, ANY):
        await api.append_streams(store, [StreamAppend("order", numbered(1))], [StreamGuard("account", form)])
    for form in (0, 2, NO_STREAM):
        with refused(WrongExpectedVersionError, stream_id="account", expected=form, actual=1):
            await api.append_streams(store, [StreamAppend("order", numbered(1))], [StreamGuard("account", form)])
    assert await api.get_version(store, "order") == 2
    assert await api.get_version(store, "account") == 1


async def test_a_guard_does_not_make_its_stream(api: GaterApi, store: str) -> None:
    guards = [StreamGuard("account", NO_STREAM), StreamGuard("other", ANY)]
    await api.append_streams(store, [StreamAppend("order", numbered(1))], guards)
    assert await api.get_streams(store) == ["order"]
    with refused(WrongExpectedVersionError, stream_id="account", expected=STREAM_EXISTS, actual=-1):
        await api.append_streams(store, [StreamAppend("order", numbered(1))], [StreamGuard("account", STREAM_EXISTS)])


async def test_guards_without_events_are_checked_alone(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(1))
    (result,) = await api.append_streams(store, [StreamAppend("b", [])], [StreamGuard("a", 0)])
    assert (result.version, result.position) == (-1, 1)
    with refused(WrongExpectedVersionError, stream_id="a", expected=7, actual=0):
        await api.append_streams(store, [StreamAppend("b", [])], [StreamGuard("a", 7)])


async def test_a_guard_on_a_stream_that_is_written_looks_at_it_before(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(1))
    await api.append_streams(store, [StreamAppend("a", numbered(1))], [StreamGuard("a", 0)])
    with refused(WrongExpectedVersionError, stream_id="a", expected=2, actual=1):
        await api.append_streams(store, [StreamAppend("a", numbered(1))], [StreamGuard("a", 2)])


async def test_a_guard_on_a_deleted_stream(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(1))
    await api.delete_stream(store, "a")
    for form in (NO_STREAM, ANY, 0):
        await api.append_streams(store, [StreamAppend("b", numbered(1))], [StreamGuard("a", form)])
    with refused(WrongExpectedVersionError, stream_id="a", expected=STREAM_EXISTS, actual=0):
        await api.append_streams(store, [StreamAppend("b", numbered(1))], [StreamGuard("a", STREAM_EXISTS)])
    await api.delete_stream(store, "a", tombstone=True)
    await api.append_streams(store, [StreamAppend("b", numbered(1))], [StreamGuard("a", ANY)])
    for form in (NO_STREAM, 0, STREAM_EXISTS):
        with refused(StreamDeletedError, stream_id="a"):
            await api.append_streams(store, [StreamAppend("b", numbered(1))], [StreamGuard("a", form)])


async def test_a_tombstoned_part_refuses_all(api: GaterApi, store: str) -> None:
    await api.delete_stream(store, "closed", tombstone=True)
    with refused(StreamDeletedError, stream_id="closed"):
        await api.append_streams(store, [StreamAppend("a", numbered(1)), StreamAppend("closed", numbered(1))])
    assert await api.get_version(store, "a") == -1


async def test_each_stream_may_be_named_once(api: GaterApi, store: str) -> None:
    with refused(InvalidArgumentError, argument="appends"):
        await api.append_streams(store, [StreamAppend("a", numbered(1)), StreamAppend("a", numbered(1))])
    with refused(InvalidArgumentError, argument="appends"):
        await api.append_streams(store, [])


async def test_an_unknown_store_is_refused(api: GaterApi, store: str) -> None:
    with refused(StoreNotFoundError, store="nowhere"):
        await api.append_streams("nowhere", [StreamAppend("a", numbered(1))])


@pytest.mark.parametrize("stream", ["", "a\nb", "x" * 256, "$settings"])
async def test_stream_ids_of_parts_and_guards_are_checked(api: GaterApi, store: str, stream: str) -> None:
    with refused(InvalidArgumentError, argument="stream_id"):
        await api.append_streams(store, [StreamAppend(stream, numbered(1))])
    if not stream.startswith("$"):
        with refused(InvalidArgumentError, argument="stream_id"):
            await api.append_streams(store, [StreamAppend("a", numbered(1))], [StreamGuard(stream, ANY)])


async def test_many_streams_at_once(api: GaterApi, store: str) -> None:
    results = await api.append_streams(store, [StreamAppend(f"s-{n:04}", numbered(1, first=n)) for n in range(1_000)])
    assert [r.position for r in results] == list(range(1, 1_001))
    events = await all_of(api.stream_all(store))
    assert numbers(events) == list(range(1_000))
    assert positions(events) == list(range(1, 1_001))


async def test_guards_serialise_concurrent_writers(api: GaterApi, store: str) -> None:
    """Each of two rivals writes only as long as the other has not: at most one of each pair succeeds."""

    async def rival(own: str, other: str) -> bool:
        try:
            await api.append_streams(store, [StreamAppend(own, numbered(1))], [StreamGuard(other, NO_STREAM)])
        except WrongExpectedVersionError:
            return False
        return True

    for n in range(20):
        won = await asyncio.gather(rival(f"a-{n}", f"b-{n}"), rival(f"b-{n}", f"a-{n}"))
        assert sorted(won) == [False, True]
