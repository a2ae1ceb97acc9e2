"""Events that all stores of a node give out in turns are counted with the newest ones, which give way to them."""

from __future__ import annotations

import asyncio

import pytest

from gater.model.events import payload_bytes
from gater.model.memory_budget import Share
from gater.model.selectors import by_stream
from gater.store import watches as watches_module
from gater.store.tail import Tail
from gater.store.tail_budget import GivenOut, TailBudget
from gater.store.watches import Watch
from tests.unit.store.interests import in_events
from tests.unit.store.test_shared_memory import extend
from tests.unit.store.test_watches import given_to, row

SIZE = payload_bytes(row(1, "a", data=bytes(1_000)))
FIRST = 64
"""Events of the first turn, which are never due."""


@pytest.fixture
def share() -> Share:
    return Share("followers", 300 * SIZE)


@pytest.fixture
def tails(share: Share, monkeypatch: pytest.MonkeyPatch) -> list[Tail]:
    monkeypatch.setattr(watches_module, "TURN_SECONDS", 0)
    budget, made = TailBudget(share), [Tail(0) for _ in range(3)]
    given_out = GivenOut(share, budget)
    for tail in made:
        tail.budget, tail.watches.given_out = budget, given_out
    return made


def follow(tail: Tail) -> Watch:
    return tail.watches.watch(in_events(by_stream("a")))


def batch(tail: Tail, count: int) -> None:
    tail.extend([row(tail.position + number, "a", data=bytes(1_000)) for number in range(1, count + 1)])


async def given_all(tail: Tail, watch: Watch) -> list[int]:
    given = given_to(watch)
    while tail.watches.next_given is not None:
        await asyncio.sleep(0)
        given += given_to(watch)
    return given


async def test_events_that_are_due_are_counted_until_they_are_given(share: Share, tails: list[Tail]) -> None:
    tail, watch = tails[0], follow(tails[0])
    batch(tail, 100)
    assert share.used == tail.bytes + (100 - FIRST) * SIZE
    assert await given_all(tail, watch) == list(range(1, 101))
    assert share.used == tail.bytes


async def test_the_newest_events_of_stores_give_way_to_those_that_are_due(share: Share, tails: list[Tail]) -> None:
    first, second, third = tails
    extend(first, 100)
    extend(second, 100)
    watch = follow(third)
    batch(third, 100)
    assert share.used <= share.limit
    assert (first.bytes, share.used) == (0, second.bytes + third.bytes + (100 - FIRST) * SIZE)
    assert await given_all(third, watch) == list(range(1, 101))
    assert share.refused == 1


async def test_followers_read_from_the_file_what_has_no_room(share: Share, tails: list[Tail]) -> None:
    first, second, _ = tails
    one, other = follow(first), follow(second)
    batch(first, 1_000)
    assert not one.behind, "those that come when none is due have room"
    batch(second, 100)
    assert (other.behind, second.watches.next_given, first.bytes) == (True, None, 0)
    assert share.used == second.bytes + (1_000 - FIRST) * SIZE
    assert share.refused == 2
    batch(first, 1)
    assert (one.behind, first.watches.next_given) == (True, None)
    assert share.used == first.bytes + second.bytes <= share.limit
    third = follow(second)
    batch(second, 100)
    assert len(await given_all(second, third)) == 100


async def test_a_store_that_is_alone_keeps_fewer_of_its_newest_events(share: Share, tails: list[Tail]) -> None:
    tail = tails[0]
    extend(tail, 290)
    watch = follow(tail)
    batch(tail, 100)
    batch(tail, 50)
    assert share.used == tail.bytes + (150 - FIRST) * SIZE <= share.limit
    assert tail.bytes == (300 - 150 + FIRST) * SIZE
    assert await given_all(tail, watch) == list(range(291, 441))


async def test_events_that_are_due_or_hidden_leave_no_count(share: Share, tails: list[Tail]) -> None:
    first, second, _ = tails
    watches = [follow(first), follow(second)]
    batch(first, 100)
    first.extend([], {"a": 90})
    assert share.used == first.bytes + 10 * SIZE
    batch(second, 100)
    second.watches.close()
    first.watches.close()
    assert share.used == first.bytes + second.bytes
    assert len(watches) == 2
