"""A node one of whose stores is missing says so by every way out, and never makes an empty one in its place."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.served import ORDERS, append, failure, served


@pytest.mark.parametrize("stores", [("orders",), ()])
async def test_node_with_a_missing_store_is_not_ready_and_makes_none(tmp_path: Path, stores: tuple[str, ...]) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "T")
    (tmp_path / "data" / "orders.db").unlink()
    async with served(tmp_path, stores=(*stores, "other")) as client:
        (reason,) = failure(await client.get("/health/ready"), 503, "store_unavailable")["reasons"]
        assert (reason["store"], reason["state"]) == ("orders", "corrupt")
        assert "orders.db is missing" in reason["reason"]
        for _ in range(2):
            details = failure(await client.post("/v1/stores", json={"store": "orders"}), 500, "store_corrupt")
            assert "orders.db is missing" in details["reason"]
        failure(await client.get(f"{ORDERS}/events"), 500, "store_corrupt")
        await append(client, "a", "T", store="other")
    assert not (tmp_path / "data" / "orders.db").exists()


async def test_node_whose_store_vanishes_is_not_ready_and_acknowledges_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "T")
        (tmp_path / "data" / "orders.db").unlink()
        answer = await client.post(f"{ORDERS}/streams/a/events", json={"events": [{"event_type": "T", "data": 1}]})
        assert "orders.db was removed" in failure(answer, 503, "store_unavailable")["reason"]
        (reason,) = failure(await client.get("/health/ready"), 503, "store_unavailable")["reasons"]
        assert (reason["store"], reason["state"]) == ("orders", "read_only")
        assert len((await client.get(f"{ORDERS}/events")).json()["events"]) == 1
        assert len((await client.get(f"{ORDERS}/backup")).content) > 10_000


async def test_command_does_not_make_a_store_in_the_place_of_a_missing_one(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "T")
    (tmp_path / "data" / "orders.db").unlink()
    command = [sys.executable, "-m", "gater", "stores", "create", "orders", "--data-dir", str(tmp_path / "data")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "store_corrupt" in done.stderr
    assert "orders.db is missing" in done.stderr
    assert not (tmp_path / "data" / "orders.db").exists()
