"""What all stores of a node hold together: the newest events, what waits for followers, commands that wait."""

from __future__ import annotations

import pytest

from gater.model.errors import OverloadedError
from gater.model.limits import Limits
from gater.model.memory_budget import Share
from gater.model.selectors import by_stream
from gater.store import tail as tail_module
from gater.store.backlog import Backlog
from gater.store.tail import Tail
from gater.store.tail_budget import TailBudget
from tests.unit.store.interests import in_events
from tests.unit.store.test_watches import given_to, row


@pytest.fixture
def share() -> Share:
    return Share("followers", 10_000)


def tails(share: Share, count: int) -> list[Tail]:
    budget, made = TailBudget(share), [Tail(0) for _ in range(count)]
    for tail in made:
        tail.budget = budget
    return made


def extend(tail: Tail, count: int = 1, data: int = 1_000, stream: str = "s") -> None:
    for _ in range(count):
        tail.extend([row(tail.position + 1, stream, data=bytes(data))])


def test_tails_of_all_stores_are_within_the_share(share: Share) -> None:
    made = tails(share, 20)
    for _ in range(5):
        for tail in made:
            extend(tail, 3)
            assert share.used == sum(tail.bytes for tail in made) <= share.limit
    assert made[-1].holds(made[-1].position - 3)
    assert not made[0].holds(made[0].position - 1)


def test_a_tail_that_is_alone_keeps_its_newest_events(share: Share) -> None:
    (tail,) = tails(share, 1)
    extend(tail, 50)
    assert share.limit - 2_000 < tail.bytes <= share.limit
    extend(tail, data=20_000)
    assert tail.holds(tail.position - 1), "the newest batch stays, however large it is"
    extend(tail)
    assert share.used == tail.bytes <= share.limit


def test_a_store_that_is_closed_holds_nothing(share: Share) -> None:
    first, second = tails(share, 2)
    extend(first)
    extend(second)
    assert first.budget is not None
    first.budget.forget(first)
    first.budget.forget(first)
    assert share.used == second.bytes


async def test_a_follower_falls_behind_when_what_waits_for_it_has_left_the_tail(share: Share) -> None:
    tail, other = tails(share, 2)
    slow, fresh = (tail.watches.watch(in_events(by_stream(name))) for name in "ab")
    extend(tail, stream="a")
    extend(tail, 20, stream="c")
    assert (slow.behind, given_to(slow)) == (True, [])
    extend(tail, stream="b")
    extend(tail, 2, stream="c")
    assert (fresh.behind, given_to(fresh)) == (False, [22])
    extend(tail, stream="b")
    extend(other, 9)
    assert fresh.behind, "another store needed the room"


async def test_a_follower_does_not_fall_behind_as_others_are_hidden(share: Share) -> None:
    (tail,) = tails(share, 1)
    watch = tail.watches.watch(in_events(by_stream("a")))
    extend(tail, stream="a")
    tail.extend([row(2, "b")], {"c": 5})
    extend(tail, stream="b")
    assert (watch.behind, given_to(watch)) == (False, [1])


async def test_what_waits_for_many_followers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "MOST_BYTES", 20_000)
    tail = Tail(0)
    watches = [tail.watches.watch(in_events(by_stream(f"s-{n}"))) for n in range(50)]
    for number in range(50):
        extend(tail, 3, stream=f"s-{number}")
    assert sum(watch._bytes for watch in watches) <= tail.bytes <= 20_000


def test_commands_of_all_stores_wait_within_one_share() -> None:
    share = Share("requests", 100)
    first, second = Backlog(Limits(), share), Backlog(Limits(), share)
    first.admit(70)
    second.admit(30)
    for backlog in (first, second):
        with pytest.raises(OverloadedError) as refused:
            backlog.admit(1)
        assert (refused.value.what, refused.value.limit) == ("request bytes", 100)
    assert (second.commands, second.bytes, share.refused) == (1, 30, 2)
    first.release(1, 70)
    second.admit(60)
    second.release(2, 90)
    assert share.used == 0
