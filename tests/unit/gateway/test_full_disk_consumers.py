"""Consumers in the process of the store on a full disk: each delivery waits for a checkpoint, and goes on with room."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import gater
from gater import GaterApi, NewEvent
from gater.subscriptions import keeper
from tests.unit.store.faulty_files import Faults, use_faulty_files

EVENTS = 6


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr("gater.store.writer.PROBE_SECONDS", 0.02)
    monkeypatch.setattr(keeper, "RETRY_SECONDS", 0.02)
    return use_faulty_files(monkeypatch)


async def filled(api: GaterApi) -> None:
    """A subscription to some events, which tells its checkpoint soon."""
    await api.append_events("s", "a", [NewEvent("T", {}) for _ in range(EVENTS)])
    await api.save_subscription("s", "by_stream", "$all", "billing", checkpoint_interval=0.02)


async def until_read_only(api: GaterApi) -> None:
    while (await api.get_store_status("s")).state != "read_only":
        await asyncio.sleep(0.005)


async def until_settled(api: GaterApi, position: int = EVENTS) -> None:
    while (await api.get_subscription("s", "billing")).checkpoint < position:
        await asyncio.sleep(0.005)


async def consumed(api: GaterApi, count: int = EVENTS) -> list[int]:
    """The positions of so many deliveries, each acknowledged."""
    found: list[int] = []
    async with aclosing(api.consume("s", "billing")) as deliveries:
        async for delivery in deliveries:
            found.append(delivery.event.position)
            await delivery.ack()
            if len(found) == count:
                break
    return found


async def test_a_consumer_that_comes_to_a_full_disk_goes_on_when_there_is_room(tmp_path: Path, faults: Faults) -> None:
    async with asyncio.timeout(20), gater.open(tmp_path, stores=["s"]) as api:
        await filled(api)
        faults.arm("write", 1, lasting=True)
        consuming = asyncio.create_task(consumed(api))
        await until_read_only(api)
        assert not consuming.done()
        assert (await api.get_subscription("s", "billing")).delivered == 0
        faults.disarm()
        assert await consuming == list(range(1, EVENTS + 1))
        await until_settled(api)


async def test_a_pull_from_a_full_disk_gives_nothing_and_ends_in_time(tmp_path: Path, faults: Faults) -> None:
    async with asyncio.timeout(20), gater.open(tmp_path, stores=["s"]) as api:
        await filled(api)
        faults.arm("write", 1, lasting=True)
        assert await api.pull_events("s", "billing", wait=0.05) == []
        faults.disarm()
        (pulled,) = await api.pull_events("s", "billing", wait=10.0)
        assert pulled.event.position == 1


async def test_what_is_acknowledged_while_the_disk_is_full_is_kept_when_there_is_room(
    tmp_path: Path, faults: Faults
) -> None:
    async with asyncio.timeout(20), gater.open(tmp_path, stores=["s"]) as api:
        await filled(api)
        async with aclosing(api.consume("s", "billing")) as deliveries:
            first = await anext(deliveries)
            faults.arm("write", 1, lasting=True)
            await first.ack()
            await until_read_only(api)
            for position in range(2, EVENTS + 1):  # the others are delivered: that consumers are at work is durable
                delivery = await anext(deliveries)
                assert delivery.event.position == position
                await delivery.ack()
            assert (await api.get_subscription("s", "billing")).checkpoint == 0
            faults.disarm()
            await until_settled(api)


async def test_closing_on_a_full_disk_ends_in_time_and_loses_nothing(tmp_path: Path, faults: Faults) -> None:
    async with asyncio.timeout(20):
        async with gater.open(tmp_path, stores=["s"]) as api:
            await filled(api)
            async with aclosing(api.consume("s", "billing")) as deliveries:
                await (await anext(deliveries)).ack()
                await until_settled(api, 1)
                faults.arm("write", 1, lasting=True)
                await (await anext(deliveries)).ack()
                await until_read_only(api)
        faults.disarm()
        async with gater.open(tmp_path) as api:  # what could not be written comes again
            assert await consumed(api, EVENTS - 1) == list(range(2, EVENTS + 1))


async def test_events_that_may_have_ended_the_process_wait_for_room(
    tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(20):
        async with gater.open(tmp_path, stores=["s"]) as api:
            await filled(api)
            async with aclosing(api.consume("s", "billing")) as deliveries:
                await anext(deliveries)
                faults.arm("write", 1, lasting=True)  # the end of its consumers is not written, as after a crash
        faults.disarm()
        async with gater.open(tmp_path) as api:
            seen: list[Any] = []
            async with aclosing(api.consume("s", "billing")) as deliveries:
                seen.append(await anext(deliveries))
                faults.arm("write", 1, lasting=True)
                await seen[0].ack()
                following = asyncio.ensure_future(anext(deliveries))
                await until_read_only(api)
                assert not following.done()
                faults.disarm()
                seen.append(await following)
            assert [(delivery.event.position, delivery.attempt) for delivery in seen] == [(1, 1), (2, 1)]
