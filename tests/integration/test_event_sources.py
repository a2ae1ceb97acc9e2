"""A browser's EventSource stays away after any status but 200: what passes is told to it in a stream that ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gater.gateway import subscriptions
from gater.model.errors import StoreUnavailableError
from tests.integration.served import ORDERS, client_of, failure, messages, node, served

EVENT_SOURCE = {"Accept": "text/event-stream"}
SUBSCRIBE = f"{ORDERS}/subscribe"
LISTEN = "/v1/pubsub/events/listen"


def comes_again(answer: httpx.Response, code: str) -> None:
    """The answer lets an EventSource come again, and tells why it ended."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    retry, event, data, *end = answer.text.split("\n")
    assert (retry, event, end) == ("retry: 1000", "event: error", ["", ""])
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == code


async def test_it_comes_again_to_a_store_that_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_disk(*_: object) -> None:
        raise StoreUnavailableError("orders", "its disk is gone")

    async with served(tmp_path) as client:
        monkeypatch.setattr(subscriptions, "follow", no_disk)
        comes_again(await client.get(SUBSCRIBE, headers=EVENT_SOURCE), "store_unavailable")
        failure(await client.get(SUBSCRIBE), 503, "store_unavailable")


async def test_it_comes_again_to_a_node_that_has_no_connection_left(tmp_path: Path) -> None:
    async with (
        node(tmp_path, max_connections=1) as running,
        client_of(running) as holder,
        holder.stream("GET", SUBSCRIBE, headers=EVENT_SOURCE) as followed,
    ):
        held = messages(followed)  # forgotten, it would close the connection
        assert (await anext(held))["event"] == "caught_up"
        for path in (SUBSCRIBE, LISTEN):
            async with client_of(running) as client:
                comes_again(await client.get(path, headers=EVENT_SOURCE), "overloaded")
            async with client_of(running) as client:
                failure(await client.get(path), 503, "overloaded")


@pytest.mark.parametrize("path", [SUBSCRIBE, LISTEN])
async def test_its_stream_is_ended_whole_by_a_node_that_stops(tmp_path: Path, path: str) -> None:
    async with (
        node(tmp_path) as running,
        client_of(running) as client,
        client.stream("GET", path, headers=EVENT_SOURCE) as followed,
    ):
        running.stop()
        await running.serve()
        assert "error" not in (await followed.aread()).decode()


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/v1/stores/nowhere/subscribe", {}, 404, "store_not_found"),
        (SUBSCRIBE, {"where": "{}"}, 400, "invalid_argument"),
        (SUBSCRIBE, {"start_from": "9", "history": "0123456789abcdef"}, 409, "history_changed"),
        ("/v1/pubsub/nothing/listen", {}, 400, "invalid_argument"),
    ],
)
async def test_it_stays_away_after_what_does_not_pass(
    tmp_path: Path, path: str, query: dict[str, Any], status: int, code: str
) -> None:
    async with served(tmp_path) as client:
        failure(await client.get(path, params=query, headers=EVENT_SOURCE), status, code)
