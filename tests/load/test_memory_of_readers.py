"""Readers that stall: the node keeps little for each, and within bounds for all."""

from __future__ import annotations

import pytest

from gater.api.operations import ReadAll
from gater.api.subscription_operations import SubscribeOperation
from gater.model.selectors import parse_selector
from tests.load.loaded_node import LoadedNode
from tests.load.stalled import Stalled

ALL = parse_selector("by_stream", "$all")


async def test_subscriptions_of_one_connection_that_does_not_read(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        client = await stalled.rpc()
        await client.call([SubscribeOperation("s", ALL)] * 1_000, credit=100)
        await node.check()


async def test_subscriptions_of_many_connections_that_do_not_read(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(60):
            client = await stalled.rpc()
            await client.call([SubscribeOperation("s", ALL)] * 20, credit=100)
        await node.check()


async def test_reads_of_many_connections_that_do_not_read(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(250):
            client = await stalled.rpc()
            await client.call([ReadAll("s", 0, 100)] * 3)
            await client.begun()
        await node.check()


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("/v1/stores/s/subscribe", "text/event-stream"),
        ("/v1/stores/s/events", "application/x-ndjson"),
    ],
    ids=["server-sent events", "lines of json"],
)
async def test_streams_over_http_that_are_not_read(node: LoadedNode, target: str, accept: str) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(80):
            client = await stalled.http()
            await client.get(target, f"Accept: {accept}")
        await node.check()


async def test_whole_answers_that_are_not_read(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(80):
            client = await stalled.http()
            await client.ask("/v1/stores/s/events?count=100")
        await node.check()


async def test_lists_of_snapshots_that_are_not_read(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(8):
            client = await stalled.http()
            await client.get("/v1/stores/s/snapshots")
        await node.check()
