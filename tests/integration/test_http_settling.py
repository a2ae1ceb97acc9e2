"""Processing a durable subscription over HTTP: pulled, acknowledged or not, parked, replayed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from gater.server.http import parked, settling
from tests.integration.served import ORDERS, append, client_of, failure, node, served

BILLING = f"{ORDERS}/subscriptions/billing"


async def save(client: httpx.AsyncClient, **settings: Any) -> None:
    answer = await client.put(BILLING, json={"selector": {"by_stream": "$all"}, "settings": settings})
    assert answer.status_code == 200, answer.text


async def post(client: httpx.AsyncClient, route: str, body: Any) -> Any:
    answer = await client.post(f"{BILLING}/{route}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def pull(client: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    deliveries: list[dict[str, Any]] = (await post(client, "pull", body))["deliveries"]
    return deliveries


def receipts(deliveries: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    named = [{"position": one["event"]["position"], "receipt": one["receipt"], **more} for one in deliveries]
    return {"deliveries": named}


async def info(client: httpx.AsyncClient) -> Any:
    return (await client.get(BILLING)).json()


async def park(client: httpx.AsyncClient) -> None:
    """Park everything, and return when it is parked."""
    deliveries = await pull(client)
    await post(client, "nack", receipts(deliveries, action="park", reason="broken"))
    async with asyncio.timeout(5):
        while (await info(client))["parked"] < len(deliveries):
            await asyncio.sleep(0.01)


async def test_pulled_event_has_every_field(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        await append(client, "a", "A")
        (delivery,) = await pull(client)
        assert set(delivery) == {"event", "attempt", "receipt"}
        assert delivery["attempt"] == 1
        assert delivery["event"] == (await client.get(f"{ORDERS}/events")).json()["events"][0]
        assert await pull(client) == []


async def test_acknowledged_events_move_the_checkpoint(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        await append(client, "a", "A", "B")
        await append(client, "b", "C")
        deliveries = await pull(client, count=3)
        assert await post(client, "ack", receipts(deliveries)) == {"settled": len(deliveries), "failed": []}
        assert await post(client, "ack", receipts(deliveries)) == {"settled": len(deliveries), "failed": []}
        rest = await pull(client)
        await post(client, "ack", receipts(rest))
        assert len(deliveries) + len(rest) == 3
        shown = await info(client)
        assert (shown["acked"], shown["lag"], shown["in_flight"]) == (3, 0, 0)


async def test_what_is_not_in_flight_is_told_with_the_reason(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        await append(client, "a", "A")
        old = receipts(await pull(client))
        await post(client, "nack", {"deliveries": [{**old["deliveries"][0], "delay": 0}]})
        (again,) = await pull(client, wait=5)
        assert again["attempt"] == 2
        body = {"deliveries": [*old["deliveries"], {"position": 9, "receipt": 1}, *receipts([again])["deliveries"]]}
        failed = [{"position": 1, "why": "stale"}, {"position": 9, "why": "unknown"}]
        assert await post(client, "ack", body) == {"settled": 1, "failed": failed}


async def test_delivery_is_settled_by_its_position_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        await append(client, "a", "A")
        await pull(client)
        assert await post(client, "ack", {"deliveries": [{"position": 1}]}) == {"settled": 1, "failed": []}


async def test_refused_events_are_retried_parked_or_let_go(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        for stream in ("a", "b", "c"):
            await append(client, stream, "T")
        retried, dropped, set_aside = await pull(client)
        deliveries = [
            *receipts([retried], action="retry", delay=0)["deliveries"],
            *receipts([dropped], action="skip")["deliveries"],
            *receipts([set_aside], action="park", reason="broken")["deliveries"],
        ]
        assert await post(client, "nack", {"deliveries": deliveries}) == {"settled": 3, "failed": []}
        (again,) = await pull(client, wait=5)
        assert (again["event"]["position"], again["attempt"]) == (1, 2)
        async with asyncio.timeout(5):
            while not (found := (await client.get(f"{BILLING}/parked")).json()["parked"]):
                await asyncio.sleep(0.01)
        assert [(one["position"], one["reason"], one["replaying"]) for one in found] == [(3, "broken", False)]


async def test_stop_gives_back_what_was_pulled(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        for stream in ("a", "b"):
            await append(client, stream, "T")
        pulled = await pull(client)
        await post(client, "nack", receipts(pulled[:1], action="stop"))
        again = await pull(client)
        assert [(one["event"]["position"], one["attempt"]) for one in again] == [(1, 1), (2, 1)]


async def test_pull_waits_for_the_first_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "STEP_SECONDS", 0.05)
    async with served(tmp_path) as client:
        await save(client)
        waiting = asyncio.create_task(pull(client, wait=10))
        async with asyncio.timeout(5):
            while not (await info(client))["consumers"]:
                await asyncio.sleep(0.01)
        await append(client, "a", "A")
        assert [one["event"]["event_type"] for one in await waiting] == ["A"]


async def test_event_is_not_lost_on_a_caller_that_has_hung_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path) as client:
        await save(client)
        waiting = asyncio.create_task(pull(client, wait=30))
        async with asyncio.timeout(5):
            while not (await info(client))["consumers"]:
                await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        await append(client, "a", "A")
        assert [one["event"]["event_type"] for one in await pull(client, wait=10)] == ["A"]


async def test_stopping_node_ends_a_waiting_pull(tmp_path: Path) -> None:
    running = node(tmp_path, drain_timeout=30)
    async with running, client_of(running) as client:
        await save(client)
        waiting = asyncio.create_task(pull(client, wait=60))
        async with asyncio.timeout(10):
            while not (await info(client))["consumers"]:
                await asyncio.sleep(0.01)
            running.stop()
            await running.serve()
            assert await waiting == []


@pytest.mark.parametrize(
    ("route", "body", "code"),
    [
        ("pull", {"count": 0}, "invalid_count"),
        ("pull", {"count": "all"}, "validation_error"),
        ("pull", {"wait": -1}, "invalid_argument"),
        ("pull", {"wait": 61}, "invalid_argument"),
        ("pull", {"wait": "long"}, "validation_error"),
        ("pull", {"colour": 1}, "validation_error"),
        ("pull", [], "validation_error"),
        ("ack", {}, "validation_error"),
        ("ack", {"deliveries": {}}, "validation_error"),
        ("ack", {"deliveries": [{}]}, "validation_error"),
        ("ack", {"deliveries": [{"position": -1}]}, "invalid_argument"),
        ("ack", {"deliveries": [{"position": 1, "receipt": -1}]}, "invalid_argument"),
        ("ack", {"deliveries": [{"position": 1, "receipt": 1 << 63}]}, "invalid_argument"),
        ("ack", {"deliveries": [{"position": 1, "action": "retry"}]}, "validation_error"),
        ("ack", {"deliveries": [{"position": 1}] * 5_001}, "request_too_large"),
        ("nack", {"deliveries": [{"position": -1}]}, "invalid_argument"),
        ("nack", {"deliveries": [{"position": 1, "action": "burn"}]}, "invalid_argument"),
        ("nack", {"deliveries": [{"position": 1, "action": 2}]}, "validation_error"),
        ("nack", {"deliveries": [{"position": 1, "delay": -1}]}, "invalid_argument"),
        ("nack", {"deliveries": [{"position": 1, "delay": 1e9}]}, "invalid_argument"),
        ("nack", {"deliveries": [{"position": 1, "delay": "soon"}]}, "validation_error"),
        ("nack", {"deliveries": [{"position": 1, "reason": 5}]}, "validation_error"),
        ("parked/replay", {"positions": [-1]}, "invalid_argument"),
        ("parked/replay", {"positions": 1}, "validation_error"),
        ("parked/replay", {"positions": [1] * 10_001}, "request_too_large"),
        ("parked/discard", {"positions": ["1"]}, "validation_error"),
        ("parked/discard", {"all": True}, "validation_error"),
    ],
)
async def test_wrong_body_is_refused(tmp_path: Path, route: str, body: Any, code: str) -> None:
    async with served(tmp_path) as client:
        await save(client)
        status = 413 if code == "request_too_large" else 400
        failure(await client.post(f"{BILLING}/{route}", json=body), status, code)


async def test_parked_events_are_listed_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "STEP", 2)
    async with served(tmp_path) as client:
        await save(client)
        for stream in "abcde":
            await append(client, stream, "T")
        await park(client)

        async def listed(**query: Any) -> tuple[list[int], int | None]:
            page = (await client.get(f"{BILLING}/parked", params=query)).json()
            return [one["position"] for one in page["parked"]], page["next"]

        assert await listed() == ([1, 2, 3, 4, 5], None)
        assert await listed(limit=3) == ([1, 2, 3], 3)
        assert await listed(limit=3, after=3) == ([4, 5], None)
        assert await listed(limit=5) == ([1, 2, 3, 4, 5], None)
        assert await listed(after=5) == ([], None)
        monkeypatch.setattr(parked, "MOST_BYTES", 1)
        assert await listed() == ([1, 2], 2)
        for query, code in (({"limit": 0}, "invalid_count"), ({"after": -1}, "invalid_argument")):
            failure(await client.get(f"{BILLING}/parked", params=query), 400, code)


async def test_parked_event_whose_stream_is_deleted_has_none(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        await append(client, "a", "T")
        await park(client)
        assert (await client.delete(f"{ORDERS}/streams/a?confirm=a")).status_code == 200
        (one,) = (await client.get(f"{BILLING}/parked")).json()["parked"]
        assert (one["position"], one["event"]) == (1, None)


async def test_parked_events_are_replayed_or_discarded(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        for stream in "abc":
            await append(client, stream, "T")
        await park(client)
        assert await post(client, "parked/replay", {"positions": [2]}) == {"replayed": 1}
        (again,) = await pull(client, wait=5)
        assert again["event"]["position"] == 2
        assert await post(client, "parked/discard", {"positions": [1]}) == {"discarded": 1}
        failure(await client.post(f"{BILLING}/parked/discard", json={"positions": [1]}), 404, "not_found")
        assert await post(client, "parked/replay", {"positions": []}) == {"replayed": 0}
        assert await post(client, "parked/discard", {}) == {"discarded": 1}
