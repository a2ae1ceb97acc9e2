"""Stores: made, listed, described, removed."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Any

import pytest

from gater import (
    AlreadyExistsError,
    GaterApi,
    InvalidArgumentError,
    NewEvent,
    RequestTooLargeError,
    StoreNotFoundError,
)
from tests.contract.samples import all_of, numbered, refused
from tests.contract.ways import InMemory, Way


async def names(api: GaterApi) -> list[str]:
    return [info.store.store_id for info in await api.list_stores()]


async def test_a_made_store_is_listed_with_its_config_and_node(api: GaterApi, store: str, way: Way) -> None:
    config = await api.create_store(f"{store}-made", description="for a test", tags=["a", "b"])
    assert config.store_id == f"{store}-made"
    assert config.store_description == "for a test"
    assert config.tags == ("a", "b")
    assert config.db_type == ("memory" if isinstance(way, InMemory) else "single")
    assert datetime.fromisoformat(config.created_at).tzinfo is not None
    (info,) = [info for info in await api.list_stores() if info.store.store_id == f"{store}-made"]
    assert info.store == config
    assert re.fullmatch(r".+@.+", info.node)
    assert await api.get_store_config(f"{store}-made") == config
    await api.remove_store(f"{store}-made")


async def test_a_config_has_its_fifteen_fields(api: GaterApi, store: str) -> None:
    config = await api.get_store_config(store)
    assert list(config.__struct_fields__) == [
        "store_id", "data_dir", "db_type", "timeout", "pub_sub", "reader_idle_ms", "writer_idle_ms",
        "store_description", "created_at", "version", "status", "priority", "auto_start", "tags", "environment",
    ]  # fmt: skip
    assert (config.version, config.status, config.priority, config.auto_start) == (1, "active", "normal", True)
    assert config.tags == ()


async def test_stores_are_listed_by_name(api: GaterApi, store: str) -> None:
    made = [f"{store}-{end}" for end in ("c", "a", "B", "b")]
    for name in made:
        await api.create_store(name)
    listed = await names(api)
    assert listed == sorted(listed)
    assert set(made) <= set(listed)
    for name in made:
        await api.remove_store(name)
    assert not set(made) & set(await names(api))


async def test_stores_do_not_share_anything(api: GaterApi, store: str) -> None:
    other = f"{store}-other"
    await api.create_store(other)
    events = numbered(2)
    assert (await api.append_events(store, "s", events)).position == 2
    assert (await api.append_events(other, "s", events)).position == 2
    await api.record_snapshot(store, "a", "b", 1, {"data": 1})
    await api.delete_stream(store, "s")
    assert len(await api.get_events(other, "s")) == 2
    assert await api.list_snapshots(other) == []
    await api.remove_store(other)
    assert await api.get_version(store, "s") == 1


async def test_a_store_can_be_in_memory(api: GaterApi, store: str) -> None:
    config = await api.create_store(f"{store}-memory", in_memory=True)
    assert config.db_type == "memory"
    result = await api.append_events(f"{store}-memory", "s", numbered(3))
    assert (result.version, result.durability) == (2, "memory")
    assert len(await all_of(api.stream_all(f"{store}-memory"))) == 3
    assert (await api.verify(f"{store}-memory")).ok
    await api.remove_store(f"{store}-memory")


async def test_a_store_in_memory_takes_appends_of_a_bounded_number(api: GaterApi, store: str) -> None:
    await api.create_store(f"{store}-memory", in_memory=True)
    events = [NewEvent("T", 1)] * 5_001
    with pytest.raises(RequestTooLargeError) as caught:
        await api.append_events(f"{store}-memory", "s", events)
    assert (caught.value.size, caught.value.limit, caught.value.details["what"]) == (5_001, 5_000, "events")
    assert (await api.get_store_status(f"{store}-memory")).position == 0
    await api.remove_store(f"{store}-memory")


async def test_a_taken_name_is_refused(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(1))
    for in_memory in (False, True):
        with refused(AlreadyExistsError, kind="store", name=store):
            await api.create_store(store, in_memory=in_memory)
    assert await api.get_version(store, "s") == 0


async def test_of_concurrent_makers_one_succeeds(api: GaterApi, store: str) -> None:
    outcomes = await asyncio.gather(*[api.create_store(f"{store}-x") for _ in range(8)], return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes].count("StoreConfig") == 1
    assert [type(outcome).__name__ for outcome in outcomes].count("AlreadyExistsError") == 7
    await api.append_events(f"{store}-x", "s", numbered(1))
    await api.remove_store(f"{store}-x")


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".a", "-a", "x" * 65, "ä", "a\n", "a\x00", "$a"])
async def test_names_are_checked(api: GaterApi, name: Any) -> None:
    with refused(InvalidArgumentError, argument="store"):
        await api.create_store(name)


@pytest.mark.parametrize("name", ["A", "_a", "0", "a.b-c_d", "x" * 64, "null", "orders.db", "orders.db-wal"])
async def test_names_that_are_allowed_work(api: GaterApi, name: str) -> None:
    await api.create_store(name)
    await api.append_events(name, "s", numbered(1))
    assert name in await names(api)
    assert (await api.get_store_status(name)).position == 1
    await api.remove_store(name)
    assert name not in await names(api)


async def test_a_removed_store_is_gone_and_its_name_is_free(api: GaterApi, store: str) -> None:
    await api.append_events(store, "s", numbered(3))
    await api.record_snapshot(store, "a", "b", 1, {"data": 1})
    await api.remove_store(store)
    for call in (
        lambda: api.append_events(store, "s", numbered(1)),
        lambda: api.get_events(store, "s"),
        lambda: api.remove_store(store),
        lambda: api.get_store_status(store),
    ):
        with refused(StoreNotFoundError, store=store):
            await call()
    await api.create_store(store)
    assert await api.get_version(store, "s") == -1
    assert await api.list_snapshots(store) == []
    assert (await api.append_events(store, "s", numbered(1))).position == 1


async def test_status_counts_what_a_store_holds(api: GaterApi, store: str, way: Way) -> None:
    empty = await api.get_store_status(store)
    assert (empty.store, empty.state, empty.durability, empty.reason) == (store, "running", way.durability, "")
    assert (empty.position, empty.streams, empty.event_types, empty.snapshots, empty.subscribers) == (0, 0, 0, 0, 0)
    await api.append_events(store, "a", [*numbered(2), *numbered(1, event_type="Other")])
    await api.append_events(store, "b", numbered(1))
    await api.record_snapshot(store, "a", "b", 1, {"data": 1})
    await api.delete_stream(store, "b")
    status = await api.get_store_status(store)
    assert (status.position, status.streams, status.event_types, status.snapshots) == (4, 2, 2, 1)
    assert status.waiting_commands == 0
    assert status.file_bytes > 0
