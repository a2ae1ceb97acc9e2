"""What a consumer group takes in, and how much more it has room for."""

from __future__ import annotations

import pytest

from gater.model.events import payload_bytes
from gater.model.subscriptions import Ahead, GroupSettings
from gater.subscriptions import group_window
from tests.unit.subscriptions.groups import ack_all, group_of, new_group, row, rows, take


def test_events_are_delivered_with_attempt_and_receipt() -> None:
    group = group_of("ab")
    assert group.take("x", 0.0, 10) == [(row(1, "a"), 1, 1), (row(2, "b"), 1, 2)]


def test_receipts_go_on_from_the_first_one() -> None:
    group = new_group(GroupSettings(ordering="none"), checkpoint=0, numbers=699)
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
    group = new_group(GroupSettings(), checkpoint=2)
    group.attach("x", 10)
    group.feed(rows("abc"), 3)
    assert ack_all(group) == [3]


def test_what_is_settled_ahead_is_settled_on_arrival() -> None:
    group = new_group(GroupSettings(), checkpoint=0, ahead=Ahead(settled=(2,), attempts=((3, 4),)))
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


def test_room_does_not_count_what_was_settled_out_of_order() -> None:
    group = group_of("ab", max_in_flight=1)
    taken = group.take("x", 0.0, 1)
    group.configure(GroupSettings(max_in_flight=2), 0.0)
    group.take("x", 0.0, 1)
    group.ack(2, None, 0.0)
    assert group.room == 999
    group.ack(1, taken[0][2], 0.0)
    assert group.room == 1_000


def test_there_is_no_room_beyond_the_payload_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "WINDOW_BYTES", 2 * payload_bytes(row(1, data=b"12345")))
    group = group_of(max_in_flight=1)
    group.feed([row(1, data=b"12345", metadata=b"1234")], 1)
    assert group.room == 999
    group.feed([row(2, data=b"1")], 2)
    assert group.room == 0
    take(group)
    group.ack(1, None, 0.0)
    assert group.room == 999
