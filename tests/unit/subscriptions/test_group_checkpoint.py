"""The checkpoint of a consumer group, what is known ahead of it, and how another group goes on from there."""

from __future__ import annotations

from gater.model.subscriptions import Ahead, GroupSettings
from tests.unit.subscriptions.groups import ack_all, group_of, new_group, row, rows, take


def test_the_checkpoint_follows_what_is_settled_in_order() -> None:
    group = group_of("abc")
    take(group)
    group.ack(2, None, 0.0)
    assert (group.position, group.ahead()) == (0, Ahead(reached=2, unsettled=(1,)))
    group.ack(1, None, 0.0)
    assert (group.position, group.ahead()) == (2, Ahead())


def test_the_checkpoint_passes_over_what_does_not_match() -> None:
    group = group_of()
    group.feed([row(4)], 9)
    assert (group.position, group.reached) == (3, 9)
    ack_all(group)
    assert group.position == 9
    group.feed([], 20)
    assert group.position == 20


def test_what_is_ahead_tells_failures() -> None:
    group = group_of("abc", backoff=(1.0,))
    taken = group.take("x", 0.0, 10)
    group.nack(1, taken[0][2], "retry", 0.0)
    group.nack(2, taken[1][2], "retry", 0.0)
    group.ack(2, taken[1][2], 0.0)
    assert group.ahead() == Ahead(attempts=((1, 1),), reached=2, unsettled=(1,))


def test_what_is_known_ahead_is_told_until_it_is_fed() -> None:
    group = new_group(GroupSettings(), checkpoint=0, ahead=Ahead(settled=(2, 7, 5), attempts=((3, 1), (8, 2))))
    group.feed([*rows("abc"), row(5, "e")], 6)
    known = Ahead(settled=(7,), attempts=((3, 1), (8, 2)), reached=5, unsettled=(1, 3))
    assert group.ahead() == known


def test_settled_events_are_counted_from_checkpoint_to_checkpoint() -> None:
    group = group_of("abc")
    ack_all(group)
    assert group.settled_since_checkpoint == 3
    group.checkpoint_taken()
    assert group.settled_since_checkpoint == 0


def test_a_group_goes_on_where_another_one_was() -> None:
    before = group_of("abc", backoff=(1.0,))
    taken = before.take("x", 0.0, 10)
    before.ack(2, taken[1][2], 0.0)
    before.nack(3, taken[2][2], "retry", 0.0)
    after = new_group(before.settings, checkpoint=before.position, ahead=before.ahead())
    after.attach("x", 10)
    after.feed(rows("abc"), 3)
    assert [(event[2], attempt) for event, attempt, _ in after.take("x", 0.0, 10)] == [(1, 1), (3, 2)]
