"""A durable subscription at work: what it keeps, what it does when the store refuses, what it costs when idle."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import apsw
import pytest

from gater.model import commands as c
from gater.model.errors import (
    GaterError,
    OverloadedError,
    StoreUnavailableError,
    SubscriptionNotFoundError,
)
from gater.model.selectors import by_event_type, by_stream, stream_prefix
from gater.model.subscriptions import Ahead, new_settings
from gater.store.store import Store
from gater.subscriptions import keeper
from gater.subscriptions.group import Outcome
from tests.unit.store.stores import event_of, write
from tests.unit.subscriptions.durable_store import (
    NAME,
    QUICK,
    Writes,
    at_work,
    attached,
    fill,
    made,
    park,
    positions,
    settle,
    taken,
    turns,
    until,
)


def kept(store: Store) -> int:
    saved = store.subscriptions.get(NAME)
    assert saved is not None
    return saved.checkpoint


def parked(store: Store) -> list[int]:
    return [row.position for row in store.subscriptions.parked(NAME, 0, 1_000)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "RETRY_SECONDS", 0.01)


# --- the checkpoint ---


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
        assert saved.ahead == Ahead((3,), ((2, 1),))
        settle(durable, fourth)
        await until(lambda: (store.subscriptions.get(NAME) or saved).ahead.settled == (3, 4))


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
        writes.refused = (c.DiscardParked,)
        settle(durable, *await taken(durable, consumer, 1))
        await until(lambda: writes.of(c.DiscardParked))
        assert [row.replaying for row in store.subscriptions.parked(NAME, 0, 9)] == [True]
        writes.refused = ()
        await durables.close()
        durables._running.clear()
        again = durables.get(NAME)
        settle(again, *await taken(again, attached(again), 1))
        await until(lambda: parked(store) == [])


# --- consumers ---


async def test_without_consumers_it_waits_for_nothing_and_reads_nothing() -> None:
    async with at_work() as (store, durables):
        await fill(store, "a")
        durable = await made(durables, stream_prefix("a"))
        waiting = len(store.tail.watches._of_any)
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 1))
        await until(lambda: len(store.tail.watches._of_any) == waiting + 1)
        durable.detach(consumer)
        durable.detach(consumer)
        await turns()
        assert len(store.tail.watches._of_any) == waiting
        await fill(store, "a", "a")
        info = durable.info()
        assert (info.state, info.lag, info.consumers) == ("stranded", 2, 0)
        assert len(store.tail.watches._of_any) == waiting


async def test_asking_how_it_is_doing_changes_nothing() -> None:
    async with at_work() as (store, durables):
        await fill(store, *"abc")
        durable = await made(durables)
        for _ in range(5):
            assert (durable.info().lag, durable.info().state) == (3, "stranded")
        assert positions(await taken(durable, attached(durable), 3)) == [1, 2, 3]


async def test_consumers_take_turns_in_being_first() -> None:
    async with at_work() as (store, durables):
        durable = await made(durables)
        given: dict[int, list[int]] = {0: [], 1: []}

        async def consume(number: int) -> None:
            async with aclosing(durable.consume(1)) as pages:
                async for page in pages:
                    given[number] += positions(page)
                    settle(durable, *page)

        consuming = [asyncio.ensure_future(consume(number)) for number in given]
        await until(lambda: durable.consumers == 2)
        for number in range(20):
            await fill(store, f"s-{number}")
            await until(lambda: len(given[0]) + len(given[1]) == number + 1)  # noqa: B023
        assert min(len(taken) for taken in given.values()) >= 5
        for task in consuming:
            task.cancel()
        await asyncio.wait(consuming)
        await until(lambda: durable.consumers == 0)


async def test_a_page_is_bounded_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.subscriptions.durable.PAGE_BYTES", 1_000)
    monkeypatch.setattr("gater.subscriptions.durable.SMALL_TAKE", 1)
    async with at_work() as (store, durables):
        await write(store, "a", *[event_of(data=b'"%b"' % (b"x" * 398)) for _ in range(10)])
        durable = await made(durables, ordering="none")
        consumer = attached(durable)
        assert [len(durable.take(consumer, 100)) for _ in range(4)] == [3, 3, 3, 1]


async def test_a_read_that_fails_ends_the_consumers_until_they_come_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as (store, durables):
        await fill(store, *"abc")
        store.tail.extend([], hides=True)  # so that it is read from the file
        durable = await made(durables)

        def fail(*arguments: Any) -> Any:
            raise apsw.IOError("the disk is gone")

        with monkeypatch.context() as patched:
            patched.setattr(store.reader, "read_all", fail)
            consumer = attached(durable)
            assert isinstance(consumer.error, GaterError)
            assert consumer.ended
            info = durable.info()
            assert (info.state, bool(info.reason)) == ("failed", True)
            durable.detach(consumer)
        assert positions(await taken(durable, attached(durable), 3)) == [1, 2, 3]
        assert (durable.info().state, durable.info().reason) == ("live", "")


async def test_too_many_consumers_are_refused_and_take_no_place() -> None:
    async with at_work() as (_, durables):
        durable = await made(durables, max_consumers=1)
        consumer = attached(durable)
        for _ in range(3):
            with pytest.raises(OverloadedError):
                attached(durable)
            with pytest.raises(OverloadedError):
                await durable.pull(1, 0.0)
        assert durable.consumers == 1
        durable.detach(consumer)
        attached(durable)


async def test_those_who_pull_are_one_consumer_as_long_as_they_hold_something() -> None:
    async with at_work() as (store, durables):
        await fill(store, *"ab")
        durable = await made(durables, max_consumers=1)
        held = [*await durable.pull(1, 0.0), *await durable.pull(1, 0.0)]
        assert positions(held) == [1, 2]
        assert await durable.pull(1, 0.0) == []
        assert durable.consumers == 1
        settle(durable, *held)
        await until(lambda: durable.consumers == 0)
        waiting = [asyncio.ensure_future(durable.pull(1, 5.0)) for _ in range(2)]
        await turns()
        assert durable.consumers == 1
        await fill(store, *"cd")
        assert sorted(positions([*await waiting[0], *await waiting[1]])) == [3, 4]


async def test_a_pull_that_is_cancelled_leaves_nothing() -> None:
    async with at_work() as (store, durables):
        durable = await made(durables)
        waiting = asyncio.ensure_future(durable.pull(1, 60.0))
        await until(lambda: durable.consumers == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await fill(store, "a")
        assert positions(await taken(durable, attached(durable), 1)) == [1]


# --- changes and ends ---


async def test_the_settings_are_changed_while_it_works() -> None:
    async with at_work() as (store, durables):
        await fill(store, "a", "a", "a")
        durable = await made(durables, max_in_flight=1)
        consumer = attached(durable)
        (first,) = await taken(durable, consumer, 1)
        assert durable.take(consumer, 9) == []
        await durables.save(by_stream(), NAME, 0, new_settings(**QUICK, ordering="none"))
        assert durable.config.settings.ordering == "none"
        assert positions(await taken(durable, consumer, 2)) == [2, 3]
        settle(durable, first)


async def test_receipts_of_before_a_rewind_are_stale() -> None:
    async with at_work() as (store, durables):
        await fill(store, *"ab")
        durable = await made(durables)
        consumer = attached(durable)
        first, _ = await taken(durable, consumer, 2)
        assert await durables.rewind(NAME, 1, None) == 1
        assert durable.ack(1, first[2]) is Outcome.STALE
        assert durable.nack(1, first[2], "park", None, "") is Outcome.STALE
        again, _ = await taken(durable, consumer, 2)
        assert again[0][2] == 1
        assert again[2] > first[2]
        assert durable.ack(1, again[2]) is Outcome.SETTLED


async def test_a_checkpoint_on_its_way_does_not_undo_a_rewind() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.held_back = (c.AdvanceCheckpoint,)
        await fill(store, *"abc")
        durable = await made(durables)
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 3))
        await until(lambda: writes.of(c.AdvanceCheckpoint))
        await durables.rewind(NAME, 1, None)
        writes.let_go()
        await turns()
        assert kept(store) == 0
        settle(durable, *await taken(durable, consumer, 3))
        await until(lambda: kept(store) == 3)


async def test_removing_it_ends_its_consumers_also_while_something_is_written() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.held_back = (c.AdvanceCheckpoint, c.ParkEvents)
        await fill(store, *"ab")
        durable = await made(durables)
        consumer = attached(durable)
        first, second = await taken(durable, consumer, 2)
        settle(durable, first)
        park(durable, second)
        await until(lambda: len(writes.made) >= 3)
        assert await durables.remove(by_stream(), NAME)
        assert isinstance(consumer.error, SubscriptionNotFoundError)
        writes.let_go()
        await turns()
        assert store.subscriptions.get(NAME) is None
        assert parked(store) == []
        with pytest.raises(StoreUnavailableError):
            attached(durable)


async def test_closing_ends_its_consumers() -> None:
    async with at_work() as (_, durables):
        durable = await made(durables)
        consumer = attached(durable)
        await durable.close()
        assert isinstance(consumer.error, StoreUnavailableError)
        with pytest.raises(StoreUnavailableError):
            await anext(durable.consume(5))
