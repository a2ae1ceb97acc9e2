"""Moving events between stores: export and import, with ids, versions and times; backups; verification."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import (
    AlreadyExistsError,
    DuplicateEventError,
    GaterApi,
    InvalidArgumentError,
    NewEvent,
    StreamDeletedError,
    ValidationError,
    WrongExpectedVersionError,
)
from tests.contract.samples import all_of, numbered, positions, refused, versions
from tests.contract.ways import Way


def line(stream: str, version: int, /, **more: Any) -> dict[str, Any]:
    """An event as an export writes it."""
    event = NewEvent("Moved", {"version": version})
    return {
        "stream_id": stream,
        "version": version,
        "event_id": str(event.event_id),
        "event_type": "Moved",
        "data": event.data,
        "created_epoch": 1_600_000_000_000_000 + version,
        **more,
    }


async def exported(api: GaterApi, store: str) -> list[dict[str, Any]]:
    """All events of a store, as an export writes them: JSON."""
    return [json.loads(json.dumps(event.to_dict())) async for event in api.stream_all(store)]


async def fill(api: GaterApi, store: str) -> None:
    await api.append_events(store, "a", numbered(3))
    await api.append_events(store, "b", [NewEvent("Other", {"x": [1, None]}, {"user": "Zoë"})])
    await api.append_events(
        store, "a", [NewEvent("Binary", b"\x00\xff"), NewEvent("Image", b"", None, None, "image/png")]
    )
    await api.append_events(store, "gone", numbered(2))
    await api.append_events(store, "cut", numbered(4))
    await api.delete_stream(store, "gone")
    await api.truncate_stream(store, "cut", 2)


async def test_an_export_imported_elsewhere_exports_the_same(api: GaterApi, store: str) -> None:
    await fill(api, store)
    before = await exported(api, store)
    other = f"{store}-copy"
    await api.create_store(other)
    assert await api.import_events(other, before) == len(before) == 8
    after = await exported(api, other)
    for event in [*before, *after]:
        del event["position"]
    assert after == before
    assert versions(await api.get_events(other, "cut")) == [2, 3]
    assert await api.get_version(other, "cut") == 3
    assert positions(await api.read_all(other)) == list(range(1, 9))
    assert (await api.append_events(other, "cut", numbered(1), 3)).version == 4
    assert (await api.verify(other)).ok
    await api.remove_store(other)


async def test_binary_events_can_be_moved(api: GaterApi, store: str, way: Way) -> None:
    data = bytes(range(256))
    imported = line("s", 0, data=data, content_type="application/octet-stream")
    assert await api.import_events(store, [imported]) == 1
    assert [event.data for event in await api.get_events(store, "s")] == [data]


async def test_ids_versions_and_times_are_kept(api: GaterApi, store: str) -> None:
    lines = [line("s", version, metadata={"n": version}) for version in range(3)]
    await api.import_events(store, lines)
    for event, given in zip(await api.get_events(store, "s"), lines, strict=True):
        assert str(event.event_id) == given["event_id"]
        assert (event.version, event.created_epoch) == (given["version"], given["created_epoch"])
        assert (event.data, event.metadata) == (given["data"], given["metadata"])


async def test_a_time_leads_to_the_first_event_since_it_whatever_the_order_of_times(api: GaterApi, store: str) -> None:
    noon = 1_700_000_000_000_000
    times = [noon + 5, *[noon - second for second in range(1, 2_100)], noon + 3, noon + 4]
    await api.import_events(store, [line("s", version, created_epoch=created) for version, created in enumerate(times)])
    await api.save_subscription(store, "by_stream", "$all", "billing")
    found = [await api.rewind_subscription(store, "billing", time=noon + later) for later in range(-1, 7)]
    assert found == [1, 1, 1, 1, 1, 1, 1, 2103]
    await api.truncate_stream(store, "s", 1)
    await api.compact_store(store)
    assert await api.rewind_subscription(store, "billing", time=noon) == 2101


async def test_an_import_can_be_repeated(api: GaterApi, store: str) -> None:
    lines = [line("s", version) for version in range(4)]
    assert await api.import_events(store, lines[:2]) == 2
    assert await api.import_events(store, lines) == 2
    assert await api.import_events(store, lines) == 0
    assert await api.import_events(store, []) == 0
    assert versions(await api.get_events(store, "s")) == [0, 1, 2, 3]


async def test_an_imported_event_is_known_to_appends(api: GaterApi, store: str) -> None:
    lines = [line("s", version) for version in range(2)]
    await api.import_events(store, lines)
    events = [NewEvent("Moved", {}, event_id=given["event_id"]) for given in lines]
    assert (await api.append_events(store, "s", events)).version == 1
    assert (await api.append_events(store, "s", numbered(1), 1)).version == 2


async def test_a_new_stream_may_begin_at_any_version(api: GaterApi, store: str) -> None:
    await api.import_events(store, [line("s", 7), line("t", 0), line("s", 8)])
    assert versions(await api.get_events(store, "s")) == [7, 8]
    assert await api.get_version(store, "s") == 8
    assert (await api.append_events(store, "s", numbered(1), 8)).version == 9


async def test_versions_must_follow_each_other(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    with refused(WrongExpectedVersionError, stream_id="s", expected=3, actual=2):
        await api.import_events(store, [line("s", 4)])
    with refused(WrongExpectedVersionError, stream_id="s", expected=0, actual=2):
        await api.import_events(store, [line("s", 1)])
    with refused(WrongExpectedVersionError, stream_id="new", expected=6, actual=5):
        await api.import_events(store, [line("new", 5), line("new", 7)])
    assert await api.get_streams(store) == ["s"]
    assert await api.get_version(store, "s") == 2


async def test_an_id_at_another_version_is_refused(api: GaterApi, store: str) -> None:
    first = line("s", 0)
    await api.import_events(store, [first])
    with refused(DuplicateEventError, stream_id="s", event_id=first["event_id"]):
        await api.import_events(store, [{**first, "version": 1}])
    with refused(DuplicateEventError, stream_id="new", event_id=first["event_id"]):
        await api.import_events(store, [{**first, "stream_id": "new"}, {**first, "stream_id": "new", "version": 1}])


async def test_a_deleted_stream_takes_no_import(api: GaterApi, store: str) -> None:
    for tombstone in (False, True):
        await api.append_events(store, f"s-{tombstone}", numbered(1))
        await api.delete_stream(store, f"s-{tombstone}", tombstone=tombstone)
        with refused(StreamDeletedError, stream_id=f"s-{tombstone}"):
            await api.import_events(store, [line("new", 0), line(f"s-{tombstone}", 1)])
    assert await api.get_version(store, "new") == -1


@pytest.mark.parametrize("field", ["stream_id", "version", "event_id", "event_type", "created_epoch"])
async def test_an_exported_event_has_its_fields(api: GaterApi, store: str, field: str, way: Way) -> None:
    event = line("s", 0)
    del event[field]
    with pytest.raises(ValidationError) as caught:
        await api.import_events(store, [line("s", 0), event])
    if way.name != "http":
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"version": -1}, "version"),
        ({"version": 1 << 53}, "version"),
        ({"version": 1 << 63}, "version"),
        ({"version": "1"}, "version"),
        ({"version": 1.5}, "version"),
        ({"created_epoch": -1}, "created_epoch"),
        ({"created_epoch": 253_402_300_800_000_000}, "created_epoch"),
        ({"created_epoch": "now"}, "created_epoch"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_an_exported_event_must_be_possible(
    api: GaterApi, store: str, changed: dict[str, Any], field: str, way: Way
) -> None:
    with pytest.raises(ValidationError) as caught:
        await api.import_events(store, [line("s", 0, **changed)])
    if way.name != "http":
        assert caught.value.field == field
    assert await api.read_all(store) == []


async def test_the_largest_imported_version_leaves_room(api: GaterApi, store: str) -> None:
    largest = (1 << 53) - 1
    await api.import_events(store, [line("s", largest, created_epoch=253_402_300_799_999_999)])
    (event,) = await api.get_events(store, "s", largest)
    assert event.created.year == 9_999
    assert (await api.append_events(store, "s", numbered(2), largest)).version == largest + 2
    assert versions(await api.get_events(store, "s", largest, 10)) == [largest, largest + 1, largest + 2]
    assert versions(await api.get_events(store, "s", largest + 2, 2, "backward")) == [largest + 2, largest + 1]
    assert (await api.delete_stream(store, "s")).version == largest + 2
    assert (await api.verify(store)).ok


async def test_names_of_imported_events_are_checked(api: GaterApi, store: str) -> None:
    for stream in ("", "$system", "x" * 256):
        with refused(InvalidArgumentError, argument="stream_id"):
            await api.import_events(store, [line(stream, 0)])


async def test_verification_of_a_sound_store_finds_nothing(api: GaterApi, store: str) -> None:
    empty = await api.verify(store)
    assert (empty.ok, empty.events, empty.streams, empty.position) == (True, 0, 0, 0)
    await fill(api, store)
    report = await api.verify(store)
    assert report.ok, report.problems
    assert (report.store, report.events, report.streams, report.position) == (store, 12, 4, 12)
    await api.compact_store(store)
    report = await api.verify(store)
    assert report.ok, report.problems
    assert (report.events, report.position) == (8, 12)


async def test_a_store_can_be_verified_and_backed_up_while_it_is_written(
    api: GaterApi, store: str, tmp_path: Path
) -> None:
    async def write(stream: str) -> None:
        for number in range(40):
            await api.append_events(store, stream, numbered(3, first=number))
            if number % 10 == 9:
                await api.truncate_stream(store, stream, number)

    async def check() -> list[bool]:
        return [(await api.verify(store)).ok for _ in range(5)]

    async with asyncio.TaskGroup() as group:
        for name in "abcd":
            group.create_task(write(name))
        checks = group.create_task(check())
        copying = group.create_task(api.backup(store, tmp_path / "copy.db"))
    assert checks.result() == [True] * 5
    assert copying.result() == (tmp_path / "copy.db").stat().st_size
    async with gater.open(tmp_path) as restored:
        report = await restored.verify("copy")
        assert report.ok, report.problems
        events = await all_of(restored.stream_all("copy"))
        assert [e.position for e in events] == sorted(e.position for e in events)


async def test_a_backup_restored_has_everything(api: GaterApi, store: str, tmp_path: Path) -> None:
    await fill(api, store)
    await api.delete_stream(store, "b", tombstone=True)
    await api.compact_store(store)
    await api.record_snapshot(store, "order", "a", 2, {"data": b"\x00", "source_type": "A"})
    target = tmp_path / "restored" / "orders.db"
    target.parent.mkdir()
    assert await api.backup(store, target) == target.stat().st_size
    before = await api.read_all(store)
    snapshots = await api.list_snapshots(store)
    last = await api.append_events(store, "after", numbered(1))
    async with gater.open(target.parent) as restored:
        assert await restored.read_all("orders") == before
        assert await restored.list_snapshots("orders") == snapshots
        assert await restored.get_streams("orders") == ["a", "cut"]
        assert await restored.get_version("orders", "gone") == 1
        with refused(StreamDeletedError, stream_id="b"):
            await restored.append_events("orders", "b", numbered(1))
        assert (await restored.append_events("orders", "a", numbered(1))).position == last.position
        assert (await restored.verify("orders")).ok
        config = await restored.get_store_config("orders")
        assert (config.store_id, config.db_type) == ("orders", "single")
        assert (await restored.get_store_status("orders")).store == "orders"
        (info,) = await restored.list_stores()
        assert info.store == config


async def test_a_backup_never_replaces_a_file(api: GaterApi, store: str, tmp_path: Path, way: Way) -> None:
    if way.name == "http":
        pytest.skip("over HTTP the client writes the file")
    target = tmp_path / "copy.db"
    target.write_bytes(b"mine")
    with refused(AlreadyExistsError, kind="file", name=str(target)):
        await api.backup(store, target)
    assert target.read_bytes() == b"mine"
    with refused(InvalidArgumentError, argument="path"):
        await api.backup(store, tmp_path / "nowhere" / "copy.db")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".partial")]
