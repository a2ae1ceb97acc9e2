"""Listing the streams of a store."""

from __future__ import annotations

from typing import Any

import pytest

from gater import GaterApi, InvalidArgumentError, InvalidCountError, StoreNotFoundError, StreamAppend
from tests.contract.samples import numbered, refused


async def make(api: GaterApi, store: str, names: list[str]) -> None:
    for first in range(0, len(names), 500):
        await api.append_streams(store, [StreamAppend(name, numbered(1)) for name in names[first : first + 500]])


async def test_streams_come_in_byte_order(api: GaterApi, store: str) -> None:
    names = ["b", "a", "B", "a-10", "a-9", "ä", "日本", "z", "~", "\U0001f600", "a b"]
    await make(api, store, names)
    assert await api.get_streams(store) == sorted(names, key=str.encode)


async def test_prefix_after_and_limit_narrow_the_list(api: GaterApi, store: str) -> None:
    await make(api, store, ["a-1", "a-2", "a-3", "b-1", "ab", "a"])
    assert await api.get_streams(store, "a-") == ["a-1", "a-2", "a-3"]
    assert await api.get_streams(store, "a-", "a-1") == ["a-2", "a-3"]
    assert await api.get_streams(store, "a-", "a-1", 1) == ["a-2"]
    assert await api.get_streams(store, after="a-3") == ["ab", "b-1"]
    assert await api.get_streams(store, after="a-25", limit=10) == ["a-3", "ab", "b-1"]
    assert await api.get_streams(store, limit=2) == ["a", "a-1"]
    assert await api.get_streams(store, "c") == []
    assert await api.get_streams(store, "a-", "b") == []
    assert await api.get_streams(store, "a-1") == ["a-1"]
    assert await api.get_streams(store, "", "") == ["a", "a-1", "a-2", "a-3", "ab", "b-1"]


@pytest.mark.parametrize("character", ["%", "_", "*", "'", '"', "\\", "\U0010ffff", "�", "\uffff", " "])
async def test_a_prefix_is_taken_literally(api: GaterApi, store: str, character: str) -> None:
    names = [f"s{character}", f"s{character}1", f"s{character}{character}", f"s{character}\U0010ffffz"]
    await make(api, store, [*names, "s", "sx", "t"])
    assert await api.get_streams(store, f"s{character}") == sorted(names, key=str.encode)


async def test_long_lists_are_whole(api: GaterApi, store: str) -> None:
    names = [f"s-{number:05}" for number in range(2_500)]
    await make(api, store, names)
    assert await api.get_streams(store) == names
    assert await api.get_streams(store, limit=1_500) == names[:1_500]
    assert await api.get_streams(store, limit=1_000) == names[:1_000]
    assert await api.get_streams(store, "s-02") == names[2_000:]
    assert await api.get_streams(store, limit=(1 << 63) - 1) == names


async def test_deleted_streams_are_not_listed(api: GaterApi, store: str) -> None:
    await make(api, store, ["kept", "deleted", "closed", "revived", "truncated"])
    await api.delete_stream(store, "deleted")
    await api.delete_stream(store, "closed", tombstone=True)
    await api.delete_stream(store, "unknown", tombstone=True)
    await api.delete_stream(store, "revived")
    await api.append_events(store, "revived", numbered(1))
    await api.truncate_stream(store, "truncated", 1)
    assert await api.get_streams(store) == ["kept", "revived", "truncated"]


async def test_streams_behind_many_deleted_ones_are_listed(
    api: GaterApi, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gater.store.reader.STREAMS_AT_ONCE", 2)
    await make(api, store, [f"s-{number}" for number in range(9)])
    for number in (0, 1, 2, 3, 5, 6, 7):
        await api.delete_stream(store, f"s-{number}")
    assert await api.get_streams(store) == ["s-4", "s-8"]
    assert await api.get_streams(store, limit=1) == ["s-4"]
    assert await api.get_streams(store, "s-4") == ["s-4"]
    assert await api.get_streams(store, after="s-4", limit=1) == ["s-8"]
    assert await api.get_streams(store, "s-5") == []


@pytest.mark.parametrize("limit", [0, -1, "5", 1.0, True, 1 << 63])
async def test_a_limit_below_one_is_refused(api: GaterApi, store: str, limit: Any) -> None:
    with refused(InvalidCountError, value=limit):
        await api.get_streams(store, limit=limit)


@pytest.mark.parametrize("value", ["a\x00b", "x" * 256])
async def test_a_prefix_or_after_that_no_stream_id_can_have_is_refused(api: GaterApi, store: str, value: Any) -> None:
    with refused(InvalidArgumentError, argument="prefix"):
        await api.get_streams(store, value)
    with refused(InvalidArgumentError, argument="after"):
        await api.get_streams(store, after=value)


async def test_an_unknown_store_is_refused(api: GaterApi) -> None:
    with refused(StoreNotFoundError, store="nowhere"):
        await api.get_streams("nowhere")
    with refused(StoreNotFoundError, store="nowhere"):
        await api.get_version("nowhere", "s")
    with refused(StoreNotFoundError, store="nowhere"):
        await api.get_events("nowhere", "s")
