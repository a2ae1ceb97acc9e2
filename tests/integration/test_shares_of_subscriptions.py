"""A token that is confined to a prefix has a share of what all tokens of a store have together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import stream_prefix
from gater.config.tokens import Token
from gater.model.errors import OverloadedError
from gater.node import Node
from gater.store import subscription_records
from tests.integration.served import ORDERS, client_of, failure, node

MOST = 3
CONFINED: Any = {"scopes": ("subscribe", "admin")}
TOKENS = (
    Token(token="one-token", stream_prefix="one-", **CONFINED),
    Token(token="two-token", stream_prefix="two-", **CONFINED),
    Token(token="all-token", scopes=("subscribe",)),
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_records, "MOST_OF_PREFIX", MOST)


def connected(running: Node, name: str) -> Any:
    return gater.connect(running.url, token=f"{name}-token")


async def saved(api: Any, prefix: str, count: int) -> list[Any]:
    """What becomes of so many subscriptions, saved at once."""
    calls = [api.save_subscription("orders", stream_prefix(f"{prefix}-x"), name=f"{prefix}-{n}") for n in range(count)]
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_one_prefix_does_not_use_up_what_others_need(tmp_path: Path) -> None:
    async with node(tmp_path, tokens=TOKENS) as running:
        async with connected(running, "one") as one, connected(running, "two") as two:
            refused = [error for error in await saved(one, "one", 3 * MOST) if isinstance(error, OverloadedError)]
            assert len(refused) == 2 * MOST
            assert (refused[0].what, refused[0].limit) == ("subscriptions of a prefix", MOST)
            assert not [error for error in await saved(two, "two", MOST) if isinstance(error, Exception)]
            assert not [error for error in await saved(one, "one", MOST) if isinstance(error, Exception)], "saved again"
            await one.remove_subscription("orders", stream_prefix("one-x"), name="one-0")
            assert not [error for error in await saved(one, "one", 1) if isinstance(error, Exception)]
        async with client_of(running, headers={"Authorization": "Bearer one-token"}) as client:
            body = {"selector": {"stream_prefix": "one-y"}}
            failure(await client.put(f"{ORDERS}/subscriptions/more", json=body), 503, "overloaded")
        async with connected(running, "all") as everything:
            assert not [error for error in await saved(everything, "one-more", 2) if isinstance(error, Exception)]
