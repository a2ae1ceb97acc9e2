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
    Token(token="billing-token", scopes=("subscribe", "read", "admin"), stream_prefix="bill-"),
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
        assert details == {"operation": "read_stream", "scope": "read"}
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


async def test_subscriptions_need_their_scopes(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        path, body = f"{ORDERS}/subscriptions/billing", {"selector": {"by_stream": "$all"}}
        failure(await client.put(path, json=body, headers=bearer("reader")), 403, "permission_denied")
        assert (await client.put(path, json=body, headers=bearer("follower"))).status_code == 200
        for answer in (
            client.get(f"{ORDERS}/subscriptions", headers=bearer("reader")),
            client.get(path, headers=bearer("reader")),
            client.post(f"{path}/pull", json={}, headers=bearer("reader")),
            client.post(f"{path}/ack", json={"deliveries": []}, headers=bearer("reader")),
            client.post(f"{path}/nack", json={"deliveries": []}, headers=bearer("reader")),
            client.get(f"{path}/parked", headers=bearer("reader")),
            client.post(f"{path}/parked/replay", json={}, headers=bearer("reader")),
            client.post(f"{path}/parked/discard", json={}, headers=bearer("follower")),
            client.post(f"{path}/rewind", json={"position": 1}, headers=bearer("follower")),
            client.delete(path, headers=bearer("follower")),
            client.delete(path, headers=bearer("keeper")),
        ):
            failure(await answer, 403, "permission_denied")
        assert (await client.post(f"{path}/rewind", json={"position": 1}, headers=bearer("keeper"))).status_code == 200
        assert (await client.post(f"{path}/pull", json={}, headers=bearer("follower"))).status_code == 200


async def test_confined_token_reaches_subscriptions_within_its_prefix(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        inside, outside = f"{ORDERS}/subscriptions/inside", f"{ORDERS}/subscriptions/outside"
        bills: Any = {"selector": {"all_of": [{"stream_prefix": "bill-"}, {"by_event_type": "Paid"}]}}
        paid: Any = {"selector": {"by_event_type": "Paid"}}
        assert (await client.put(outside, json=paid, headers=bearer("follower"))).status_code == 200
        failure(await client.put(inside, json=paid, headers=bearer("billing")), 403, "permission_denied")
        assert (await client.put(inside, json=bills, headers=bearer("billing"))).status_code == 200
        for method, route, body, status in (
            ("GET", "", None, 200),
            ("POST", "/pull", {}, 200),
            ("POST", "/ack", {"deliveries": []}, 200),
            ("GET", "/parked", None, 200),
            ("POST", "/parked/replay", {}, 200),
            ("POST", "/parked/discard", {}, 200),
            ("POST", "/rewind", {"position": 1}, 200),
            ("DELETE", "", None, 204),
        ):
            confirmed = {"confirm": "inside"} if method == "DELETE" else {}
            answer = await client.request(
                method, inside + route, params=confirmed, json=body, headers=bearer("billing")
            )
            assert answer.status_code == status, answer.text
            denied = await client.request(method, outside + route, json=body, headers=bearer("billing"))
            failure(denied, 403, "permission_denied")
        failure(await client.get(f"{ORDERS}/subscriptions", headers=bearer("billing")), 403, "permission_denied")
        failure(await client.get(inside, headers=bearer("billing")), 404, "subscription_not_found")


async def test_confined_token_follows_and_reads_what_lies_within_its_prefix(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        within, beyond = (
            '{"stream_prefix": "bill-1"}',
            '{"any_of": [{"by_stream": "bill-1"}, {"by_stream": "order-1"}]}',
        )
        for path in (f"{ORDERS}/events", f"{ORDERS}/subscribe"):
            async with client.stream("GET", path, params={"where": within}, headers=bearer("billing")) as answer:
                assert answer.status_code == 200
            failure(
                await client.get(path, params={"where": beyond}, headers=bearer("billing")), 403, "permission_denied"
            )
            failure(await client.get(path, headers=bearer("billing")), 403, "permission_denied")
        lines = {**bearer("billing"), "Accept": "application/x-ndjson"}
        assert (await client.get(f"{ORDERS}/events", params={"where": within}, headers=lines)).status_code == 200
        failure(await client.get(f"{ORDERS}/events", params={"where": beyond}, headers=lines), 403, "permission_denied")
