"""What a consumer group decides, rule by rule; the clock is a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gater.model.errors import InvalidArgumentError, OverloadedError
from gater.model.subscriptions import MOST_REASON_BYTES, Ahead, GroupSettings
from gater.store.machine import EventRow
from gater.subscriptions import group_window
from gater.subscriptions.group import Group, Outcome


def row(position: int, key: str = "a", data: bytes = b"{}", metadata: bytes | None = None) -> EventRow:
    return (key, position, position, position.to_bytes(16, "big"), "T", "application/json", data, metadata, 0)


def rows(keys: str, first: int = 1) -> list[EventRow]:
    """One event for each letter, which is its key."""
    return [row(first + index, key) for index, key in enumerate(keys)]


def group_of(keys: str = "", *, consumers: str = "x", checkpoint: int = 0, **settings: Any) -> Group:
    """A group that was fed one event for each letter, with consumers that take as much as they can."""
    group = Group(GroupSettings(**settings), checkpoint=checkpoint)
    for consumer in consumers:
        group.attach(consumer, 1_000)
    group.feed(rows(keys, checkpoint + 1), checkpoint + len(keys))
    return group


def take(group: Group, consumer: str = "x", now: float = 0.0, limit: int = 100) -> list[int]:
    """The positions of what a consumer gets."""
    return [event[2] for event, _, _ in group.take(consumer, now, limit)]


def ack_all(group: Group, consumer: str = "x", now: float = 0.0) -> list[int]:
    """Everything that a consumer gets when it acknowledges at once."""
    seen = []
    while taken := group.take(consumer, now, 100):
        for event, _, receipt in taken:
            assert group.ack(event[2], receipt, now) is Outcome.SETTLED
            seen.append(event[2])
    return seen


def to_park(group: Group) -> list[tuple[int, str, int]]:
    return [(entry.position, entry.reason, entry.attempts) for entry in group.to_park()]


def park(group: Group, position: int) -> None:
    """A consumer parks what it holds, and that is made durable."""
    group.nack(position, None, "park", 0.0, reason="odd")
    positions = [entry.position for entry in group.to_park()]
    assert positions == [position]
    group.parked(positions, 0.0)


def fail(group: Group, now: float, consumer: str = "x") -> list[int]:
    """A consumer takes what there is, and asks for a retry; the attempts are returned."""
    taken = group.take(consumer, now, 100)
    for event, _, receipt in taken:
        assert group.nack(event[2], receipt, "retry", now) is Outcome.SETTLED
    return [attempt for _, attempt, _ in taken]


# --- feeding ---


def test_events_are_delivered_with_attempt_and_receipt() -> None:
    group = group_of("ab")
    assert group.take("x", 0.0, 10) == [(row(1, "a"), 1, 1), (row(2, "b"), 1, 2)]


def test_receipts_go_on_from_the_first_one() -> None:
    group = Group(GroupSettings(ordering="none"), checkpoint=0, first_receipt=700)
    group.attach("x", 2)
    group.feed(rows("aaa"), 3)
    assert [receipt for _, _, receipt in group.take("x", 0.0, 10)] == [700, 701]
    group.ack(1, 700, 0.0)
    assert [receipt for _, _, receipt in group.take("x", 0.0, 10)] == [702]


def test_what_was_fed_before_is_ignored() -> None:
    group = group_of("ab")
    group.feed(rows("abc"), 3)
    assert ack_all(group) == [1, 2, 3]
    group.feed(rows("abc"), 2)
    assert ack_all(group) == []
    assert group.reached == 3


def test_what_is_settled_by_the_checkpoint_is_not_delivered() -> None:
    group = Group(GroupSettings(), checkpoint=2)
    group.attach("x", 10)
    group.feed(rows("abc"), 3)
    assert ack_all(group) == [3]


def test_what_is_settled_ahead_is_settled_on_arrival() -> None:
    group = Group(GroupSettings(), checkpoint=0, ahead=Ahead(settled=(2,), attempts=((3, 4),)))
    group.attach("x", 10)
    group.feed(rows("abc"), 3)
    assert [(event[2], attempt) for event, attempt, _ in group.take("x", 0.0, 10)] == [(1, 1), (3, 5)]
    assert group.unsettled == 2


def test_room_is_twice_what_may_be_in_flight() -> None:
    group = group_of(max_in_flight=600)
    assert group.room == 1_200
    group.feed(rows("a" * 1_199), 1_199)
    assert group.room == 1


def test_room_is_never_less_than_the_least_window() -> None:
    assert group_of(max_in_flight=1).room == 1_000


def test_room_counts_what_was_settled_out_of_order() -> None:
    group = group_of("ab", max_in_flight=1)
    taken = group.take("x", 0.0, 1)
    group.configure(GroupSettings(max_in_flight=2), 0.0)
    group.take("x", 0.0, 1)
    group.ack(2, None, 0.0)
    assert group.room == 998
    group.ack(1, taken[0][2], 0.0)
    assert group.room == 1_000


def test_there_is_no_room_beyond_the_payload_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "WINDOW_BYTES", 10)
    group = group_of(max_in_flight=1)
    group.feed([row(1, data=b"12345", metadata=b"1234")], 1)
    assert group.room == 999
    group.feed([row(2, data=b"1")], 2)
    assert group.room == 0
    take(group)
    group.ack(1, None, 0.0)
    assert group.room == 999


# --- consumers ---


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
    assert group.ack(4, 1, 0.0) is Outcome.UNKNOWN
    assert group.ack(9, 1, 0.0) is Outcome.UNKNOWN
    assert group.nack(9, None, "park", 0.0) is Outcome.UNKNOWN


def test_what_was_never_delivered_is_unknown_without_a_receipt() -> None:
    group = group_of("a")
    assert group.ack(1, None, 0.0) is Outcome.UNKNOWN
    assert group.ack(1, 0, 0.0) is Outcome.UNKNOWN


def test_a_delivery_from_before_a_restart_can_be_acknowledged() -> None:
    group = group_of("ab")
    assert group.ack(1, 99, 0.0) is Outcome.SETTLED
    assert group.position == 1
    assert ack_all(group) == [2]


def test_what_is_settled_ahead_and_not_fed_yet_was_settled_already() -> None:
    group = Group(GroupSettings(), checkpoint=3, ahead=Ahead(settled=(7,)))
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


# --- key order ---


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
    group = group_of("aaa")
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


# --- parking ---


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
    group.unblock("a")
    group.unblock("b")
    group.feed([row(2)], 2)
    assert ack_all(group) == [2]


def test_keys_are_blocked_from_the_start() -> None:
    settings = GroupSettings(after_park="block")
    group = Group(settings, checkpoint=1, blocked=[("a", 4), ("a", 3), ("b", 1)])
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


# --- replaying ---


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


# --- the checkpoint ---


def test_the_checkpoint_follows_what_is_settled_in_order() -> None:
    group = group_of("abc")
    take(group)
    group.ack(2, None, 0.0)
    assert (group.position, group.ahead()) == (0, Ahead(settled=(2,)))
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
    assert group.ahead() == Ahead(settled=(2,), attempts=((1, 1),))


def test_what_is_known_ahead_is_told_until_it_is_fed() -> None:
    group = Group(GroupSettings(), checkpoint=0, ahead=Ahead(settled=(2, 7, 5), attempts=((3, 1), (8, 2))))
    group.feed(rows("abc"), 6)
    assert group.ahead() == Ahead(settled=(2, 7), attempts=((3, 1), (8, 2)))


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
    after = Group(before.settings, checkpoint=before.position, ahead=before.ahead())
    after.attach("x", 10)
    after.feed(rows("abc"), 3)
    assert [(event[2], attempt) for event, attempt, _ in after.take("x", 0.0, 10)] == [(1, 1), (3, 2)]


# --- other settings ---


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


def test_a_lower_bound_of_events_in_flight_holds_for_what_comes() -> None:
    group = group_of("abc")
    take(group, limit=2)
    group.configure(GroupSettings(max_in_flight=1), 0.0)
    group.ack(1, None, 0.0)
    assert take(group) == []
    group.ack(2, None, 0.0)
    assert take(group) == [3]


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
    kept: Sequence[Any] = [entry.row for entry in group._course.window._order]
    assert row(2, "b") not in kept
    group.ack(1, None, 0.0)
    assert group.oldest is None
    assert (len(group._course.window), len(group._course.lanes)) == (0, 0)
