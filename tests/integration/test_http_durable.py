"""Durable subscriptions over HTTP: saved, listed, removed, moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.served import ORDERS, append, failure, served

SUBSCRIPTIONS = f"{ORDERS}/subscriptions"
BILLING = f"{SUBSCRIPTIONS}/billing"
EVERYTHING = {"by_stream": "$all"}


async def save(client: httpx.AsyncClient, path: str = BILLING, **body: Any) -> Any:
    answer = await client.put(path, json={"selector": EVERYTHING, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_saved_subscription_is_shown_with_its_selector(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        selector = {"all_of": [{"stream_prefix": "order-"}, {"by_event_payload": {"paid": True}}]}
        saved = await save(client, selector=selector, start_from=3, settings={"max_retries": 2, "backoff": [0.5]})
        assert saved.pop("created_epoch") == saved.pop("updated_epoch") > 1_600_000_000_000_000
        settings = saved.pop("settings")
        assert (settings["max_retries"], settings["backoff"], settings["ordering"]) == (2, [0.5], "key")
        assert saved == {"name": "billing", "selector": selector, "start_from": 3}
        shown = (await client.get(BILLING)).json()
        assert (shown["selector"], shown["settings"], shown["state"]) == (selector, settings, "idle")


async def test_subscriptions_are_listed_by_name(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await client.get(SUBSCRIPTIONS)).json() == {"subscriptions": []}
        for name in ("billing", "audit", "a%2Fb"):
            await save(client, f"{SUBSCRIPTIONS}/{name}")
        listed = (await client.get(SUBSCRIPTIONS)).json()["subscriptions"]
        assert [one["name"] for one in listed] == ["a/b", "audit", "billing"]
        assert listed[2] == (await client.get(BILLING)).json()
        assert (await client.get(f"{SUBSCRIPTIONS}/a%2Fb")).json()["name"] == "a/b"


async def test_saving_again_changes_settings_and_refuses_another_selector(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client)
        await save(client, settings={"ack_timeout": 5})
        assert (await client.get(BILLING)).json()["settings"]["ack_timeout"] == 5.0
        other = await client.put(BILLING, json={"selector": {"by_event_type": "T"}})
        failure(other, 409, "already_exists")


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"selector": {}}, "invalid_argument", "selector"),
        ({"selector": {"by_stream": "a", "by_event_type": "b"}}, "invalid_argument", "selector"),
        ({"selector": {"by_magic": "a"}}, "invalid_argument", "selector"),
        ({"selector": {"by_stream": 7}}, "invalid_argument", "selector"),
        ({"selector": {"any_of": []}}, "invalid_argument", "selector"),
        ({"selector": {"by_event_pattern": {"colour": 1}}}, "validation_error", "colour"),
        ({"selector": {"by_event_payload": []}}, "validation_error", "selector"),
        ({"selector": "$all"}, "validation_error", "body"),
        ({"selector": EVERYTHING, "start_from": -2}, "invalid_start_version", None),
        ({"selector": EVERYTHING, "start_from": "now"}, "validation_error", "body"),
        ({"selector": EVERYTHING, "colour": 1}, "validation_error", "body"),
        ({"selector": EVERYTHING, "settings": []}, "validation_error", "body"),
        ({"selector": EVERYTHING, "settings": {"colour": 1}}, "validation_error", "colour"),
        ({"selector": EVERYTHING, "settings": {"ack_timeout": 0}}, "validation_error", "ack_timeout"),
        ({"selector": EVERYTHING, "settings": {"max_retries": "many"}}, "validation_error", "max_retries"),
        ({"selector": EVERYTHING, "settings": {"backoff": None}}, "validation_error", "backoff"),
        ({"selector": EVERYTHING, "settings": {"max_in_flight": True}}, "validation_error", "max_in_flight"),
        ({"selector": EVERYTHING, "settings": {"checkpoint_every": 0}}, "validation_error", "checkpoint_every"),
        ({"selector": EVERYTHING, "settings": {"checkpoint_interval": -1}}, "validation_error", "checkpoint_interval"),
        ({"selector": EVERYTHING, "settings": {"ordering": "random"}}, "validation_error", "ordering"),
        ({"selector": EVERYTHING, "settings": {"max_consumers": 0}}, "validation_error", "max_consumers"),
        ({"selector": EVERYTHING, "settings": {"after_park": 1}}, "validation_error", "after_park"),
    ],
)
async def test_wrong_subscription_is_refused_and_named(tmp_path: Path, body: Any, code: str, named: str | None) -> None:
    async with served(tmp_path) as client:
        details = failure(await client.put(BILLING, json=body), 400, code)
        assert named is None or named in (details.get("argument"), details.get("field"))
        assert (await client.get(SUBSCRIPTIONS)).json() == {"subscriptions": []}


async def test_hostile_selector_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        deep = '{"any_of": [' * 5_000 + '{"by_stream": "a"}' + "]}" * 5_000
        for selector in (
            deep,
            '{"any_of": [' * 10 + '{"by_stream": "a"}' + "]}" * 10,
            '{"by_event_payload": {"a": "%s"}}' % ("x" * 70_000),
            '{"by_event_payload": {"a": 1e400}}',
            '{"by_event_payload": {"a": "\\ud800"}}',
            '{"by_stream": "\\u0000"}',
        ):
            answer = await client.put(BILLING, content=f'{{"selector": {selector}}}')
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] in ("invalid_argument", "validation_error")


async def test_transient_subscription_is_refused_for_a_reason(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        answer = await client.put(f"{SUBSCRIPTIONS}/transient", json={"selector": EVERYTHING})
        details = failure(answer, 400, "invalid_argument")
        assert details["argument"] == "name"
        assert "connection" in details["reason"]


async def test_removing_forgets_and_repeating_it_does_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await save(client, selector={"by_event_type": "T"})
        for _ in range(2):
            assert (await client.delete(BILLING, params={"confirm": "billing"})).status_code == 204
            failure(await client.get(BILLING), 404, "subscription_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("POST", "/pull", {}),
        ("POST", "/ack", {"deliveries": [{"position": 1}]}),
        ("POST", "/nack", {"deliveries": [{"position": 1}]}),
        ("GET", "/parked", None),
        ("POST", "/parked/replay", {}),
        ("POST", "/parked/discard", {}),
        ("POST", "/rewind", {"position": 1}),
    ],
)
async def test_unknown_subscription_and_store_are_not_found(tmp_path: Path, method: str, path: str, body: Any) -> None:
    async with served(tmp_path) as client:
        failure(await client.request(method, BILLING + path, json=body), 404, "subscription_not_found")
        nowhere = "/v1/stores/nowhere/subscriptions/billing" + path
        failure(await client.request(method, nowhere, json=body), 404, "store_not_found")


async def test_subscription_of_an_unknown_store_is_not_found(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        nowhere = "/v1/stores/nowhere/subscriptions"
        failure(await client.get(nowhere), 404, "store_not_found")
        failure(await client.put(f"{nowhere}/billing", json={"selector": EVERYTHING}), 404, "store_not_found")
        failure(await client.delete(f"{nowhere}/billing?confirm=billing"), 404, "store_not_found")


async def test_rewind_leads_to_a_position_or_a_time(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "A", "B", "C")
        await save(client)
        assert (await client.post(f"{BILLING}/rewind", json={"position": 3})).json() == {"position": 3}
        assert (await client.get(BILLING)).json()["checkpoint"] == 2
        for time, position in (("2020-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00", 1), ("2999-01-01T00:00:00Z", 4)):
            assert (await client.post(f"{BILLING}/rewind", json={"time": time})).json() == {"position": position}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_argument"),
        ({"position": 1, "time": "2026-01-01T00:00:00Z"}, "invalid_argument"),
        ({"position": -1}, "invalid_argument"),
        ({"position": "1"}, "validation_error"),
        ({"time": "yesterday"}, "validation_error"),
        ({"time": 5}, "validation_error"),
        ({"to": 5}, "validation_error"),
    ],
)
async def test_wrong_rewind_is_refused(tmp_path: Path, body: Any, code: str) -> None:
    async with served(tmp_path) as client:
        await save(client)
        failure(await client.post(f"{BILLING}/rewind", json=body), 400, code)
