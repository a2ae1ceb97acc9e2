"""Snapshots over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import ORDERS, failure, served

SNAPSHOTS = f"{ORDERS}/snapshots"


async def test_snapshot_is_kept_read_and_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        body = {
            "data": {"total": 12},
            "metadata": {"by": "me"},
            "source_type": "order",
            "created_epoch": 1_700_000_000_000,
        }
        answer = await client.put(f"{SNAPSHOTS}/cart/order-1/7", json=body)
        assert answer.status_code == 200, answer.text
        read = (await client.get(f"{SNAPSHOTS}/cart/order-1/7")).json()
        assert read == {
            "source_uuid": "cart",
            "stream_uuid": "order-1",
            "version": 7,
            "source_type": "order",
            "source_version": 7,
            "data": {"total": 12},
            "content_type": "application/json",
            "metadata": {"by": "me"},
            "created_at": "2023-11-14T22:13:20Z",
            "created_epoch": 1_700_000_000_000,
        }
        for _ in range(2):
            assert (await client.delete(f"{SNAPSHOTS}/cart/order-1/7")).status_code == 204
        failure(await client.get(f"{SNAPSHOTS}/cart/order-1/7"), 404, "not_found")


async def test_newest_snapshot_needs_no_version(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for version in (3, 10, 7):
            await client.put(f"{SNAPSHOTS}/cart/order-1/{version}", json={"data": version})
        assert (await client.get(f"{SNAPSHOTS}/cart/order-1")).json()["data"] == 10
        failure(await client.get(f"{SNAPSHOTS}/cart/order-2"), 404, "not_found")


async def test_snapshots_are_listed_by_source_and_stream(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for source, stream, version in (("b", "x", 1), ("a", "x", 2), ("a", "y", 1), ("a", "x", 1)):
            await client.put(f"{SNAPSHOTS}/{source}/{stream}/{version}", json={"data": None})

        async def listed(**query: Any) -> Any:
            found = (await client.get(SNAPSHOTS, params=query)).json()["snapshots"]
            return [(each["source_uuid"], each["stream_uuid"], each["version"]) for each in found]

        assert await listed() == [("a", "x", 1), ("a", "x", 2), ("a", "y", 1), ("b", "x", 1)]
        assert await listed(source_uuid="a", stream_uuid="x") == [("a", "x", 1), ("a", "x", 2)]
        assert await listed(stream_uuid="x") == [("a", "x", 1), ("a", "x", 2), ("b", "x", 1)]
        failure(await client.get(SNAPSHOTS, params={"source": "a"}), 400, "invalid_argument")


async def test_binary_snapshot_is_base64(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        body = {"data": "AAH/", "content_type": "application/octet-stream", "created_at": "2024-01-02T03:04:05Z"}
        await client.put(f"{SNAPSHOTS}/cart/order%2F1/0", json=body)
        read = (await client.get(f"{SNAPSHOTS}/cart/order%2F1/0")).json()
        assert (read["data"], read["stream_uuid"], read["created_at"]) == ("AAH/", "order/1", "2024-01-02T03:04:05Z")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("cart/order-1/-1", {"data": 1}, "invalid_argument"),
        ("cart/order-1/one", {"data": 1}, "invalid_argument"),
        ("cart/order-1/1", {}, "validation_error"),
        ("cart/order-1/1", {"data": 1, "more": 1}, "validation_error"),
        ("cart/order-1/1", {"data": 1, "metadata": [1]}, "validation_error"),
        ("cart/order-1/1", {"data": 1, "created_at": "yesterday"}, "validation_error"),
        ("cart/order-1/1", {"data": 1, "created_epoch": -1}, "validation_error"),
        ("cart/order-1/1", {"data": "x", "content_type": "image/jpeg"}, "validation_error"),
        ("ca%00rt/order-1/1", {"data": 1}, "invalid_argument"),
    ],
)
async def test_wrong_snapshot_is_refused(tmp_path: Path, path: str, body: Any, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.put(f"{SNAPSHOTS}/{path}", json=body), 400, code)
        assert (await client.get(SNAPSHOTS)).json() == {"snapshots": []}
