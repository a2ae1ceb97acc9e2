"""Which events a consumer group parks, when that counts, and what a parked event holds up."""

from __future__ import annotations

from gater.model.subscriptions import GroupSettings
from gater.subscriptions.group_outcome import Outcome
from tests.unit.subscriptions.groups import ack_all, group_of, new_group, park, row, rows, take, to_park


def test_a_parked_event_is_settled_only_when_that_is_durable() -> None:
    group = group_of("ab")
    take(group)
    assert group.nack(1, 1, "park", 0.0, reason="odd") is Outcome.SETTLED
    assert to_park(group) == [(1, "odd", 1)]
    assert (group.position, group.unsettled) == (0, 2)
    group.parked([1], 0.0)
    assert (group.position, group.unsettled) == (1, 1)
    group.parked([1, 77], 0.0)
    assert (group.acked, group.skipped) == (0, 0)


def test_an_event_that_is_being_parked_is_decided() -> None:
    group = group_of("a")
    take(group)
    group.nack(1, 1, "park", 0.0)
    assert group.nack(1, 1, "park", 0.0) is Outcome.ALREADY
    assert group.ack(1, 1, 0.0) is Outcome.STALE
    group.park_failed([entry.position for entry in group.to_park()], 0.0)
    assert group.ack(1, 1, 0.0) is Outcome.STALE


def test_what_could_not_be_parked_is_tried_again_later() -> None:
    group = group_of("aa", backoff=(3.0, 9.0))
    take(group)
    group.nack(1, 1, "park", 0.0, reason="odd")
    group.park_failed([entry.position for entry in group.to_park()], 1.0)
    assert to_park(group) == []
    assert (group.next_due, group.retrying) == (4.0, 0)
    group.tick(4.0)
    assert to_park(group) == [(1, "odd", 1)]
    assert not group.has_ready
    group.parked([1], 4.0)
    assert take(group, now=4.0) == [2]


def test_a_parked_event_blocks_its_key() -> None:
    group = group_of("abaa", after_park="block")
    take(group)
    park(group, 1)
    reason = "behind the parked event at position 1"
    assert to_park(group) == [(3, reason, 0), (4, reason, 0)]
    group.feed(rows("ab", 5), 6)
    assert to_park(group) == [(5, reason, 0)]
    group.parked([3, 4, 5], 0.0)
    assert set(group.blocked_keys) == {"a"}
    group.ack(2, None, 0.0)
    assert ack_all(group) == [6]
    assert group.position == 6


def test_a_key_goes_on_when_nothing_of_it_is_parked() -> None:
    group = group_of("a", after_park="block")
    take(group)
    park(group, 1)
    group.unparked([1, 5])
    group.feed([row(2)], 2)
    assert ack_all(group) == [2]


def test_a_key_stays_blocked_while_something_of_it_is_parked() -> None:
    group = new_group(GroupSettings(after_park="block"), checkpoint=4, blocked=[("a", 4), ("a", 3), ("b", 1)])
    group.unparked([3, 1])
    assert set(group.blocked_keys) == {"a"}
    group.unparked([3, 4])
    assert not group.blocked_keys


def test_events_parked_behind_another_are_met_once_in_their_lane() -> None:
    group = group_of("a" * 300, after_park="block")
    take(group)
    park(group, 1)
    behind = [position for position, _, _ in to_park(group)]
    (lane,) = group._course.lanes._lanes.values()
    group.parked(behind[:1], 0.0)
    assert (lane.first, lane.returned) == (None, [])
    group.parked(behind[1:], 0.0)
    assert group.position == 300


def test_keys_are_blocked_from_the_start() -> None:
    settings = GroupSettings(after_park="block")
    group = new_group(settings, checkpoint=1, blocked=[("a", 4), ("a", 3), ("b", 1)])
    group.attach("x", 10)
    group.feed(rows("aaaab", 2), 6)
    reason = "behind the parked event at position {}"
    assert to_park(group) == [(5, reason.format(3), 0), (6, reason.format(1), 0)]
    group.parked([5], 0.0)
    assert ack_all(group) == [2]
    assert group.position == 5  # 3 and 4 are parked already


def test_blocked_keys_go_on_when_the_settings_say_so() -> None:
    group = group_of("a", after_park="block")
    take(group)
    park(group, 1)
    group.configure(GroupSettings(), 0.0)
    group.feed([row(2)], 2)
    assert ack_all(group) == [2]
    assert not group.blocked_keys


def test_events_behind_a_parked_one_are_parked_in_their_order() -> None:
    group = group_of("aaa", consumers="", ordering="none", max_retries=0)
    group.attach("x", 2)
    assert take(group, limit=2) == [1, 2]
    group.nack(1, None, "retry", 0.0)
    (first,) = group.to_park()
    group.configure(GroupSettings(max_retries=1, backoff=(0.0,), after_park="block"), 0.0)
    group.nack(2, None, "retry", 0.0)
    group.parked([first.position], 0.0)  # the third, which was ready, follows at once
    group.tick(0.0)  # the second follows when its turn comes
    reason = "behind the parked event at position 1"
    assert to_park(group) == [(2, reason, 0), (3, reason, 0)]
