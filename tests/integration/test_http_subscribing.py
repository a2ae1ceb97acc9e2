"""Following a stream or a store as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gater.gateway import scans
from gater.model.errors import StoreUnavailableError
from gater.server.http import streaming
from tests.integration.served import ORDERS, append, client_of, failure, messages, node, served

SUBSCRIBE = f"{ORDERS}/subscribe"


async def first(answer: httpx.Response, count: int) -> list[tuple[str, str]]:
    """Id and event type of the next messages."""
    found = []
    async for message in messages(answer):
        if "data" in message:
            found.append((message["id"], json.loads(message["data"])["event_type"]))
        if len(found) == count:
            break
    return found


async def test_subscription_catches_up_and_goes_on_live(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "A", "B")
        async with client.stream("GET", SUBSCRIBE) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream"
            incoming = messages(answer)
            assert [(await anext(incoming))["id"] for _ in range(2)] == ["1", "2"]
            await append(client, "b", "C")
            message = await anext(incoming)
            assert (message["id"], json.loads(message["data"])["stream_id"]) == ("3", "b")


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ({}, {"Last-Event-ID": "2"}, [("3", "C"), ("4", "D")]),
        ({"start_from": "4"}, {}, [("4", "D")]),
        ({"start_from": "1"}, {"Last-Event-ID": "3"}, [("4", "D")]),
        ({"selector": "b"}, {}, [("0", "B"), ("1", "C")]),
        ({"selector": "$b", "type": "by_stream"}, {"Last-Event-ID": "0"}, [("1", "C")]),
        ({"selector": "b", "start_from": "1"}, {}, [("1", "C")]),
    ],
)
async def test_subscription_begins_where_it_is_told(
    tmp_path: Path, query: Any, headers: Any, expected: list[tuple[str, str]]
) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "A")
        await append(client, "b", "B", "C")
        await append(client, "a", "D")
        async with client.stream("GET", SUBSCRIBE, params=query, headers=headers) as answer:
            assert await first(answer, len(expected)) == expected


async def test_subscription_to_what_is_new_passes_over_the_old(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "Old")
        async with client.stream("GET", SUBSCRIBE, params={"start_from": -1}) as answer:
            await append(client, "a", "New")
            assert await first(answer, 1) == [("2", "New")]


async def test_silence_is_filled_with_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_SECONDS", 0.01)
    async with served(tmp_path) as client, client.stream("GET", SUBSCRIBE) as answer:
        assert await anext(messages(answer)) == {"": "heartbeat"}


async def test_payload_of_several_lines_stays_one_message(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await client.post(f"{ORDERS}/streams/s/events", content=b'[{"event_type": "T", "data": {\n"a":\r\n 1}}]')
        async with client.stream("GET", SUBSCRIBE) as answer:
            message = await anext(messages(answer))
            assert json.loads(message["data"])["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ({"type": "by_event_type"}, {}, 400, "invalid_argument"),
        ({"selector": ""}, {}, 400, "invalid_argument"),
        ({"start_from": -2}, {}, 400, "invalid_start_version"),
        ({"start_from": "now"}, {}, 400, "invalid_argument"),
        ({}, {"Last-Event-ID": "abc"}, 400, "invalid_argument"),
        ({"from": 1}, {}, 400, "invalid_argument"),
    ],
)
async def test_wrong_subscription_is_refused(tmp_path: Path, query: Any, headers: Any, status: int, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.get(SUBSCRIBE, params=query, headers=headers), status, code)


async def test_subscription_to_an_unknown_store_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        failure(await client.get("/v1/stores/nowhere/subscribe"), 404, "store_not_found")


async def test_subscriber_that_leaves_is_let_go(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "A")
        async with client.stream("GET", SUBSCRIBE) as answer:
            await first(answer, 1)
            assert (await client.get(f"{ORDERS}/status")).json()["subscribers"] == 1
        async with asyncio.timeout(5):
            while (await client.get(f"{ORDERS}/status")).json()["subscribers"]:
                await asyncio.sleep(0.01)


async def test_removing_the_store_ends_its_subscriptions(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "A")
        async with client.stream("GET", SUBSCRIBE) as answer:
            incoming = messages(answer)
            assert (await anext(incoming))["id"] == "1"
            assert (await client.delete(ORDERS)).status_code == 204
            rest = [message async for message in incoming]
            assert rest == [] or rest[-1]["event"] == "error"


async def test_stopping_node_ends_subscriptions_at_once(tmp_path: Path) -> None:
    running = node(tmp_path, drain_timeout=30)
    async with running, client_of(running) as client:
        await append(client, "a", "A")
        async with client.stream("GET", SUBSCRIBE) as answer:
            incoming = messages(answer)
            assert (await anext(incoming))["id"] == "1"
            running.stop()
            async with asyncio.timeout(5):
                await running.serve_until_stopped()
                assert [message async for message in incoming] == []


async def test_subscription_that_breaks_off_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaking(*_: Any) -> AsyncGenerator[Any, None]:
        yield []
        raise StoreUnavailableError("orders", "its disk is gone")

    monkeypatch.setattr(scans, "subscribe", breaking)
    async with served(tmp_path) as client, client.stream("GET", SUBSCRIBE) as answer:
        (message,) = [message async for message in messages(answer)]
        assert message["event"] == "error"
        assert json.loads(message["data"])["error"]["code"] == "store_unavailable"
