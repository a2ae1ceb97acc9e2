"""Repeating an append: the event ids make it safe in every mode and at any later time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gater import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    DuplicateEventError,
    GaterApi,
    NewEvent,
    StreamAppend,
    StreamGuard,
    WriteResult,
    WrongExpectedVersionError,
)
from tests.contract.samples import numbered, refused, versions


async def append(api: GaterApi, store: str, stream: str, events: list[NewEvent], expected: int = ANY) -> WriteResult:
    return await api.append_events(store, stream, events, expected)


@pytest.mark.parametrize("expected", [ANY, NO_STREAM, STREAM_EXISTS, "at its place"])
@pytest.mark.parametrize("later", [0, 3])
async def test_a_repeated_append_returns_the_first_answer(
    api: GaterApi, store: str, expected: int | str, later: int
) -> None:
    await append(api, store, "other", numbered(2))
    if expected == STREAM_EXISTS or expected == "at its place":
        await append(api, store, "s", numbered(4))
    form = (3 if expected == "at its place" else expected) if isinstance(expected, str) else expected
    events = numbered(3)
    first = await append(api, store, "s", events, form)
    await append(api, store, "s", numbered(later))
    before = await api.read_all(store)
    for _ in range(2):
        assert await append(api, store, "s", events, form) == first
    assert await api.read_all(store) == before


async def test_a_repeat_in_another_mode_returns_the_first_answer_too(api: GaterApi, store: str) -> None:
    events = numbered(2)
    first = await append(api, store, "s", events, NO_STREAM)
    for form in (ANY, STREAM_EXISTS, NO_STREAM, -1):
        assert await append(api, store, "s", events, form) == first


async def test_a_repeat_at_another_exact_version_is_refused(api: GaterApi, store: str) -> None:
    await append(api, store, "s", numbered(2))
    events = numbered(2)
    await append(api, store, "s", events, 1)
    for form in (0, 2, 99):
        with refused(WrongExpectedVersionError, stream_id="s", expected=form, actual=3):
            await append(api, store, "s", events, form)


async def test_a_repeat_at_the_current_version_says_where_the_events_are(api: GaterApi, store: str) -> None:
    await append(api, store, "other", numbered(1))
    await append(api, store, "s", numbered(2))
    events = numbered(2)
    await append(api, store, "s", events, 1)
    there = {"stream_id": "s", "event_id": str(events[0].event_id), "version": 2, "position": 4}
    with refused(DuplicateEventError, **there):
        await append(api, store, "s", events, 3)
    with refused(DuplicateEventError, **there):
        await api.append_streams(store, [StreamAppend("s", events, 3)], [StreamGuard("other", 0)])
    with refused(DuplicateEventError, **there):
        await append(api, store, "s", [*numbered(1), *events], 3)
    with refused(DuplicateEventError, **there):
        await api.append_streams(store, [StreamAppend("s", events, 3), StreamAppend("new", numbered(1))])
    (stored,) = await api.get_events(store, "s", 2, 1)
    moved = {"stream_id": "s", "version": 4, "event_id": str(events[0].event_id), "event_type": "T", "created_epoch": 1}
    with refused(DuplicateEventError, **there):
        await api.import_events(store, [moved])
    assert stored.event_id == events[0].event_id
    assert await api.get_version(store, "s") == 3


async def test_a_loop_that_tries_again_at_the_current_version_ends(api: GaterApi, store: str) -> None:
    events = numbered(1)
    for written in (numbered(1), events, numbered(1)):
        await append(api, store, "s", written)

    async def loop() -> None:
        version = 1
        for _ in range(10):
            try:
                await append(api, store, "s", events, version)
            except WrongExpectedVersionError as error:
                version = error.actual

    with refused(DuplicateEventError, stream_id="s", version=1, position=2):
        await loop()


async def test_the_second_half_of_an_append_is_a_run_of_its_own(api: GaterApi, store: str) -> None:
    events = numbered(4)
    await append(api, store, "s", events)
    assert (await append(api, store, "s", events[2:])).version == 3
    assert (await append(api, store, "s", events[:2])) == WriteResult(
        1, 2, (await append(api, store, "s", [])).durability
    )
    assert (await append(api, store, "s", events[1:3], 0)).version == 2


async def test_two_appends_that_stand_next_to_each_other_repeat_as_one(api: GaterApi, store: str) -> None:
    events = numbered(4)
    await append(api, store, "s", events[:2])
    await append(api, store, "other", numbered(1))
    await append(api, store, "s", events[2:])
    result = await append(api, store, "s", events)
    assert (result.version, result.position) == (3, 5)


@pytest.mark.parametrize(
    "pick",
    [
        pytest.param(lambda old, new: [*old, *new], id="old then new"),
        pytest.param(lambda old, new: [*new, *old], id="new then old"),
        pytest.param(lambda old, new: [old[0], new[0], old[1]], id="a new one between"),
        pytest.param(lambda old, new: [old[1], old[0]], id="reversed"),
        pytest.param(lambda old, new: [old[0], old[2]], id="one left out"),
        pytest.param(lambda old, new: [*old, old[0]], id="all, and one twice"),
    ],
)
async def test_a_partial_repeat_is_refused(api: GaterApi, store: str, pick: Any) -> None:
    old, new = numbered(3), numbered(2, first=3)
    await append(api, store, "s", old)
    for form in (ANY, STREAM_EXISTS, 2, NO_STREAM):
        with refused(DuplicateEventError, stream_id="s"):
            await append(api, store, "s", pick(old, new), form)
    assert await api.get_version(store, "s") == 2


async def test_the_refusal_names_an_event_that_is_there_already(api: GaterApi, store: str) -> None:
    old, new = numbered(2), numbered(1)
    await append(api, store, "s", old)
    with pytest.raises(DuplicateEventError) as caught:
        await append(api, store, "s", [*new, *old])
    assert caught.value.event_id in {str(event.event_id) for event in old}


async def test_an_id_twice_in_one_append_is_refused(api: GaterApi, store: str) -> None:
    (event,) = numbered(1)
    with refused(DuplicateEventError, stream_id="s", event_id=str(event.event_id)):
        await append(api, store, "s", [event, *numbered(1), event])
    assert await api.get_version(store, "s") == -1


async def test_the_same_id_may_be_in_several_streams(api: GaterApi, store: str) -> None:
    events = numbered(2)
    assert (await append(api, store, "a", events)).position == 2
    assert (await append(api, store, "b", events)).position == 4
    assert (await append(api, store, "a", events)).position == 2
    assert (await append(api, store, "b", events)).position == 4
    assert [e.event_id for e in await api.get_events(store, "a")] == [
        e.event_id for e in await api.get_events(store, "b")
    ]


async def test_what_counts_is_the_id_and_not_the_content(api: GaterApi, store: str) -> None:
    event = NewEvent("First", {"total": 1})
    first = await append(api, store, "s", [event])
    again = NewEvent("Second", {"total": 2}, event_id=event.event_id)
    assert await append(api, store, "s", [again]) == first
    (stored,) = await api.get_events(store, "s")
    assert (stored.event_type, stored.data) == ("First", {"total": 1})


async def test_concurrent_repeats_are_written_once(api: GaterApi, store: str) -> None:
    events = numbered(3)
    results = await asyncio.gather(*[append(api, store, "s", events, NO_STREAM) for _ in range(20)])
    assert set(results) == {results[0]}
    assert versions(await api.get_events(store, "s")) == [0, 1, 2]


async def test_ids_older_than_every_stored_one_are_recognised(api: GaterApi, store: str) -> None:
    old = [NewEvent("Counted", {}, event_id="00000000-0000-4000-8000-000000000001")]
    newer = [NewEvent("Counted", {}, event_id="ffffffff-ffff-4fff-bfff-ffffffffffff")]
    middle = [NewEvent("Counted", {}, event_id="7fffffff-ffff-4fff-bfff-ffffffffffff")]
    for events in (newer, old, middle):
        await append(api, store, "s", events)
    assert [(await append(api, store, "s", events)).version for events in (newer, old, middle)] == [0, 1, 2]


async def test_an_append_to_several_streams_repeats_as_a_whole(api: GaterApi, store: str) -> None:
    appends = [StreamAppend("a", numbered(2), NO_STREAM), StreamAppend("b", numbered(1)), StreamAppend("c", [])]
    guards = [StreamGuard("guard", NO_STREAM)]
    first = await api.append_streams(store, appends, guards)
    await append(api, store, "guard", numbered(1))
    await append(api, store, "a", numbered(1))
    assert [r.version for r in first] == [1, 0, -1]
    again = await api.append_streams(store, appends, guards)
    assert again[:2] == first[:2]
    assert again[2].version == -1
    assert len(await api.read_all(store)) == 5


async def test_a_part_of_an_append_to_several_streams_is_a_partial_repeat(api: GaterApi, store: str) -> None:
    here, new = numbered(2), numbered(1)
    await append(api, store, "a", here)
    for appends in (
        [StreamAppend("a", here), StreamAppend("b", new)],
        [StreamAppend("b", new), StreamAppend("a", here)],
    ):
        with refused(DuplicateEventError, stream_id="a", event_id=str(here[0].event_id)):
            await api.append_streams(store, appends)
    with refused(DuplicateEventError, stream_id="a"):
        await api.append_streams(store, [StreamAppend("b", new), StreamAppend("a", [*here, *new])])
    assert await api.get_streams(store) == ["a"]


async def test_a_repeat_to_several_streams_checks_the_place_in_each(api: GaterApi, store: str) -> None:
    a, b = numbered(1), numbered(1)
    await api.append_streams(store, [StreamAppend("a", a), StreamAppend("b", b)])
    with refused(WrongExpectedVersionError, stream_id="b", expected=5, actual=0):
        await api.append_streams(store, [StreamAppend("a", a, -1), StreamAppend("b", b, 5)])


async def test_a_repeat_does_not_revive_a_deleted_stream(api: GaterApi, store: str) -> None:
    events = numbered(2)
    first = await append(api, store, "s", events)
    await api.delete_stream(store, "s")
    assert await append(api, store, "s", events) == first
    assert await api.get_events(store, "s") == []
    await api.delete_stream(store, "s", tombstone=True)
    assert await append(api, store, "s", events) == first


async def test_a_repeat_of_a_reviving_append_returns_its_answer(api: GaterApi, store: str) -> None:
    await append(api, store, "s", numbered(2))
    await api.delete_stream(store, "s")
    events = numbered(2)
    first = await append(api, store, "s", events, NO_STREAM)
    assert first.version == 3
    assert await append(api, store, "s", events, NO_STREAM) == first


async def test_a_repeat_survives_truncation(api: GaterApi, store: str) -> None:
    events = numbered(4)
    first = await append(api, store, "s", events)
    await api.truncate_stream(store, "s", 2)
    assert await append(api, store, "s", events) == first
