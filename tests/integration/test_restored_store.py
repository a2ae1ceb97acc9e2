"""A store that is restored while clients follow it: whoever was ahead is told, before anything is missed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import gater
from gater.api import resuming
from gater.node import Node
from tests.contract.samples import numbered, until
from tests.integration.served import client_of, failure, node

SUBSCRIBE = "/v1/stores/orders/subscribe"

Follow = Callable[[gater.GaterApi], AsyncGenerator[gater.Event, None]]


def restore(folder: Path) -> None:
    """Put the backup in the place of the store."""
    for old in (folder / "data").glob("orders.*"):
        old.unlink()
    shutil.copy(folder / "copy", folder / "data" / "orders.db")


@pytest.mark.parametrize(
    ("follow", "later"),
    [
        (lambda api: api.subscribe("orders", start_from=3), 0),
        (lambda api: api.subscribe("orders", "by_stream", "a", 2), 10),
        (lambda api: api.subscribe("orders", "by_event_type", "Counted", gater.LIVE), 10),
    ],
    ids=["store-ahead", "stream-overtaken", "live-overtaken"],
)
async def test_follower_of_a_store_that_is_restored_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follow: Follow, later: int
) -> None:
    monkeypatch.setattr(resuming, "FIRST_DELAY", 0.01)
    async with node(tmp_path, drain_timeout=0.1) as running, gater.connect(running.url) as api:
        await api.append_events("orders", "a", numbered(3))
        await api.backup("orders", tmp_path / "copy")
        await api.append_events("orders", "a", numbered(2, first=3))
        async with aclosing(follow(api)) as events:
            coming = asyncio.ensure_future(anext(events))
            await until(lambda: _is_followed(api))
            await api.append_events("orders", "a", numbered(1, first=5))
            event = await coming
            while event.position < 6:
                event = await anext(events)
            await restored(running, tmp_path, later)
            async with node(tmp_path, port=port_of(running)):
                with pytest.raises(gater.HistoryChangedError) as caught:
                    await anext(events)
                assert caught.value.shared == 3
                assert caught.value.history == (await api.get_store_status("orders")).history


async def test_browser_that_comes_again_to_a_restored_store_is_refused(tmp_path: Path) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        async with gater.connect(running.url) as api:
            await api.append_events("orders", "a", numbered(3))
            await api.backup("orders", tmp_path / "copy")
            await api.append_events("orders", "a", numbered(2, first=3))
        async with client.stream("GET", SUBSCRIBE, params={"start_from": 5}) as answer:
            lines = answer.aiter_lines()
            identity = await anext(lines)
            assert identity.startswith("id: 5@")
    restore(tmp_path)
    async with node(tmp_path) as running, client_of(running) as client:
        for events in (0, 9):
            if events:
                async with gater.connect(running.url) as api:
                    await api.append_events("orders", "b", numbered(events))
            headers = {"Last-Event-ID": identity.removeprefix("id: ")}
            details = failure(await client.get(SUBSCRIBE, headers=headers), 409, "history_changed")
            assert (details["store"], details["shared"]) == ("orders", 3)
        failure(await client.get(SUBSCRIBE, headers={"Last-Event-ID": "20"}), 409, "history_changed")
        failure(await client.get(SUBSCRIBE, params={"history": "another"}), 409, "history_changed")


async def restored(running: Node, folder: Path, later: int) -> None:
    """Stop the node, restore its store, and append so many other events."""
    running.stop()
    await running.serve()
    restore(folder)
    if later:
        async with gater.open(folder / "data") as api:
            await api.append_events("orders", "a", numbered(later, first=90))


def port_of(running: Node) -> int:
    """The port that a node listened at."""
    return urlsplit(running.url).port or 0


async def _is_followed(api: gater.GaterApi) -> bool:
    return (await api.get_store_status("orders")).subscribers == 1
