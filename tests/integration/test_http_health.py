"""Health, and the description of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gater.config.tokens import Token
from gater.gateway.gateway import Gateway
from tests.integration.served import failure, served


async def test_node_is_live_and_ready(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.get("/health/ready")).json() == {"status": "ready"}


@pytest.mark.parametrize("state", ["read_only", "corrupt"])
async def test_store_in_trouble_makes_the_node_unready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    async with served(tmp_path) as client:
        monkeypatch.setattr(Gateway, "states", lambda _: {"orders": (state, "disk full")})
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


async def test_readiness_names_stores_to_those_who_may_ask_for_their_status(tmp_path: Path) -> None:
    tokens = (
        Token(token="reader-token", scopes=("read",)),
        Token(token="writer-token", scopes=("append",)),
        Token(token="billing-token", scopes=("read",), stores=("billing",)),
        Token(token="prefix-token", scopes=("read",), stream_prefix="bill-"),
    )
    async with served(tmp_path, stores=("orders", "broken")):
        pass
    (tmp_path / "data" / "broken.db").write_bytes(b"this is no store file" * 1_000)
    async with served(tmp_path, tokens=tokens) as client:
        for name in ("", "writer-token", "billing-token", "prefix-token", "wrong-token"):
            headers = {"Authorization": f"Bearer {name}"} if name else {}
            answer = await client.get("/health/ready", headers=headers)
            assert failure(answer, 503, "store_unavailable") == {"reasons": [{"state": "corrupt", "count": 1}]}
            assert "broken" not in answer.text
        answer = await client.get("/health/ready", headers={"Authorization": "Bearer reader-token"})
        (reason,) = failure(answer, 503, "store_unavailable")["reasons"]
        assert (reason["store"], reason["state"]) == ("broken", "corrupt")


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
