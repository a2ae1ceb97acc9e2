"""Snapshots: kept, replaced, read, listed and forgotten by their key."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gater import (
    EventTooLargeError,
    GaterApi,
    InvalidArgumentError,
    NotFoundError,
    RequestTooLargeError,
    ValidationError,
)
from tests.contract.samples import numbered, refused
from tests.contract.ways import Way


def keys(snapshots: list[Any]) -> list[tuple[str, str, int]]:
    return [(s.source_uuid, s.stream_uuid, s.version) for s in snapshots]


async def test_a_snapshot_comes_back_as_it_was_recorded(api: GaterApi, store: str) -> None:
    record = {
        "source_uuid": "another",
        "source_version": 7,
        "source_type": "Order",
        "data": {"total": 12, "lines": [1, 2]},
        "metadata": {"by": "test"},
        "created_epoch": 1_700_000_000_123,
    }
    await api.record_snapshot(store, "order", "order-1", 3, record)
    snapshot = await api.read_snapshot(store, "order", "order-1", 3)
    assert keys([snapshot]) == [("order", "order-1", 3)]
    assert snapshot.source_version == 7
    assert snapshot.source_type == "Order"
    assert snapshot.data == {"total": 12, "lines": [1, 2]}
    assert snapshot.metadata == {"by": "test"}
    assert snapshot.created_epoch == 1_700_000_000_123
    assert snapshot.created_at == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)


async def test_what_is_left_out_has_a_default(api: GaterApi, store: str) -> None:
    before = time.time_ns() // 1_000_000
    await api.record_snapshot(store, "order", "order-1", 3, {"data": None})
    after = time.time_ns() // 1_000_000
    snapshot = await api.read_snapshot(store, "order", "order-1")
    assert (snapshot.source_version, snapshot.source_type, snapshot.metadata) == (3, "", {})
    assert snapshot.content_type == "application/json"
    assert snapshot.data is None
    assert before <= snapshot.created_epoch <= after


@pytest.mark.parametrize(
    ("created", "epoch"),
    [
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), 1_700_000_000_000),
        (datetime(2023, 11, 14, 23, 13, 20, tzinfo=timezone(timedelta(hours=1))), 1_700_000_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14T23:13:20.123+01:00", 1_700_000_000_123),
        ("2023-11-14T22:13:20", 1_700_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000),
    ],
)
async def test_the_time_may_be_a_date(api: GaterApi, store: str, created: Any, epoch: int) -> None:
    await api.record_snapshot(store, "order", "order-1", 3, {"data": 1, "created_at": created})
    assert (await api.read_snapshot(store, "order", "order-1")).created_epoch == epoch


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 1_000, bytes(5 << 20)], ids=["empty", "bytes", "5 MiB"])
async def test_a_snapshot_may_be_bytes(api: GaterApi, store: str, data: bytes) -> None:
    await api.record_snapshot(store, "order", "order-1", 3, {"data": data})
    snapshot = await api.read_snapshot(store, "order", "order-1", 3)
    assert (snapshot.data, snapshot.content_type) == (data, "application/octet-stream")


async def test_the_newest_version_is_read_when_none_is_named(api: GaterApi, store: str) -> None:
    for version in (3, 20, 100, 9):
        await api.record_snapshot(store, "order", "order-1", version, {"data": version})
    await api.record_snapshot(store, "order", "order-10", 500, {"data": 500})
    assert (await api.read_snapshot(store, "order", "order-1")).version == 100
    assert (await api.read_snapshot(store, "order", "order-1", 9)).data == 9


async def test_the_same_key_is_overwritten(api: GaterApi, store: str) -> None:
    await api.record_snapshot(store, "order", "order-1", 3, {"data": 1, "metadata": {"a": 1}, "source_type": "Old"})
    await api.record_snapshot(store, "order", "order-1", 3, {"data": 2})
    snapshot = await api.read_snapshot(store, "order", "order-1", 3)
    assert (snapshot.data, snapshot.metadata, snapshot.source_type) == (2, {}, "")
    assert len(await api.list_snapshots(store)) == 1


async def test_the_answer_says_where_the_store_is(api: GaterApi, store: str, way: Way) -> None:
    await api.append_events(store, "order-1", numbered(5))
    result = await api.record_snapshot(store, "order", "order-1", 3, {"data": 1})
    assert (result.version, result.position, result.durability) == (3, 5, way.durability)


async def test_a_missing_snapshot_is_not_found(api: GaterApi, store: str) -> None:
    await api.record_snapshot(store, "order", "order-1", 3, {"data": 1})
    for key in (("order", "order-1", 4), ("order", "other", 3), ("other", "order-1", 3), ("order", "other", None)):
        with refused(NotFoundError, kind="snapshot"):
            await api.read_snapshot(store, *key)


async def test_a_deleted_snapshot_is_gone(api: GaterApi, store: str) -> None:
    for version in (1, 2):
        await api.record_snapshot(store, "order", "order-1", version, {"data": version})
    await api.delete_snapshot(store, "order", "order-1", 2)
    with refused(NotFoundError, kind="snapshot"):
        await api.read_snapshot(store, "order", "order-1", 2)
    assert (await api.read_snapshot(store, "order", "order-1")).version == 1
    await api.delete_snapshot(store, "order", "order-1", 2)
    await api.delete_snapshot(store, "never", "was", 0)
    assert len(await api.list_snapshots(store)) == 1


async def test_a_list_is_ordered_by_key_and_each_filter_is_optional(api: GaterApi, store: str) -> None:
    made = [("b", "x", 2), ("a", "y", 10), ("a", "x", 1), ("a", "y", 9), ("b", "y", 0), ("ab", "x", 5), ("a", "x", 0)]
    for key in made:
        await api.record_snapshot(store, *key, {"data": list(key)})
    assert keys(await api.list_snapshots(store)) == sorted(made)
    assert keys(await api.list_snapshots(store, "a")) == sorted(key for key in made if key[0] == "a")
    assert keys(await api.list_snapshots(store, "a", "y")) == [("a", "y", 9), ("a", "y", 10)]
    assert keys(await api.list_snapshots(store, stream_uuid="x")) == sorted(key for key in made if key[1] == "x")
    assert keys(await api.list_snapshots(store, "c")) == []
    assert [s.data for s in await api.list_snapshots(store)] == [list(key) for key in sorted(made)]


async def test_long_lists_are_whole(api: GaterApi, store: str) -> None:
    for version in range(230):
        await api.record_snapshot(store, "order", "order-1", version, {"data": "x" * (20_000 if version < 60 else 1)})
    assert [s.version for s in await api.list_snapshots(store)] == list(range(230))
    assert [s.version for s in await api.list_snapshots(store, "order", "order-1")] == list(range(230))


async def test_snapshots_do_not_show_among_events(api: GaterApi, store: str) -> None:
    await api.append_events(store, "order-1", numbered(2))
    await api.record_snapshot(store, "order", "order-1", 1, {"data": 1})
    await api.delete_stream(store, "order-1", tombstone=True)
    await api.compact_store(store)
    assert (await api.read_snapshot(store, "order", "order-1")).data == 1
    assert await api.read_all(store) == []
    assert (await api.verify(store)).ok


@pytest.mark.parametrize("version", [-1, 1.5, "x", True, 1 << 63])
async def test_a_version_is_a_whole_number(api: GaterApi, store: str, version: Any) -> None:
    with refused(InvalidArgumentError, argument="version"):
        await api.record_snapshot(store, "order", "order-1", version, {"data": 1})
    with refused(InvalidArgumentError, argument="version"):
        await api.read_snapshot(store, "order", "order-1", version)
    with refused(InvalidArgumentError, argument="version"):
        await api.delete_snapshot(store, "order", "order-1", version)


async def test_the_largest_version_is_taken(api: GaterApi, store: str) -> None:
    await api.record_snapshot(store, "order", "order-1", (1 << 63) - 1, {"data": 1})
    assert (await api.read_snapshot(store, "order", "order-1")).version == (1 << 63) - 1


@pytest.mark.parametrize("name", ["", "a\x00", "x" * 256])
async def test_the_names_of_a_key_are_checked(api: GaterApi, store: str, name: str) -> None:
    with refused(InvalidArgumentError, argument="source_uuid"):
        await api.record_snapshot(store, name, "order-1", 1, {"data": 1})
    with refused(InvalidArgumentError, argument="stream_uuid"):
        await api.record_snapshot(store, "order", name, 1, {"data": 1})
    with refused(InvalidArgumentError, argument="source_uuid"):
        await api.read_snapshot(store, name, "order-1")
    with refused(InvalidArgumentError, argument="stream_uuid"):
        await api.delete_snapshot(store, "order", name, 1)
    if name:
        with refused(InvalidArgumentError, argument="source_uuid"):
            await api.list_snapshots(store, name)
        with refused(InvalidArgumentError, argument="stream_uuid"):
            await api.list_snapshots(store, "order", name)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({}, "data"),
        ({"metadata": {}}, "data"),
        ({"data": 1, "datum": 2}, "datum"),
        ({"data": 1, "version": 2}, "version"),
        ({"data": 1, "source_version": -1}, "source_version"),
        ({"data": 1, "source_version": 1 << 63}, "source_version"),
        ({"data": 1, "source_version": "1"}, "source_version"),
        ({"data": 1, "source_type": 5}, "source_type"),
        ({"data": 1, "created_epoch": -1}, "created_epoch"),
        ({"data": 1, "created_epoch": 1 << 62}, "created_epoch"),
        ({"data": 1, "created_epoch": 1.5}, "created_epoch"),
        ({"data": 1, "created_at": "yesterday"}, "created_at"),
        ({"data": 1, "created_at": 5}, "created_at"),
        ({"data": 1, "created_at": "1950-01-01T00:00:00Z"}, "created_epoch"),
        ({"data": object()}, "data"),
        ({"data": float("nan")}, "data"),
        ({"data": 1, "metadata": object()}, "metadata"),
        ({"data": b"{", "content_type": "application/json"}, "data"),
    ],
)
async def test_a_record_has_its_fields(api: GaterApi, store: str, record: Any, field: str, way: Way) -> None:
    if way.name == "http":
        if record.get("data") != record.get("data"):
            pytest.skip("JSON has no such number")
        with pytest.raises(ValidationError) as caught:
            await api.record_snapshot(store, "order", "order-1", 1, record)
        assert caught.value.field in (field, "body")
    else:
        with refused(ValidationError, field=field):
            await api.record_snapshot(store, "order", "order-1", 1, record)
    assert await api.list_snapshots(store) == []


@pytest.mark.parametrize("record", [5, None, "text", [1]])
async def test_a_record_is_a_mapping(api: GaterApi, store: str, record: Any, way: Way) -> None:
    with refused(ValidationError, field="body" if way.name == "http" else "snapshot_record"):
        await api.record_snapshot(store, "order", "order-1", 1, record)


async def test_a_snapshot_over_the_limit_of_a_request_is_refused(api: GaterApi, store: str) -> None:
    with pytest.raises((EventTooLargeError, RequestTooLargeError)):
        await api.record_snapshot(store, "order", "order-1", 1, {"data": bytes((16 << 20) + 1)})
    assert await api.list_snapshots(store) == []
