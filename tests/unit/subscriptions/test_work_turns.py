"""Turns that subscriptions share: however many have work, the event loop serves others in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gater.model.limits import TURN_SECONDS
from gater.model.selectors import by_stream
from gater.subscriptions import feeder, work_turns
from gater.subscriptions.channels import NOWHERE
from gater.subscriptions.emitters import Emitter
from gater.subscriptions.feeder import Feeder
from gater.subscriptions.work_turns import WorkTurns
from tests.unit.store.stores import event_of, memory_store, write
from tests.unit.subscriptions.durable_store import at_work, attached, made


class Loop:
    """Time that only work takes, and how much of it each turn of the event loop holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.turns: list[int] = [0]
        """Pieces of work by turn of the event loop."""
        self._loop = asyncio.get_running_loop()
        self._next_turn()
        for module in (work_turns, feeder):
            monkeypatch.setattr(module, "perf_counter", lambda: self.now)

    def _next_turn(self) -> None:
        if len(self.turns) < 1_000:
            self.turns.append(0)
            self._loop.call_soon(self._next_turn)

    def work(self, seconds: float = TURN_SECONDS * 1.1) -> None:
        self.now += seconds
        self.turns[-1] += 1


async def test_work_that_takes_long_leaves_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, turns = Loop(monkeypatch), WorkTurns()
    for _ in range(10):
        turns.add(loop.work)
    await until_done(loop, 10)
    assert max(loop.turns) == 1


async def test_quick_work_is_done_in_one_turn_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, turns, done = Loop(monkeypatch), WorkTurns(), list[int]()
    for number in range(50):
        turns.add(lambda number=number: (done.append(number), loop.work(TURN_SECONDS / 100)))
    turns.add(lambda: turns.add(loop.work))
    await until_done(loop, 51)
    assert done == [*range(50)]
    assert [count for count in loop.turns if count] == [50, 1]


async def test_work_that_fails_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, turns, failed = Loop(monkeypatch), WorkTurns(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))
    turns.add(lambda: 1 / 0)
    turns.add(loop.work)
    await until_done(loop, 1)
    assert [type(error) for error in failed] == [ZeroDivisionError]


async def test_groups_that_fill_their_windows_share_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work() as (store, durables):
        for number in range(10):
            attached(await made(durables, by_stream(), f"group-{number}"))
        loop, fill = Loop(monkeypatch), Feeder.fill

        def filled(self: Feeder) -> bool:
            loop.work()
            return fill(self)

        monkeypatch.setattr(Feeder, "fill", filled)
        await write(store, "s", event_of())
        await until_done(loop, 10)
        assert max(loop.turns) == 1


async def test_emitters_share_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_store() as store:
        loop, turns = Loop(monkeypatch), WorkTurns()
        for _ in range(10):
            emitter = Emitter(store, by_stream(), "t", NOWHERE.events, turns)
            emitter._begin()
            monkeypatch.setattr(emitter, "_emit_what_came", loop.work)
        await write(store, "s", event_of())
        await until_done(loop, 10)
        assert max(loop.turns) == 1


async def until_done(loop: Loop, count: int) -> None:
    """Return when so many pieces of work were done."""
    async with asyncio.timeout(10):
        while sum(loop.turns) < count:
            await asyncio.sleep(0)
