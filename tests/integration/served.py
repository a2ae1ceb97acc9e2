"""A node of the test's own, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from gater.config.settings import Settings
from gater.node import Node

ORDERS = "/v1/stores/orders"


@asynccontextmanager
async def served(folder: Path, **settings: Any) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client of a node with the store `orders` on a free port; `settings` are those that differ."""
    async with node(folder, **settings) as running, client_of(running) as client:
        yield client


def node(folder: Path, **settings: Any) -> Node:
    """A node with the store `orders` on a free port."""
    return Node(Settings(**{"data_dir": folder / "data", "port": 0, "stores": ("orders",), **settings}))


def client_of(running: Node, **options: Any) -> httpx.AsyncClient:
    """An HTTP client of a node that is running."""
    options = {"verify": False, "trust_env": False, "timeout": 20.0, **options}
    return httpx.AsyncClient(base_url=running.url, **options)


async def append(client: httpx.AsyncClient, stream: str, *types: str, store: str = "orders", **options: Any) -> Any:
    """Append events of these types to a stream; returns the answer, which must be 201."""
    events = [{"event_type": kind, "data": {"number": number}} for number, kind in enumerate(types)]
    answer = await client.post(f"/v1/stores/{store}/streams/{stream}/events", json={"events": events}, **options)
    assert answer.status_code == 201, answer.text
    return answer.json()


def failure(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The details of an error answer, which must have this status and code."""
    assert answer.headers["content-type"] == "application/json"
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    details: dict[str, Any] = answer.json()["error"]["details"]
    return details


async def messages(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """The server-sent events of an answer: fields by name; a comment has its text under the empty name.

    Of an id only the number is given: what follows it is the history of the store.
    """
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            if name == "id":
                fields[name] = fields[name].partition("@")[0]
        elif fields:
            yield fields
            fields = {}
