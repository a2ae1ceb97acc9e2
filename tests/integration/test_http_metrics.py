"""The page of figures over HTTP: it parses, says what was done, and is for those who may read."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gater.config.tokens import Token
from gater.model.events import EVENT_WEIGHT
from tests.integration.served import ORDERS, append, failure, served

TOKENS = (
    Token(token="reader-token", scopes=("read",)),
    Token(token="writer-token", scopes=("append",)),
    Token(token="keeper-token", scopes=("admin",)),
    Token(token="billing-token", scopes=("read",), stream_prefix="bill-"),
    Token(token="orders-token", scopes=("read",), stores=("orders",)),
)


async def page(client: httpx.AsyncClient, **options: object) -> dict[str, Metric]:
    """The figures by name."""
    answer = await client.get("/metrics", **options)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def values(family: Metric, name: str, **labels: str) -> list[float]:
    """The samples of this name that have these labels among theirs."""
    return [
        sample.value for sample in family.samples if sample.name == name and labels.items() <= sample.labels.items()
    ]


async def test_page_says_what_was_done(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "T", "T")
        await append(client, "b", "T")
        failure(await client.get("/v1/stores/nowhere/streams/a/events"), 404, "store_not_found")
        found = await page(client)
    assert values(found["gater_api_calls"], "gater_api_calls_total", operation="append_streams") == [2]
    assert values(found["gater_store_events"], "gater_store_events_total", store="orders") == [3]
    assert values(found["gater_api_errors"], "gater_api_errors_total", code="store_not_found") == [1]
    assert all(family.documentation for family in found.values())


async def test_page_tells_of_subscriptions_that_are_at_work(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "T", "T")
        body = {"selector": {"by_stream": "$all"}}
        assert (await client.put(f"{ORDERS}/subscriptions/mail", json=body)).status_code == 200
        assert (await client.get(f"{ORDERS}/subscriptions/mail")).status_code == 200
        found = await page(client)
    lag = found["gater_subscription_lag_events"]
    assert values(lag, "gater_subscription_lag_events", store="orders", subscription="mail") == [2]


async def test_page_tells_of_the_shares_of_the_memory(tmp_path: Path) -> None:
    async with served(tmp_path, max_memory=160 << 20) as client:
        await append(client, "a", *["T"] * 10)
        subscription = f"{ORDERS}/subscriptions/mail"
        assert (await client.put(subscription, json={"selector": {"by_stream": "$all"}})).status_code == 200
        assert (await client.post(f"{subscription}/pull", json={"count": 1, "wait": 10})).status_code == 200
        found = await page(client)
    limits, used, refused = (found[f"gater_memory_{name}"] for name in ("limit_bytes", "used_bytes", "refused"))
    mebibytes = {"requests": 64, "answers": 30, "groups": 30, "followers": 10, "messages": 30}
    for share, limit in mebibytes.items():
        assert values(limits, limits.name, share=share) == [limit << 20]
        assert values(refused, f"{refused.name}_total", share=share) == [0]
    assert values(used, used.name, share="answers") == values(used, used.name, share="requests") == [0]
    assert 10 * EVENT_WEIGHT < values(used, used.name, share="followers")[0] < 20 * EVENT_WEIGHT
    assert 10 * EVENT_WEIGHT < values(used, used.name, share="groups")[0] < 20 * EVENT_WEIGHT


async def test_page_is_for_who_may_read_everything(tmp_path: Path) -> None:
    async with served(tmp_path, tokens=TOKENS) as client:
        failure(await client.get("/metrics"), 401, "unauthenticated")
        assert await page(client, headers={"Authorization": "Bearer reader-token"})
        for name in ("writer", "keeper", "billing", "orders"):
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {name}-token"})
            failure(answer, 403, "permission_denied")
