"""Following a stream or a store as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gater.gateway import subscriptions
from gater.model.errors import StoreUnavailableError
from gater.server.http import streaming
from gater.subscriptions.catch_up import FollowedPage
from tests.integration.served import ORDERS, append, client_of, failure, messages, node, served

SUBSCRIBE = f"{ORDERS}/subscribe"


async def first(answer: httpx.Response, count: int) -> list[tuple[str, str]]:
    """Id and event type of the next events."""
    found = []
    async for message in messages(answer):
        if "data" in message and "event" not in message:
            found.append((message["id"], json.loads(message["data"])["event_type"]))
        if len(found) == count:
            break
    return found


async def told(answer: httpx.Response, count: int) -> list[tuple[str, str, Any]]:
    """Type, id and data of the next messages, notices included."""
    found = []
    async for message in messages(answer):
        if "data" in message:
            found.append((message.get("event", ""), message["id"], json.loads(message["data"])))
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
            notice = await anext(incoming)
            assert (notice["event"], notice["id"], json.loads(notice["data"])["next"]) == ("caught_up", "2", 3)
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
        incoming = messages(answer)
        assert (await anext(incoming))["event"] == "caught_up"
        assert await anext(incoming) == {"": "heartbeat"}


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
            assert (await client.delete(ORDERS, params={"confirm": "orders"})).status_code == 204
            rest = [message async for message in incoming]
            assert rest == [] or rest[-1]["event"] == "error"


async def test_stopping_node_ends_subscriptions_at_once(tmp_path: Path) -> None:
    running = node(tmp_path, drain_timeout=30)
    async with running, client_of(running) as client:
        await append(client, "a", "A")
        async with client.stream("GET", SUBSCRIBE) as answer:
            incoming = messages(answer)
            assert [(await anext(incoming))["id"] for _ in range(2)] == ["1", "1"]
            running.stop()
            async with asyncio.timeout(5):
                await running.serve()
                assert [message async for message in incoming] == []


async def test_subscription_that_breaks_off_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaking(*_: Any) -> AsyncGenerator[FollowedPage, None]:
        yield FollowedPage([], False, 1, "0123456789abcdef")
        raise StoreUnavailableError("orders", "its disk is gone")

    monkeypatch.setattr(subscriptions, "follow", breaking)
    async with served(tmp_path) as client, client.stream("GET", SUBSCRIBE) as answer:
        quiet, message = [message async for message in messages(answer)]
        assert quiet == {"id": "0"}
        assert message["event"] == "error"
        assert json.loads(message["data"])["error"]["code"] == "store_unavailable"


# --- selectors ---


async def fill(client: httpx.AsyncClient) -> None:
    """Positions 1 to 5."""
    await append(client, "order-1", "Placed", "Paid")
    await append(client, "order-2", "Placed")
    await append(client, "bill-1", "Sent", "Paid")


ANY_OF = [{"by_event_type": "Sent"}, {"by_stream": "order-2"}]
BOTH = [{"by_event_type": "Paid"}, {"by_stream": "order-1"}]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"type": "by_stream", "selector": "$all"}, ["1", "2", "3", "4", "5"]),
        ({"type": "by_event_type", "selector": "Paid"}, ["2", "5"]),
        ({"type": "stream_prefix", "selector": "order-", "start_from": "2"}, ["2", "3"]),
        ({"type": "by_event_payload", "selector": '{"number": 1}'}, ["2", "5"]),
        ({"type": "by_event_pattern", "selector": '{"stream_id": "order-2", "data": {"number": "_"}}'}, ["3"]),
        ({"type": "any_of", "selector": json.dumps(ANY_OF)}, ["3", "4"]),
        ({"type": "all_of", "selector": json.dumps(BOTH)}, ["1"]),
        ({"where": json.dumps({"all_of": BOTH}), "start_from": "1"}, ["1"]),
        ({"where": '{"by_event_type": "Placed"}'}, ["1", "3"]),
        ({"where": '{"by_stream": "order-1"}'}, ["0", "1"]),
    ],
)
async def test_selector_decides_what_comes(tmp_path: Path, query: Any, ids: list[str]) -> None:
    async with served(tmp_path) as client:
        await fill(client)
        async with client.stream("GET", SUBSCRIBE, params=query) as answer:
            found = await told(answer, len(ids) + 1)
        assert [identity for kind, identity, _ in found if not kind] == ids
        assert found[-1][0] == "caught_up"


async def test_new_events_that_match_come_live(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        query = {"type": "by_event_payload", "selector": '{"number": 1}'}
        async with client.stream("GET", SUBSCRIBE, params=query) as answer:
            incoming = messages(answer)
            assert (await anext(incoming))["event"] == "caught_up"
            await append(client, "a", "A", "B", "C")
            assert (await anext(incoming))["id"] == "2"


@pytest.mark.parametrize(
    ("query", "argument"),
    [
        ({"type": "by_magic", "selector": "x"}, "type"),
        ({"type": "by_event_type"}, "selector"),
        ({"type": "by_event_type", "selector": "a\x00"}, "event_type"),
        ({"type": "by_event_payload", "selector": "{"}, "selector"),
        ({"type": "by_event_payload", "selector": "[" * 10_000}, "selector"),
        ({"type": "any_of", "selector": '"text"'}, "selector"),
        ({"type": "any_of", "selector": "[]"}, "selector"),
        ({"where": ""}, "where"),
        ({"where": "null"}, "where"),
        ({"where": '["by_stream", "a"]'}, "where"),
        ({"where": "{}"}, "where"),
        ({"where": '{"by_stream": "a", "by_event_type": "T"}'}, "where"),
        ({"where": '{"by_stream": 5}'}, "where"),
        ({"where": '{"by_stream": "a"}', "selector": "b"}, "where"),
        ({"where": '{"by_stream": "a"}', "type": "by_event_type"}, "where"),
    ],
)
async def test_wrong_selector_is_refused_and_named(tmp_path: Path, query: Any, argument: str) -> None:
    async with served(tmp_path) as client:
        details = failure(await client.get(SUBSCRIBE, params=query), 400, "invalid_argument")
        assert details["argument"] == argument


@pytest.mark.parametrize(
    "pattern",
    [
        '["a"]',
        '{"a": 1e400}',
        '{"a": 36893488147419103232}',
        '{"a":' * 30 + "1" + "}" * 30,
        json.dumps({"a": [1] * 2_000}),
    ],
)
async def test_hostile_pattern_is_refused(tmp_path: Path, pattern: str) -> None:
    async with served(tmp_path) as client:
        for query in (
            {"type": "by_event_payload", "selector": pattern},
            {"where": f'{{"by_event_payload": {pattern}}}'},
        ):
            answer = await client.get(SUBSCRIBE, params=query)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["code"] in ("validation_error", "invalid_argument")


# --- notices ---


async def test_following_resumes_behind_a_notice(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        query = {"type": "by_stream", "selector": "a", "start_from": -1}
        async with client.stream("GET", SUBSCRIBE, params=query) as answer:
            [(kind, identity, data)] = await told(answer, 1)
            assert (kind, identity, data["next"]) == ("caught_up", "-1", 0)
        await append(client, "a", "A")
        async with client.stream("GET", SUBSCRIBE, params=query, headers={"Last-Event-ID": "-1"}) as answer:
            assert await first(answer, 1) == [("0", "A")]


async def test_follower_that_falls_behind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(position: int) -> Any:
        return ("a", position - 1, position, bytes(16), "T", "application/json", b"{}", None, 0)

    async def pages(*_: Any) -> AsyncGenerator[FollowedPage, None]:
        for page in (([], True, 1), ([row(1)], True, 2), ([row(7)], False, 8), ([row(8)], True, 9)):
            yield FollowedPage(*page)

    monkeypatch.setattr(subscriptions, "follow", pages)
    async with served(tmp_path) as client, client.stream("GET", SUBSCRIBE) as answer:
        found = [(kind, identity) for kind, identity, _ in await told(answer, 6)]
        assert found == [("caught_up", "0"), ("", "1"), ("fell_behind", "1"), ("", "7"), ("", "8"), ("caught_up", "8")]
