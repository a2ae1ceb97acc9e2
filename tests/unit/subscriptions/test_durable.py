"""A durable subscription at work: its consumers, what it costs when idle, how it is changed and how it ends."""

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
from gater.model.events import EVENT_WEIGHT
from gater.model.selectors import by_event_payload, by_stream, stream_prefix
from gater.subscriptions import group_window
from gater.subscriptions.group_outcome import Outcome
from tests.unit.store.stores import event_of, write
from tests.unit.subscriptions.durable_store import (
    NAME,
    QUICK,
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


async def test_without_consumers_it_waits_for_nothing_and_reads_nothing() -> None:
    async with at_work() as (store, durables):
        await fill(store, "a")
        durable = await made(durables, stream_prefix("a"))
        waiting = len(store.tail.watches._index._groups)
        consumer = attached(durable)
        settle(durable, *await taken(durable, consumer, 1))
        await until(lambda: len(store.tail.watches._index._groups) == waiting + 1)
        durable.detach(consumer)
        durable.detach(consumer)
        await turns()
        assert len(store.tail.watches._index._groups) == waiting
        await fill(store, "a", "a")
        info = durable.info()
        assert (info.state, info.lag, info.consumers) == ("stranded", 2, 0)
        assert len(store.tail.watches._index._groups) == waiting


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
    monkeypatch.setattr("gater.subscriptions.durable.PAGE_BYTES", 2 * (EVENT_WEIGHT + 400) + 200)
    async with at_work() as (store, durables):
        await write(store, "a", *[event_of(data=b'"%b"' % (b"x" * 398)) for _ in range(10)])
        durable = await made(durables, ordering="none")
        consumer = attached(durable)
        assert len(await taken(durable, consumer, 1)) == 1
        assert [len(durable.take(consumer, 100)) for _ in range(3)] == [3, 3, 3]


async def test_a_read_that_fails_ends_the_consumers_until_they_come_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work() as (store, durables):
        await fill(store, *"abc")
        store.tail.extend([], hides=None)  # so that it is read from the file
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
        await durables.save(by_stream(), NAME, 0, {**QUICK, "ordering": "none", "max_in_flight": 10})
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
        assert durable.info().delivered == 4  # those before the rewind count, too


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


async def test_a_group_that_is_full_says_so_and_names_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "MOST_WAITING", 2)
    async with at_work() as (store, durables):
        await fill(store, *"abc")
        durable = await made(durables, max_in_flight=1)
        consumer = attached(durable)
        for _ in range(2):
            [(event, _, receipt)] = await taken(durable, consumer, 1)
            durable.nack(event[2], receipt, "retry", 60.0, "")
            durable.after_settling()
        info = durable.info()
        reason = "3 events are not settled; the first is at position 1 of stream a"
        assert (info.state, info.reason) == ("full", reason)
        assert durables.health(NAME).current_status == "degraded"
        assert durables.health(NAME).last_event == "subscription_full"


async def test_a_pull_that_waits_for_receipts_is_told_that_the_subscription_was_removed() -> None:
    async with at_work() as (store, durables):
        writes = Writes(store)
        writes.held_back = (c.ClaimReceipts,)
        durable = await made(durables)
        pulling = asyncio.ensure_future(durable.pull(1, 0.0))
        await until(lambda: writes.of(c.ClaimReceipts))
        assert await durables.remove(by_stream(), NAME)
        writes.let_go()
        with pytest.raises(SubscriptionNotFoundError):
            await pulling


async def test_lag_in_one_stream_does_not_count_other_streams() -> None:
    async with at_work() as (store, durables):
        await fill(store, "a", *["other"] * 50, "a", "a", *["other"] * 50)
        durable = await made(durables, by_stream("a"))
        info = durable.info()
        assert (info.state, info.lag) == ("stranded", 3)


async def test_a_subscription_that_nothing_matches_is_not_stranded() -> None:
    async with at_work() as (store, durables):
        for _ in range(4):
            await write(store, "s", *[event_of() for _ in range(1_000)])
        durable = await made(durables, by_event_payload({"no": "such value"}))
        states = {state := durable.info().state}
        while state == "catching_up":
            states.add(state := durable.info().state)
        assert states <= {"catching_up", "idle"}
        assert durable.info().lag == 0
