"""Events whose weight is in their metadata, read and followed in every way, and how much memory the node takes for it.

The bound is on the peak of a real node: with pages that count data only, a page would hold all events at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import gater
from gater import Event, GaterApi, NewEvent
from gater.testing.server import GaterServer

STORE: Final = "heavy"
EVENTS: Final = 600
METADATA_BYTES: Final = 120_000
MOST_PEAK_BYTES: Final = 320 << 20
"""About 70 MiB are the interpreter with its modules, and 100 MiB what the appends leave in caches and the allocator."""
WAIT_SECONDS: Final = 60.0


@pytest.fixture(scope="module")
def node() -> Iterator[GaterServer]:
    with GaterServer([STORE]) as server:
        with gater.connect_sync(server.url, timeout=WAIT_SECONDS) as api:
            for first in range(0, EVENTS, 50):
                events = [NewEvent("T", {"n": n}, {"text": "x" * METADATA_BYTES}) for n in range(first, first + 50)]
                api.append_events(STORE, "s", events)
        yield server


def peak_bytes(server: GaterServer) -> int:
    """The most memory that a node has had at a time."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1_024


async def rpc_pages(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    return numbers(await api.read_all(STORE, count=EVENTS))


async def rpc_stream(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    return numbers([event async for event in api.stream_forward(STORE, "s")])


async def rpc_subscription(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    found: list[Event] = []
    async with aclosing(api.subscribe(STORE, "by_stream", "s")) as events:
        async for event in events:
            found.append(event)
            if len(found) == EVENTS:
                break
    return numbers(found)


async def rpc_consumer(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    await api.save_subscription(STORE, "by_stream", "s", "group")
    found: list[Event] = []
    async with aclosing(api.consume(STORE, "group")) as deliveries:
        async for delivery in deliveries:
            found.append(delivery.event)
            await delivery.ack()
            if len(found) == EVENTS:
                break
    return numbers(found)


async def http_pages(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    found, after = list[int](), 0
    while after is not None:
        answer = await client.get(f"/v1/stores/{STORE}/events", params={"after": after, "count": EVENTS})
        shown = answer.raise_for_status().json()
        found += [event["data"]["n"] for event in shown["events"]]
        after = shown["next"]
    return found


async def http_lines(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    path, asked = f"/v1/stores/{STORE}/events", {"Accept": "application/x-ndjson"}
    async with client.stream("GET", path, headers=asked) as answer:
        return [json.loads(line)["data"]["n"] async for line in answer.aiter_lines()]


async def server_sent_events(api: GaterApi, client: httpx.AsyncClient) -> list[int]:
    path, found = f"/v1/stores/{STORE}/subscribe", list[int]()
    async with client.stream("GET", path, params={"start_from": 1}) as answer:
        async for line in told(answer):
            found.append(json.loads(line)["data"]["n"])
            if len(found) == EVENTS:
                break
    return found


async def told(answer: httpx.Response) -> AsyncIterator[str]:
    """The data of the events in server-sent events."""
    async for line in answer.aiter_lines():
        if line.startswith("data: ") and '"event_type"' in line:
            yield line.removeprefix("data: ")


def numbers(events: list[Event]) -> list[int]:
    return [event.data["n"] for event in events]


@pytest.mark.parametrize(
    "read",
    [rpc_pages, rpc_stream, rpc_subscription, rpc_consumer, http_pages, http_lines, server_sent_events],
    ids=lambda read: read.__name__,
)
async def test_a_node_holds_a_bounded_part_of_heavy_events(
    node: GaterServer, read: Callable[[Any, Any], Awaitable[list[int]]]
) -> None:
    async with (
        gater.connect(node.url, timeout=WAIT_SECONDS) as api,
        httpx.AsyncClient(base_url=node.url, timeout=WAIT_SECONDS) as client,
    ):
        assert await read(api, client) == list(range(EVENTS))
    assert peak_bytes(node) < MOST_PEAK_BYTES
