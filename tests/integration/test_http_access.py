"""Tokens and scopes over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gater.config.tokens import Token
from tests.integration.served import ORDERS, failure, served

TOKENS = (
    Token(token="reader-token", scopes=("read",), name="reader"),
    Token(token="writer-token", scopes=("append",), stores=("orders",), stream_prefix="order-"),
    Token(token="follower-token", scopes=("subscribe",)),
    Token(token="keeper-token", scopes=("admin",)),
)
EVENT = [{"event_type": "T"}]


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}-token"}


async def test_caller_without_a_token_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        for path in ("/v1/stores", f"{ORDERS}/events", f"{ORDERS}/subscribe", f"{ORDERS}/backup"):
            answer = await client.get(path)
            failure(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        failure(await client.get("/v1/stores", headers={"Authorization": "Bearer wrong-token"}), 401, "unauthenticated")
        failure(await client.get(f"{ORDERS}/events?count=x"), 401, "unauthenticated")


async def test_health_and_description_need_no_token(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        for path in ("/health/live", "/health/ready", "/openapi.json", "/docs"):
            assert (await client.get(path)).status_code == 200


async def test_token_does_what_its_scopes_say(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        path = f"{ORDERS}/streams/order-1/events"
        assert (await client.post(path, json=EVENT, headers=bearer("writer"))).status_code == 201
        assert (await client.get(path, headers=bearer("reader"))).status_code == 200
        assert (await client.post(f"{ORDERS}/verify", headers=bearer("keeper"))).status_code == 200
        async with client.stream("GET", f"{ORDERS}/subscribe", headers=bearer("follower")) as answer:
            assert answer.status_code == 200
        details = failure(await client.get(path, headers=bearer("writer")), 403, "permission_denied")
        assert details == {"operation": "get_version", "scope": "read"}
        for denied in (
            client.post(path, json=EVENT, headers=bearer("reader")),
            client.delete(ORDERS, headers=bearer("reader")),
            client.get(f"{ORDERS}/backup", headers=bearer("reader")),
            client.get(f"{ORDERS}/subscribe", headers=bearer("reader")),
            client.get(path, headers=bearer("keeper")),
        ):
            failure(await denied, 403, "permission_denied")


async def test_token_stays_within_its_stores_and_prefix(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS, stores=("orders", "billing")) as client:
        both: Any = {"appends": [{"stream_id": name, "events": EVENT} for name in ("order-1", "bill-1")]}
        for path, body in (
            (f"{ORDERS}/streams/bill-1/events", EVENT),
            ("/v1/stores/billing/streams/order-1/events", EVENT),
            (f"{ORDERS}/append", both),
        ):
            failure(await client.post(path, json=body, headers=bearer("writer")), 403, "permission_denied")
        assert (await client.get(f"{ORDERS}/streams", headers=bearer("reader"))).json()["streams"] == []


async def test_page_of_another_site_may_not_write_to_an_open_node(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        path, origin = f"{ORDERS}/streams/order-1/events", {"Origin": "https://evil.example"}
        failure(await client.post(path, json=EVENT, headers=origin), 403, "permission_denied")
        failure(await client.get(path, headers={"Host": "evil.example"}), 403, "permission_denied")
        assert (await client.get(path)).json()["events"] == []
