"""Health, and the description of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gater.gateway.gateway import Gateway
from gater.model.stores import StoreStatus
from tests.integration.served import failure, served


async def test_node_is_live_and_ready(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).json() == {"status": "ready"}


@pytest.mark.parametrize("state", ["read_only", "corrupt"])
async def test_store_in_trouble_makes_the_node_unready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    sound = Gateway.statuses

    def troubled(gateway: Gateway) -> list[StoreStatus]:
        return [msgspec.structs.replace(status, state=state, reason="disk full") for status in sound(gateway)]

    async with served(tmp_path) as client:
        monkeypatch.setattr(Gateway, "statuses", troubled)
        details = failure(await client.get("/health/ready"), 503, "store_unavailable")
        assert details == {"reasons": [{"store": "orders", "state": state, "reason": "disk full"}]}
        assert (await client.get("/health/live")).status_code == 200


async def test_damaged_store_makes_the_node_unready_and_the_others_work(tmp_path: Path) -> None:
    async with served(tmp_path, stores=("orders", "broken")):
        pass
    (tmp_path / "data" / "broken.db").write_bytes(b"this is no store file" * 1_000)
    async with served(tmp_path) as client:
        (reason,) = failure(await client.get("/health/ready"), 503, "store_unavailable")["reasons"]
        assert (reason["store"], reason["state"]) == ("broken", "corrupt")
        failure(await client.get("/v1/stores/broken/events"), 500, "store_corrupt")
        assert (await client.get("/v1/stores/orders/events")).status_code == 200


async def test_description_is_served_as_json_and_as_a_page(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        document: Any = (await client.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert "/v1/stores/{store}/streams/{stream_id}/events" in document["paths"]
        for path in ("/docs", "/"):
            page = await client.get(path)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert "/v1/stores/{store}/streams/{stream_id}/events" in page.text
