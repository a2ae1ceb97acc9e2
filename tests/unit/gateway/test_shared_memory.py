"""Stores of one gateway share its memory."""

from __future__ import annotations

import asyncio

from gater.api import operations as op
from gater.model.commands import StreamWrite
from gater.model.errors import OverloadedError
from gater.model.events import JSON, RawEvent
from gater.model.limits import Limits
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
