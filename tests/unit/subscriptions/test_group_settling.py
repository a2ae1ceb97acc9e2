"""How the deliveries of a consumer group are settled: acknowledged, failed, out of time; the clock is a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gater.model.subscriptions import MOST_REASON_BYTES, Ahead, GroupSettings
from gater.subscriptions.group_outcome import Outcome
from gater.subscriptions.group_waits import MOST_OVERDUE, PAUSE_SECONDS
from tests.unit.subscriptions.groups import ack_all, fail, group_of, new_group, row, rows, take, to_park

# --- acknowledging ---


def test_repeating_an_ack_is_harmless() -> None:
    group = group_of("ab")
    take(group)
    assert group.ack(2, 2, 0.0) is Outcome.SETTLED
    assert group.ack(2, 2, 0.0) is Outcome.ALREADY
    assert group.ack(1, 1, 0.0) is Outcome.SETTLED
    assert group.ack(1, 1, 0.0) is Outcome.ALREADY
    assert group.nack(1, 1, "retry", 0.0) is Outcome.ALREADY
    assert group.acked == 2


def test_what_is_not_here_is_unknown() -> None:
    group = group_of("ab")
    group.feed([row(5)], 6)
    assert group.ack(4, 1, 0.0) is Outcome.ALREADY  # it is none of the group's: there is nothing to settle
    assert group.ack(9, 1, 0.0) is Outcome.UNKNOWN
    assert group.nack(9, None, "park", 0.0) is Outcome.UNKNOWN


def test_what_was_never_delivered_is_unknown_without_a_receipt() -> None:
    group = group_of("a")
    assert group.ack(1, None, 0.0) is Outcome.UNKNOWN
    assert group.ack(1, 0, 0.0) is Outcome.UNKNOWN


def test_a_delivery_from_before_a_restart_can_be_acknowledged() -> None:
    group = new_group(GroupSettings(), checkpoint=0, run=50, numbers=99)
    group.attach("x", 9)
    group.feed(rows("ab"), 2)
    assert group.ack(1, 99, 0.0) is Outcome.SETTLED
    assert group.position == 1
    assert ack_all(group) == [2]


@pytest.mark.parametrize("receipt", [1, 50, 100, 500])
def test_what_was_not_delivered_is_not_settled_by_a_receipt_of_another_run_or_one_that_was_not_given(
    receipt: int,
) -> None:
    group = new_group(GroupSettings(), checkpoint=0, run=50, numbers=99)
    group.feed(rows("ab"), 2)
    assert group.ack(1, receipt, 0.0) is Outcome.UNKNOWN
    assert group.nack(1, receipt, "park", 0.0) is Outcome.UNKNOWN
    assert group.to_park() == []


def test_what_is_settled_ahead_and_not_fed_yet_was_settled_already() -> None:
    group = new_group(GroupSettings(), checkpoint=3, ahead=Ahead(settled=(7,)))
    assert group.ack(7, 1, 0.0) is Outcome.ALREADY
    assert group.ack(3, 1, 0.0) is Outcome.ALREADY
    assert group.ack(6, 1, 0.0) is Outcome.UNKNOWN


def test_a_receipt_is_stale_when_the_event_was_delivered_again() -> None:
    group = group_of("a", consumers="xy", ack_timeout=5.0, backoff=(0.0,))
    take(group)
    group.tick(5.0)
    take(group, "y", now=5.0)
    assert group.ack(1, 1, 5.0) is Outcome.STALE
    assert group.nack(1, 1, "skip", 5.0) is Outcome.STALE
    assert group.in_flight_of("y") == 1
    assert group.ack(1, 2, 5.0) is Outcome.SETTLED


def test_a_late_ack_counts_while_nobody_else_has_the_event() -> None:
    group = group_of("ab", ack_timeout=5.0, backoff=(1.0,))
    take(group)
    group.tick(5.0)
    assert group.retrying == 2
    assert group.ack(1, 1, 5.5) is Outcome.SETTLED  # it waits for its retry
    group.tick(6.0)
    assert group.ack(2, 2, 6.0) is Outcome.SETTLED  # it is ready again
    assert group.position == 2
    assert take(group, now=6.0) == []
    assert not group.has_ready
    assert group.next_due is None


def test_without_a_receipt_an_ack_counts_for_whoever_holds_the_event() -> None:
    group = group_of("a", consumers="xy", backoff=(0.0,))
    fail(group, 0.0)
    group.tick(0.0)
    take(group, "y")
    assert group.ack(1, None, 0.0) is Outcome.SETTLED
    assert group.in_flight_of("y") == 0


# --- out of time ---


def test_a_short_time_costs_no_more_than_its_share() -> None:
    group = group_of("a" * 2_000, ack_timeout=0.01, backoff=(0.0,), max_retries=1_000, ordering="none")
    for tick in range(200):
        take(group, now=tick / 100, limit=2_000)
        group.tick(tick / 100)
        assert group.next_due is not None
    assert group.redelivered <= 2_000 + MOST_OVERDUE * 2.0 / PAUSE_SECONDS
    take(group, now=0.0, limit=2_000)
    before = group.in_flight
    due = group.next_due
    assert due is not None
    group.tick(due)
    assert before - group.in_flight <= MOST_OVERDUE
    assert group.next_due >= due + PAUSE_SECONDS


# --- failing ---


def test_a_retry_waits_for_its_backoff() -> None:
    group = group_of("a", backoff=(1.0, 4.0), max_retries=5)
    now = 0.0
    for attempt, pause in enumerate((1.0, 4.0, 4.0), 1):
        assert fail(group, now) == [attempt]
        assert group.next_due == now + pause
        group.tick(now + pause - 0.5)
        assert not group.has_ready
        now += pause
        group.tick(now)
        assert group.has_ready


def test_a_retry_waits_for_the_delay_that_was_asked_for() -> None:
    group = group_of("a")
    take(group)
    group.nack(1, 1, "retry", 10.0, delay=7.0)
    assert group.next_due == 17.0


def test_unknown_acts_like_retry() -> None:
    group = group_of("a", backoff=(2.0,))
    take(group)
    assert group.nack(1, 1, "unknown", 0.0) is Outcome.SETTLED
    assert (group.retrying, group.next_due) == (1, 2.0)


def test_an_event_that_fails_too_often_is_parked() -> None:
    group = group_of("a", backoff=(0.0,), max_retries=1)
    fail(group, 0.0)
    group.tick(0.0)
    taken = group.take("x", 0.0, 1)
    group.nack(1, taken[0][2], "retry", 0.0, reason="no such plant")
    assert to_park(group) == [(1, "failed 2 times: no such plant", 2)]
    assert to_park(group) == []


def test_without_retries_the_first_failure_parks() -> None:
    group = group_of("a", max_retries=0)
    fail(group, 0.0)
    assert to_park(group) == [(1, "failed 1 time", 1)]


def test_a_reason_is_kept_within_its_bound() -> None:
    group = group_of("a", max_retries=0)
    take(group)
    group.nack(1, 1, "retry", 0.0, reason="é" * MOST_REASON_BYTES)
    assert len(group.to_park()[0].reason.encode()) <= MOST_REASON_BYTES


def test_one_delivery_fails_only_once() -> None:
    group = group_of("a", ack_timeout=5.0, backoff=(1.0,))
    take(group)
    group.tick(5.0)
    assert group.nack(1, 1, "retry", 5.0, delay=60.0) is Outcome.ALREADY
    assert group.next_due == 6.0
    group.tick(6.0)
    assert [attempt for _, attempt, _ in group.take("x", 6.0, 1)] == [2]


def test_skip_settles_without_success() -> None:
    group = group_of("ab")
    take(group)
    assert group.nack(1, 1, "skip", 0.0) is Outcome.SETTLED
    assert (group.position, group.skipped, group.acked) == (1, 1, 0)
    assert group.nack(1, 1, "skip", 0.0) is Outcome.ALREADY


def test_stop_gives_everything_back_without_a_failure_and_detaches() -> None:
    group = group_of("ab", consumers="xy")
    take(group)
    assert group.nack(2, 2, "stop", 0.0) is Outcome.SETTLED
    assert group.stopped() == ["x"]
    assert group.stopped() == []
    assert group.consumers == 1
    assert [(event[2], attempt) for event, attempt, _ in group.take("y", 0.0, 10)] == [(1, 1), (2, 1)]
    assert group.redelivered == 2


def test_stop_for_an_event_that_nobody_holds_changes_nothing() -> None:
    group = group_of("a", consumers="xy")
    fail(group, 0.0)
    assert group.nack(1, 1, "stop", 0.0) is Outcome.ALREADY
    assert (group.consumers, group.retrying, group.stopped()) == (2, 1, [])


# --- time ---


def test_an_event_that_is_not_acknowledged_in_time_has_failed() -> None:
    group = group_of("a", ack_timeout=5.0, backoff=(1.0,), max_retries=0)
    take(group)
    assert group.next_due == 5.0
    group.tick(4.9)
    assert group.in_flight == 1
    group.tick(5.0)
    assert group.in_flight == 0
    assert to_park(group) == [(1, "failed 1 time: not acknowledged in time", 1)]


def test_timeouts_come_in_the_order_of_deliveries() -> None:
    group = group_of("ab", ack_timeout=5.0, backoff=(60.0,))
    take(group, now=0.0, limit=1)
    take(group, now=2.0, limit=1)
    group.tick(5.0)
    assert group.in_flight == 1
    assert group.next_due == 7.0
    group.ack(2, None, 5.0)
    assert group.next_due == 65.0


def test_nothing_is_due_when_nothing_is_owed() -> None:
    assert group_of("a").next_due is None


def test_waits_that_were_given_up_are_not_kept() -> None:
    group = group_of(consumers="x", backoff=(1_000.0,), ordering="none")
    for position in range(1, 1_001):
        group.feed([row(position)], position)
        fail(group, 0.0)
        group.ack(position, None, 0.0)
    assert len(group._course.waits._heap) <= 100


# --- facts ---


def test_facts_are_counted() -> None:
    group = group_of("abcd", backoff=(1.0,))
    taken = group.take("x", 0.0, 3)
    group.ack(1, taken[0][2], 0.0)
    group.nack(2, taken[1][2], "retry", 0.0)
    group.nack(3, taken[2][2], "skip", 0.0)
    assert (group.unsettled, group.in_flight, group.retrying) == (2, 0, 1)
    assert (group.delivered, group.redelivered, group.acked, group.skipped) == (3, 0, 1, 1)
    assert group.oldest == row(2, "b")
    group.tick(1.0)
    take(group, now=1.0)
    assert (group.delivered, group.redelivered, group.retrying) == (5, 1, 0)


def test_a_settled_event_lets_go_of_its_payload() -> None:
    group = group_of("ab")
    take(group)
    group.ack(2, None, 0.0)
    assert group.oldest == row(1, "a")
    kept: Sequence[Any] = [entry.row for entry in group._course.window._order]
    assert row(2, "b") not in kept
    group.ack(1, None, 0.0)
    assert group.oldest is None
    assert (len(group._course.window), len(group._course.lanes)) == (0, 0)
