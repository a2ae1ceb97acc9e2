"""Consumers that leave: what they were not shown yet has not failed, what they kept to themselves has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

import gater
from gater import Delivery, GaterApi
from gater.api.loop_affinity import affinity_of_reader
from gater.api.outbox import Outbox
from gater.api.settling import Settling
from gater.api.subscription_operations import Ack
from gater.model.errors import InternalError


@pytest.fixture
def api() -> AsyncIterator[GaterApi]:
    """An API of its own."""
    return _opened()


async def _opened() -> AsyncIterator[GaterApi]:
    """A store `s` with ten events of five streams, and a subscription that parks what fails once."""
    async with gater.open(":memory:", stores=["s"]) as opened:
        for number in range(10):
            await opened.append_events("s", f"stream-{number % 5}", [gater.NewEvent("T", number)])
        await opened.save_subscription("s", name="all", max_retries=0, backoff=[0.0])
        yield opened


async def consumed(api: GaterApi, count: int, prefetch: int, *, last: str = "ack") -> list[tuple[int, int]]:
    """Position and attempt of so many events; something else is said of the last one."""
    seen: list[tuple[int, int]] = []
    async with aclosing(api.consume("s", "all", prefetch=prefetch)) as deliveries:
        async for delivery in deliveries:
            seen.append((delivery.event.position, delivery.attempt))
            if len(seen) == count:
                await _say(delivery, last)
                break
            await delivery.ack()
    return seen


async def _say(delivery: Delivery, what: str) -> None:
    if what == "ack":
        await delivery.ack()
    elif what:
        await delivery.nack(what)


@pytest.mark.parametrize("prefetch", [1, 3, 100])
async def test_what_a_consumer_was_not_shown_has_not_failed_when_it_leaves(api: GaterApi, prefetch: int) -> None:
    seen = [each for _ in range(5) for each in await consumed(api, 2, prefetch)]
    assert sorted(seen) == [(position, 1) for position in range(1, 11)]
    info = await api.get_subscription("s", "all")
    assert (info.acked, info.parked, info.in_flight, info.consumers) == (10, 0, 0, 0)


@pytest.mark.parametrize("prefetch", [1, 100])
@pytest.mark.parametrize(("last", "parked"), [("park", [1]), ("retry", [1]), ("skip", []), ("stop", []), ("", [1])])
async def test_what_is_said_last_is_heard(api: GaterApi, prefetch: int, last: str, parked: list[Any]) -> None:
    await consumed(api, 1, prefetch, last=last)
    await written(api)
    assert [each.position for each in await api.list_parked("s", "all")] == parked


async def written(api: GaterApi) -> None:
    """A write comes after what was written before it."""
    await api.append_events("s", "other", [gater.NewEvent("T")])


async def test_a_defect_in_sending_settlements_ends_the_consumer(api: GaterApi) -> None:
    class Broken:
        resumes = False
        outbox = Outbox()

        async def call(self, operation: Any) -> Any:
            raise ZeroDivisionError("a defect")

    settling = Settling(Broken(), "s", "all", lambda: None, affinity_of_reader())  # type: ignore[arg-type]
    await settling.ack(Ack(1, 1))
    async with asyncio.timeout(5):
        while settling.error is None:
            await asyncio.sleep(0)
    assert isinstance(settling.error, InternalError)
    await settling.finish()
