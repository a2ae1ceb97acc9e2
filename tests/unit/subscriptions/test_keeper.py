"""What a durable subscription must not lose: its checkpoint and its parked events, also when the store refuses."""

from __future__ import annotations

import asyncio

import pytest

from gater.model import commands as c
from gater.model.selectors import by_event_type
from gater.model.subscriptions import Ahead
from gater.subscriptions import keeper
from gater.subscriptions.group_outcome import Outcome
from tests.unit.store.stores import event_of, write
from tests.unit.subscriptions.durable_store import (
    NAME,
    Writes,
    at_work,
    attached,
    fill,
    kept,
    made,
    park,
    parked,
    positions,
    settle,
    taken,
    turns,
    until,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "RETRY_SECONDS", 0.01)


async def test_the_checkpoint_is_written_after_its_interval() -> None:
    async with at_work() as (store, durables):
        await fill(store, "a", "b", "c")
        durable = await made(durables)
        settle(durable, *await taken(durable, attached(durable), 3))
        assert kept(store) == 0
        await until(lambda: kept(store) == 3)
        assert durable.info().checkpoint == 3


async def test_the_checkpoint_is_written_at_once_after_so_many_events() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        await fill(store, *"abcdef")
        durable = await made(durables, checkpoint_every=3, checkpoint_interval=600)
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 2))
        await turns()
        assert writes.of(c.AdvanceCheckpoint) == []
        settle(durable, *await taken(durable, consumer, 2))
        await until(lambda: kept(store) == 4)
        settle(durable, *await taken(durable, consumer, 2))
        await turns()
        assert kept(store) == 4


async def test_what_was_settled_out_of_order_is_kept_too() -> None:
    async with at_work() as (store, durables):
        await fill(store, *"abcd")
        durable = await made(durables)
        first, second, third, fourth = await taken(durable, attached(durable), 4)
        settle(durable, third)
        durable.nack(second[0][2], second[2], "retry", 60.0, "")
        settle(durable, first)
        await until(lambda: kept(store) == 1)
        saved = store.subscriptions.get(NAME)
        assert saved is not None
        assert saved.ahead == Ahead(attempts=((2, 1),), reached=3, unsettled=(2,))
        settle(durable, fourth)
        await until(lambda: (store.subscriptions.get(NAME) or saved).ahead.reached == 4)


async def test_one_checkpoint_is_written_at_a_time() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.held_back = (c.AdvanceCheckpoint,)
        await fill(store, *"abcdef")
        durable = await made(durables, checkpoint_every=1)
        consumer = attached(durable)
        for _ in range(6):
            settle(durable, *await taken(durable, consumer, 1))
            await turns()
        assert [command.position for command in writes.of(c.AdvanceCheckpoint)] == [1]
        writes.let_go()
        await until(lambda: kept(store) == 6)
        assert [command.position for command in writes.of(c.AdvanceCheckpoint)] == [1, 6]


async def test_a_checkpoint_that_was_refused_is_written_later(caplog: pytest.LogCaptureFixture) -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.refused = (c.AdvanceCheckpoint,)
        await fill(store, *"abc")
        durable = await made(durables)
        settle(durable, *await taken(durable, attached(durable), 3))
        await until(lambda: len(writes.of(c.AdvanceCheckpoint)) >= 3)
        assert (kept(store), durable.info().checkpoint) == (0, 0)
        assert "a checkpoint cannot be written" in caplog.text
        writes.refused, writes.overloaded = (), (c.AdvanceCheckpoint,)
        await until(lambda: len(writes.of(c.AdvanceCheckpoint)) >= 6)
        writes.overloaded = ()
        await until(lambda: kept(store) == durable.info().checkpoint == 3)


async def test_the_checkpoint_moves_over_what_does_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "QUIET_POSITIONS", 5)
    async with at_work() as (store, durables):
        durable = await made(durables, by_event_type("Rare"))
        attached(durable)
        await turns()
        for _ in range(4):
            await write(store, "a", event_of("T"))
        await turns()
        assert kept(store) == 0
        await write(store, "a", event_of("T"), event_of("T"), event_of("Rare"))
        await until(lambda: kept(store) == 6)


async def test_closing_writes_the_last_checkpoint() -> None:
    async with at_work() as (store, durables):
        await fill(store, *"abc")
        durable = await made(durables, checkpoint_interval=600)
        settle(durable, *await taken(durable, attached(durable), 3))
        assert kept(store) == 0
        await durable.close()
        assert kept(store) == 3
        await durable.close()


async def test_closing_waits_for_the_checkpoint_that_is_being_written_and_for_the_last_one() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.held_back = (c.AdvanceCheckpoint,)
        await fill(store, *"ab")
        durable = await made(durables, checkpoint_every=1)
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 1))
        await until(lambda: writes.of(c.AdvanceCheckpoint))
        settle(durable, *await taken(durable, consumer, 1))
        closing = asyncio.ensure_future(durable.close())
        await turns()
        assert not closing.done()
        writes.let_go()
        await closing
        assert kept(store) == 2


@pytest.mark.parametrize("how", ["refused", "overloaded", "held_back"])
async def test_closing_ends_although_the_last_checkpoint_cannot_be_written(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "CLOSE_SECONDS", 0.05)
    async with at_work() as (store, durables):
        writes = Writes(store)
        await fill(store, *"ab")
        durable = await made(durables, checkpoint_interval=600)
        settle(durable, *await taken(durable, attached(durable), 2))
        setattr(writes, how, (c.AdvanceCheckpoint,))
        await durable.close()
        assert kept(store) == 0


# --- parking ---


@pytest.mark.parametrize("how", ["refused", "overloaded"])
async def test_an_event_that_cannot_be_parked_holds_its_stream_until_it_can(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        setattr(writes, how, (c.ParkEvents,))
        await fill(store, "a", "a", "b")
        durable = await made(durables)
        consumer = attached(durable)
        first, other = await taken(durable, consumer, 2)
        park(durable, first)
        settle(durable, other)
        await until(lambda: len(writes.of(c.ParkEvents)) >= 3)
        assert durable.take(consumer, 9) == []
        assert (parked(store), kept(store)) == ([], 0)
        assert "events cannot be parked" in caplog.text
        setattr(writes, how, ())
        assert positions(await taken(durable, consumer, 1)) == [2]
        assert parked(store) == [1]


async def test_events_behind_a_parked_one_wait_until_it_is_durable() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.held_back = (c.ParkEvents,)
        await fill(store, "a", "a")
        durable = await made(durables)
        consumer = attached(durable)
        park(durable, *await taken(durable, consumer, 1))
        await turns()
        assert durable.take(consumer, 9) == []
        assert durable.ack(1, None) is Outcome.STALE
        writes.let_go()
        assert positions(await taken(durable, consumer, 1)) == [2]


async def test_a_replayed_event_that_cannot_be_forgotten_comes_again_after_a_restart() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        await fill(store, "a")
        durable = await made(durables)
        consumer = attached(durable)
        park(durable, *await taken(durable, consumer, 1))
        await until(lambda: parked(store) == [1])
        await durables.replay(NAME, None)
        writes.refused = (c.ForgetReplayed,)
        settle(durable, *await taken(durable, consumer, 1))
        await until(lambda: writes.of(c.ForgetReplayed))
        assert [row.replaying for row in store.subscriptions.parked(NAME, 0, 9)] == [True]
        writes.refused = ()
        await durables.close()
        durables._running.clear()
        again = durables.get(NAME)
        settle(again, *await taken(again, attached(again), 1))
        await until(lambda: parked(store) == [])
