"""RPC on a node's port: the same stores, tokens and draining as HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import gater
from gater.config.tokens import Token
from gater.model.errors import PermissionDeniedError, UnauthenticatedError
from tests.integration.served import ORDERS, client_of, node

TOKENS = (Token(token="open-sesame", scopes=("read", "append", "subscribe")),)


async def test_http_and_rpc_reach_the_same_stores(tmp_path: Path) -> None:
    async with node(tmp_path) as running, client_of(running) as client, gater.connect(running.url) as api:
        await api.append_events("orders", "order-1", [gater.NewEvent("OrderPlaced", {"total": 12})])
        (event,) = (await client.get(f"{ORDERS}/streams/order-1/events")).json()["events"]
        assert event["data"] == {"total": 12}


async def test_token_decides_over_rpc_too(tmp_path: Path) -> None:
    async with node(tmp_path, tokens=TOKENS) as running:
        async with gater.connect(running.url, token="open-sesame") as api:
            await api.append_events("orders", "order-1", [gater.NewEvent("T")])
            with pytest.raises(PermissionDeniedError) as caught:
                await api.remove_store("orders")
            assert caught.value.details == {"operation": "remove_store", "scope": "admin"}
        for token in (None, "close-sesame"):
            with pytest.raises(UnauthenticatedError):
                async with gater.connect(running.url, token=token) as api:
                    await api.list_stores()


async def test_open_subscription_does_not_hold_up_the_end(tmp_path: Path) -> None:
    running = node(tmp_path, drain_timeout=600)
    async with running, gater.connect(running.url) as api:
        await api.append_events("orders", "order-1", [gater.NewEvent("T")])
        events = api.subscribe("orders")
        assert (await anext(events)).version == 0
        running.stop()
        async with asyncio.timeout(10):
            await running.serve()
            await events.aclose()
