"""Requests that do not come to their end: the node holds them within bounds, and lets go of them with their sender."""

from __future__ import annotations

import asyncio
from typing import Final

from gater.api.operations import ReadAll
from tests.load.loaded_node import LoadedNode
from tests.load.stalled import Stalled, StalledClient
from tests.load.stored import LARGE

MESSAGE_BYTES: Final = 17 << 20
LARGE_BYTES: Final = len(LARGE)
TARGET: Final = "/v1/stores/s/streams/a/events"


async def test_rpc_clients_that_hang_up_in_mid_message(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(60):
            client = await stalled.rpc()
            await client.send_message(bytes(MESSAGE_BYTES - 1), MESSAGE_BYTES)
            client.close()
        await node.check()


async def test_unfinished_messages_of_many_rpc_connections(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        clients = [await stalled.rpc() for _ in range(40)]
        await asyncio.gather(*[client.send_message(bytes(MESSAGE_BYTES - 1), MESSAGE_BYTES) for client in clients])
        await node.check()


async def test_unfinished_bodies_of_many_http_connections(node: LoadedNode) -> None:
    head = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {16 << 20}\r\n\r\n"
    async with Stalled(node.url) as stalled:
        clients = [await stalled.http() for _ in range(40)]
        await asyncio.gather(*[_send_part(client, head) for client in clients])
        await node.check()


async def test_connections_that_were_busy(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(350):
            client = await stalled.rpc()
            await client.call([ReadAll("s", 0, 1)])
            await client.read(LARGE_BYTES)
            await client.send_message(bytes(240 << 10), MESSAGE_BYTES)
        await node.check()


async def _send_part(client: StalledClient, head: str) -> None:
    await client.send(head.encode() + bytes((16 << 20) - 1))


async def test_idle_connections(node: LoadedNode) -> None:
    async with Stalled(node.url) as stalled:
        for _ in range(400):
            await stalled.rpc()
            client = await stalled.http()
            await client.ask("/health/live")
        await node.check()
