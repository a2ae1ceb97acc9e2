"""Parked events that a consumer group delivers again: their place among the others, and when they are forgotten."""

from __future__ import annotations

from gater.model.subscriptions import Ahead, GroupSettings
from gater.subscriptions.group_outcome import Outcome
from tests.unit.subscriptions.groups import ack_all, fail, group_of, new_group, park, row, rows, take, to_park


def test_a_replayed_event_comes_before_later_ones_of_its_key() -> None:
    group = group_of("aa", checkpoint=10)
    group.replay([row(3), row(4, "b"), row(5)], 0.0)
    assert take(group) == [3, 4]
    group.ack(3, None, 0.0)
    group.ack(4, None, 0.0)
    assert ack_all(group) == [5, 11, 12]
    assert group.to_forget() == [3, 4, 5]
    assert group.to_forget() == []


def test_a_replayed_event_does_not_overtake_one_in_flight() -> None:
    group = group_of("aa", checkpoint=10)
    assert take(group) == [11]
    group.replay([row(3)], 0.0)
    assert take(group) == []
    group.ack(11, None, 0.0)
    assert ack_all(group) == [3, 12]


def test_replayed_events_do_not_hold_the_checkpoint_back() -> None:
    group = group_of("b", checkpoint=10)
    group.replay([row(3)], 0.0)
    assert (group.replaying, group.unsettled) == (1, 1)
    assert group.oldest == row(11, "b")
    take(group)
    group.ack(11, None, 0.0)
    assert (group.position, group.in_flight) == (11, 1)
    assert group.ahead() == Ahead()


def test_a_replayed_event_forgets_its_attempts_and_may_be_parked_again() -> None:
    group = group_of("a", max_retries=0)
    fail(group, 0.0)
    group.parked([entry.position for entry in group.to_park()], 0.0)
    group.replay([row(1)], 0.0)
    assert fail(group, 0.0) == [1]
    assert to_park(group) == [(1, "failed 1 time", 1)]
    group.parked([1], 0.0)
    assert (group.to_forget(), group.replaying) == ([], 0)


def test_a_skipped_replay_is_forgotten() -> None:
    group = group_of(checkpoint=10)
    group.replay([row(3)], 0.0)
    take(group)
    group.nack(3, None, "skip", 0.0)
    assert group.to_forget() == [3]


def test_replaying_twice_delivers_once() -> None:
    group = group_of(checkpoint=10)
    group.replay([row(3)], 0.0)
    group.replay([row(3)], 0.0)
    assert ack_all(group) == [3]
    assert group.to_forget() == [3]


def test_an_event_that_is_owed_and_replayed_is_delivered_once() -> None:
    group = group_of("a")
    group.replay([row(1), row(2)], 0.0)
    group.feed([row(2)], 2)
    assert (group.unsettled, group.replaying) == (2, 2)
    assert ack_all(group) == [1, 2]
    assert group.to_forget() == [1, 2]
    assert (group.position, group.replaying) == (2, 0)


def test_replays_of_a_blocked_key_are_delivered() -> None:
    group = group_of("aa", after_park="block")
    take(group)
    park(group, 1)
    group.parked([entry.position for entry in group.to_park()], 0.0)
    group.replay([row(1), row(2)], 0.0)
    group.feed([row(3)], 3)
    assert to_park(group) == [(3, "behind the parked event at position 1", 0)]
    group.parked([3], 0.0)
    assert ack_all(group) == [1, 2]


def test_a_replay_that_fails_again_parks_those_behind_it() -> None:
    group = group_of(checkpoint=10, after_park="block")
    group.replay([row(3), row(5), row(4, "b")], 0.0)
    take(group)
    park(group, 3)
    assert to_park(group) == [(5, "behind the parked event at position 3", 0)]
    group.parked([5], 0.0)
    assert (group.to_forget(), group.replaying) == ([], 1)


def test_a_replay_can_follow_an_event_parked_out_of_order() -> None:
    group = group_of("ab")
    take(group)
    park(group, 2)
    group.replay([row(2, "b")], 0.0)
    assert group.position == 0
    assert take(group) == [2]
    assert group.ack(2, None, 0.0) is Outcome.SETTLED
    assert group.ack(2, None, 0.0) is Outcome.ALREADY


def test_a_receipt_of_before_an_event_was_parked_does_not_settle_its_replay() -> None:
    group = new_group(GroupSettings(), checkpoint=0, run=10, numbers=99)
    group.attach("x", 9)
    group.feed(rows("a"), 1)
    ((event, _, receipt),) = group.take("x", 0.0, 1)
    park(group, 1)
    group.replay([event], 0.0)
    for old in (receipt, 50):  # of this group, and of before a restart
        assert group.ack(1, old, 0.0) is Outcome.STALE
        assert group.nack(1, old, "park", 0.0) is Outcome.STALE
    assert group.to_forget() == []
    assert take(group) == [1]
