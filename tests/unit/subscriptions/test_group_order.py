"""In which order a consumer group delivers: one event of a key at a time, or as they come."""

from __future__ import annotations

from typing import Any

import pytest

from gater.model.subscriptions import GroupSettings
from gater.subscriptions.group_outcome import Outcome
from tests.unit.subscriptions.groups import ack_all, fail, group_of, new_group, row, rows, take


def test_one_event_of_a_key_is_in_flight_at_a_time() -> None:
    group = group_of("aabab")
    assert take(group) == [1, 3]
    group.ack(1, None, 0.0)
    assert take(group) == [2]
    group.ack(3, None, 0.0)
    assert take(group) == [5]


def test_nothing_of_a_key_is_delivered_while_one_waits_for_its_retry() -> None:
    group = group_of("aab", backoff=(1.0,))
    assert fail(group, 0.0) == [1, 1]
    assert take(group) == []
    group.tick(1.0)
    assert take(group, now=1.0) == [1, 3]


def test_nothing_of_a_key_is_delivered_while_one_is_being_parked() -> None:
    group = group_of("aa")
    take(group)
    group.nack(1, 1, "park", 0.0)
    assert take(group) == []
    group.to_park()
    assert not group.has_ready
    group.parked([1], 0.0)
    assert take(group) == [2]


def test_without_order_events_of_a_key_are_in_flight_together() -> None:
    group = group_of("aaa", ordering="none")
    assert take(group) == [1, 2, 3]


def test_an_event_settled_before_its_turn_is_passed_over() -> None:
    group = new_group(GroupSettings(), checkpoint=0, numbers=9)
    group.attach("x", 9)
    group.feed(rows("aaa"), 3)
    assert take(group) == [1]
    assert group.ack(2, 5, 0.0) is Outcome.SETTLED
    group.ack(1, None, 0.0)
    assert take(group) == [3]


def test_what_comes_back_goes_before_what_is_new() -> None:
    group = group_of("abcd", backoff=(1.0,))
    taken = group.take("x", 0.0, 2)
    group.nack(2, taken[1][2], "retry", 0.0)
    group.tick(1.0)
    assert take(group, now=1.0) == [2, 3, 4]


@pytest.mark.parametrize(("before", "after"), [("key", "none"), ("none", "key")])
def test_the_order_can_change(before: Any, after: Any) -> None:
    group = group_of("aabb", ordering=before, backoff=(1.0,))
    taken = group.take("x", 0.0, 1)
    group.nack(1, taken[0][2], "retry", 0.0)
    group.configure(GroupSettings(ordering=after), 0.0)
    assert take(group) == ([2, 3, 4] if after == "none" else [3])
    group.tick(1.0)
    assert take(group, now=1.0) == [1]


def test_a_changed_order_keeps_replays_in_their_place() -> None:
    group = group_of("a", ordering="none", checkpoint=10)
    group.replay([row(3)], 0.0)
    group.configure(GroupSettings(), 0.0)
    assert ack_all(group) == [3, 11]
