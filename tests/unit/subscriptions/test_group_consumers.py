"""The consumers of a group: how many there are, how much each holds, and what happens when one leaves."""

from __future__ import annotations

import pytest

from gater.model.errors import InvalidArgumentError, OverloadedError
from gater.model.subscriptions import GroupSettings
from tests.unit.subscriptions.groups import group_of, take, to_park


def test_consumers_past_the_bound_are_refused() -> None:
    group = group_of(consumers="xy", max_consumers=2)
    with pytest.raises(OverloadedError) as caught:
        group.attach("z", 1)
    assert caught.value.details == {"what": "consumers", "limit": 2}
    group.detach("x", 0.0)
    group.attach("z", 1)
    assert group.consumers == 2


def test_prefetch_is_at_least_one() -> None:
    with pytest.raises(InvalidArgumentError):
        group_of().attach("z", 0)


def test_attaching_again_changes_the_prefetch() -> None:
    group = group_of("abc", max_consumers=1)
    group.attach("x", 2)
    assert take(group) == [1, 2]
    assert group.consumers == 1


def test_a_consumer_holds_no_more_than_its_prefetch() -> None:
    group = group_of("abcd")
    group.attach("y", 3)
    assert take(group, "y") == [1, 2, 3]
    assert take(group, "y") == []
    assert group.in_flight_of("y") == 3
    group.ack(2, None, 0.0)
    assert take(group, "y") == [4]


def test_all_consumers_hold_no_more_than_max_in_flight() -> None:
    group = group_of("abcd", consumers="xy", max_in_flight=3)
    assert take(group, "x", limit=2) == [1, 2]
    assert take(group, "y") == [3]
    assert not group.has_ready
    group.ack(1, None, 0.0)
    assert group.has_ready
    assert take(group, "y") == [4]


def test_a_take_gives_no_more_than_its_limit() -> None:
    assert take(group_of("abcd"), limit=3) == [1, 2, 3]


def test_who_is_not_attached_gets_nothing() -> None:
    group = group_of("a", consumers="")
    assert take(group, "z") == []
    group.detach("z", 0.0)
    assert group.in_flight_of("z") == 0
    assert group.has_ready


def test_detach_gives_events_back_at_once_in_order() -> None:
    group = group_of("cabd", consumers="xy")
    assert take(group, "x", limit=3) == [1, 2, 3]
    group.detach("x", 0.0)
    assert group.in_flight == 0
    assert [(event[2], attempt) for event, attempt, _ in group.take("y", 0.0, 10)] == [(1, 2), (2, 1), (3, 1), (4, 1)]


def test_detach_counts_the_first_unsettled_event_as_failed() -> None:
    group = group_of("abc", consumers="xy")
    take(group)
    group.ack(1, None, 0.0)
    group.detach("x", 0.0)
    assert [(event[2], attempt) for event, attempt, _ in group.take("y", 0.0, 10)] == [(2, 2), (3, 1)]


def test_an_event_that_kills_its_consumers_is_parked_and_the_innocent_are_not() -> None:
    group = group_of("abc", consumers="", max_retries=2)
    for consumer in range(3):
        group.attach(consumer, 10)
        assert len(group.take(consumer, 0.0, 10)) == 3
        group.detach(consumer, 0.0)
    assert to_park(group) == [(1, "failed 3 times: its consumer left", 3)]
    group.parked([1], 0.0)
    group.attach("x", 10)
    assert [(event[2], attempt) for event, attempt, _ in group.take("x", 0.0, 10)] == [(2, 1), (3, 1)]


def test_a_consumer_that_held_nothing_leaves_nothing_behind() -> None:
    group = group_of("a", consumers="xy")
    group.detach("x", 0.0)
    assert [attempt for _, attempt, _ in group.take("y", 0.0, 10)] == [1]


def test_a_lower_bound_of_events_in_flight_holds_for_what_comes() -> None:
    group = group_of("abc")
    take(group, limit=2)
    group.configure(GroupSettings(max_in_flight=1), 0.0)
    group.ack(1, None, 0.0)
    assert take(group) == []
    group.ack(2, None, 0.0)
    assert take(group) == [3]
