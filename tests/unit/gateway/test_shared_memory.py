"""Stores of one gateway share its memory."""

from __future__ import annotations

import asyncio

import pytest

from gater.api import operations as op
from gater.api.origin import IN_PROCESS
from gater.api.pubsub_operations import Listen
from gater.model.commands import StreamWrite
from gater.model.errors import OverloadedError
from gater.model.events import JSON, RawEvent
from gater.model.limits import Limits
from gater.subscriptions import emitters
from tests.unit.gateway.calls import answer, in_memory

STORES = ("a", "b", "c")


def append(store: str, number: int) -> op.AppendStreams:
    event = RawEvent(number.to_bytes(16), "T", JSON, b'"%s"' % (b"x" * 1_000))
    return op.AppendStreams(store, (StreamWrite("s", (event,), -2),))


async def test_stores_share_what_waits_and_what_is_kept_for_followers() -> None:
    limits = Limits(max_memory=160_000, max_request_bytes=10_000)
    async with in_memory(*STORES, limits=limits) as gateway:
        memory = gateway.memory
        calls = [answer(gateway, append(store, number)) for number in range(40) for store in STORES]
        refused = [found for found in await asyncio.gather(*calls, return_exceptions=True) if found is not None]
        refused = [error for error in refused if isinstance(error, OverloadedError)]
        assert 0 < len(refused) < len(calls)
        assert (refused[0].what, memory.requests.used) == ("request bytes", 0)
        for number in range(100, 120):
            for store in STORES:
                await answer(gateway, append(store, number))
                assert 0 < memory.followers.used <= memory.followers.limit
        tails = [gateway._stores.get(store).tail for store in STORES]
        assert memory.followers.used == sum(tail.bytes for tail in tails)
    assert memory.followers.used == 0


async def test_what_all_stores_announce_in_turns_is_in_the_same_share(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(emitters, "TURN_SECONDS", 0.0)
    limits = Limits(max_memory=1_600_000, max_request_bytes=100_000)
    async with in_memory(*STORES, limits=limits) as gateway:
        followers = gateway.memory.followers
        heard = gateway.stream(Listen("events", "*"), IN_PROCESS)
        await anext(heard)
        events = tuple([RawEvent(number.to_bytes(16), "T", JSON, b"1") for number in range(1_000)])
        for store in STORES:
            await answer(gateway, op.AppendStreams(store, (StreamWrite("s", events, -2),)))
        tails = [gateway._stores.get(store).tail for store in STORES]
        waiting = followers.used - sum(tail.bytes for tail in tails)
        assert 0 < waiting < 1_000 * 300
        assert caplog.text.count("events are not announced") == 2
        while followers.used > sum(tail.bytes for tail in tails):
            await asyncio.sleep(0)
        await heard.aclose()
    assert followers.used == 0
