"""An API that was closed refuses what it is asked, and repeating that does not help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import ApiClosedError, BlockingGaterApi, GaterApi
from tests.integration.served import node

CALLS: list[Callable[[Any], Any]] = [
    lambda api: api.get_version("orders", "s"),
    lambda api: api.append_events("orders", "s", [gater.NewEvent("T")]),
    lambda api: api.list_stores(),
]
STREAMS: list[Callable[[Any], Any]] = [
    lambda api: api.stream_all("orders"),
    lambda api: api.subscribe("orders"),
    lambda api: api.consume("orders", "all"),
]


async def _check(api: GaterApi) -> None:
    """Followers of an open API end with the error when it is closed; whatever is asked afterwards does, too."""
    await api.append_events("orders", "s", [gater.NewEvent("T")])
    await api.save_subscription("orders", name="all")
    followed = [stream(api) for stream in STREAMS[1:]]
    for stream in followed:
        await anext(stream)
    waiting = [asyncio.ensure_future(anext(stream)) for stream in followed]
    await asyncio.sleep(0)
    await api.close()
    asked = [*waiting, *[call(api) for call in CALLS], *[anext(stream(api)) for stream in STREAMS]]
    for one in asked:
        with pytest.raises(ApiClosedError) as caught:
            await one
        assert not caught.value.retryable


async def test_an_api_in_process_is_of_no_use_after_close(tmp_path: Path) -> None:
    await _check(await gater.open(tmp_path, stores=["orders"]))


async def test_an_api_over_the_network_is_of_no_use_after_close(tmp_path: Path) -> None:
    async with node(tmp_path) as running:
        await _check(await gater.connect(running.url))


@pytest.mark.parametrize(
    "opened", [lambda: gater.open_sync(":memory:", stores=["orders"]), lambda: gater.connect_sync("http://127.0.0.1:1")]
)
def test_a_blocking_api_is_of_no_use_after_close(opened: Callable[[], BlockingGaterApi]) -> None:
    api = opened()
    api.close()
    for call in CALLS:
        with pytest.raises(ApiClosedError):
            call(api)
    for stream in STREAMS:
        with pytest.raises(ApiClosedError):
            next(stream(api))
