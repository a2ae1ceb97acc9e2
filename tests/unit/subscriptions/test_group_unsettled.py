"""A consumer group of which one event is not settled for long: memory, records, and what is read again."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from gater.model.events import EventRow
from gater.model.subscriptions import Ahead, GroupSettings
from gater.subscriptions import group_window
from gater.subscriptions.group import Group
from gater.subscriptions.group_outcome import Outcome
from tests.unit.subscriptions.groups import group_of, new_group, park, row, rows, take

KEYS = "abcdefghij"


class Log:
    """A store's events, and the reads that a group asks for."""

    def __init__(self, keys: str) -> None:
        self.rows = rows(keys)
        self.read_again = 0
        """Events that were read a second time."""

    def fill(self, group: Group) -> None:
        """Read what the group has room for."""
        group.make_room()
        refill = group.refill
        while refill.is_wanted:
            if positions := refill.to_load(64):
                self.read_again += len(positions)
                refill.loaded(positions, [self.rows[position - 1] for position in positions])
            for key, mark in refill.to_resume(32):
                page = self._stream(key, mark.first)
                self.read_again += len(page)
                refill.resume(key, mark, page, 0, not page)
        reached = max(group.reached, group.next_wanted - 1)
        page = self.rows[reached : reached + group.room]
        group.feed(page, reached + len(page))

    def _stream(self, key: str, first: int) -> list[EventRow]:
        page: list[EventRow] = []
        for event in self.rows[first - 1 :]:
            if event[0] == key:
                page.append(event)
                if len(page) == 32:
                    break
        return page

    def work(self, group: Group, now: float = 0.0) -> list[int]:
        """Acknowledge all that comes until nothing comes any more; the positions."""
        seen: list[int] = []
        before = (0, -1)
        while True:
            self.fill(group)
            taken = group.take("x", now, 100)
            for event, _, receipt in taken:
                assert group.ack(event[2], receipt, now) is Outcome.SETTLED
                seen.append(event[2])
            if not taken and group.reached == len(self.rows) and not group.refill.is_wanted:
                return seen
            assert taken or before != (group.reached, self.read_again), "it stands still"
            before = (group.reached, self.read_again)


def begun(ahead: Ahead, checkpoint: int, **settings: object) -> Group:
    """Another group that goes on where one was."""
    group = new_group(GroupSettings(**settings), checkpoint=checkpoint, ahead=ahead)  # type: ignore[arg-type]
    group.attach("x", 1_000)
    return group


def size(group: Group) -> int:
    """Bytes of what a checkpoint records."""
    return len(msgspec.msgpack.encode(group.ahead()))


def failed_first(log: Log, delay: float = 86_400.0) -> Group:
    """A group whose first event waits for a retry."""
    group = group_of(max_in_flight=100)
    group.feed(log.rows[:1], 1)
    [(_, _, receipt)] = group.take("x", 0.0, 1)
    group.nack(1, receipt, "retry", 0.0, delay)
    return group


def test_all_other_streams_go_on_in_bounded_memory_for_as_long_as_an_event_waits() -> None:
    log = Log("z" + KEYS * 10_000)
    group = failed_first(log)
    assert len(log.work(group)) == 100_000
    assert (group.position, group.unsettled, group.retrying) == (0, 1, 1)
    window = group._course.window
    assert len(window) == 1
    assert len(window._order) + len(window._again) <= group_window.SETTLED_LISTED + 3
    assert len(group._course.lanes) == 1


def test_a_checkpoint_does_not_grow_with_the_distance() -> None:
    near, far = Log("z" + KEYS * 5), Log("z" + KEYS * 5_000)
    groups = [failed_first(near), failed_first(far)]
    near.work(groups[0])
    far.work(groups[1])
    assert size(groups[1]) <= size(groups[0]) + 8
    assert size(groups[1]) < 40


def test_later_events_of_a_stream_that_waits_are_not_kept() -> None:
    log = Log("z" + ("z" + KEYS) * 5_000)
    group = failed_first(log)
    assert len(log.work(group)) == 50_000
    assert group.unsettled == 5_001
    assert len(group._course.window) <= 1_001
    assert size(group) < 9 * 1_001 + 60


def test_they_come_in_their_order_when_the_stream_goes_on() -> None:
    log = Log("z" + ("z" + KEYS) * 1_000)
    group = failed_first(log)
    log.work(group)
    group.tick(86_400.0)
    seen = log.work(group, 86_400.0)
    assert seen == [event[2] for event in log.rows if event[0] == "z"]
    assert (group.position, group.unsettled) == (len(log.rows), 0)


def test_a_group_that_goes_on_delivers_nothing_again_that_was_settled_far_ahead() -> None:
    log = Log("z" + ("z" + KEYS) * 3_000)
    before = failed_first(log)
    log.work(before)
    after = begun(before.ahead(), before.position, max_in_flight=100)
    log.fill(after)
    [(event, attempt, receipt)] = after.take("x", 0.0, 1)
    assert (event[2], attempt) == (1, 2)
    after.ack(1, receipt, 0.0)
    assert log.work(after) == [event[2] for event in log.rows[1:] if event[0] == "z"]
    assert after.position == len(log.rows)


def test_a_group_that_goes_on_holds_up_only_the_stream_that_waits() -> None:
    log = Log("z" + ("z" + KEYS) * 1_000)
    before = failed_first(log)
    log.work(before)
    log.rows += rows("z" + KEYS * 2_000, len(log.rows) + 1)
    after = begun(before.ahead(), before.position, max_in_flight=100)
    log.fill(after)
    assert take(after, limit=1) == [1]
    assert len(log.work(after)) == 20_000
    assert after.position == 0


def test_what_lies_between_unsettled_events_is_not_read_when_a_group_goes_on() -> None:
    log = Log("z" + KEYS * 5_000)
    before = failed_first(log)
    log.work(before)
    after = begun(before.ahead(), before.position)
    after.feed(log.rows[:1], 1)
    assert after.next_wanted == len(log.rows) + 1


def test_records_of_earlier_versions_are_understood() -> None:
    old = msgspec.msgpack.encode([[2, 4], [[3, 2]]])
    ahead = msgspec.msgpack.decode(old, type=Ahead)
    group = begun(ahead, 0)
    group.feed(rows("abcde"), 5)
    assert [(event[2], attempt) for event, attempt, _ in group.take("x", 0.0, 10)] == [(1, 1), (3, 3), (5, 1)]


def test_each_event_costs_the_same_however_far_the_group_is_ahead() -> None:
    log = Log("z" + ("z" + KEYS) * 5_000)
    group = failed_first(log)
    log.work(group)
    assert log.read_again == 0
    group.tick(86_400.0)
    log.work(group, 86_400.0)
    assert log.read_again < 6_000


def test_payloads_that_consumers_hold_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "WINDOW_BYTES", 120_000)
    log = Log("")
    log.rows = [row(position, data=b"x" * 1_000) for position in range(1, 201)]
    group = group_of(ordering="none", max_in_flight=150)
    log.fill(group)
    held = take(group, limit=100)
    seen = log.work(group)
    assert sorted(held + seen) == list(range(1, 201))
    assert group._course.window.bytes < 100 * 300
    group.detach("x", 0.0)
    group.attach("x", 1_000)
    again = log.work(group)
    assert again == held


def test_an_event_that_is_gone_when_it_is_read_again_is_settled() -> None:
    group = group_of("a")
    [(_, _, receipt)] = group.take("x", 0.0, 1)
    group.refill.limit(1)
    group.make_room()
    group.nack(1, receipt, "retry", 0.0, 1.0)
    group.tick(1.0)
    group.refill.limit(1 << 20)
    assert group.refill.to_load(10) == [1]
    group.refill.loaded([1], [])
    assert (group.unsettled, group.position) == (0, 1)


def full_of_one_stream(log: Log, **settings: Any) -> Group:
    """A group without order that holds the first two thousand events of a stream, one of four of them settled."""
    group = group_of(ordering="none", max_in_flight=1_000, **settings)
    log.fill(group)
    for event, _, receipt in group.take("x", 0.0, 1_000):
        if event[2] == 1:
            group.nack(1, receipt, "retry", 0.0, 86_400.0)
        elif event[2] % 2:
            group.ack(event[2], receipt, 0.0)
        else:
            group.nack(event[2], receipt, "retry", 0.0, 0.0)
    group.tick(0.0)
    return group


@pytest.mark.parametrize("starts_again", [False, True], ids=["at work", "after a restart"])
def test_key_order_that_is_asked_for_later_holds_up_only_the_stream_that_waits(starts_again: bool) -> None:
    log = Log("z" * 2_200 + KEYS * 500)
    group = full_of_one_stream(log)
    settled = list(range(3, 1_001, 2))
    changed = GroupSettings(max_in_flight=100)
    if starts_again:
        group = begun(group.ahead(), group.position, max_in_flight=100)
        log.fill(group)
        [(_, _, receipt)] = group.take("x", 0.0, 1)
        group.nack(1, receipt, "retry", 0.0, 86_400.0)
    else:
        group.configure(changed, 0.0)
    assert sorted(log.work(group)) == list(range(2_201, 7_201))
    assert size(group) < 30_000
    group = begun(group.ahead(), group.position, max_in_flight=100)
    assert log.work(group) == [position for position in range(1, 2_201) if position not in settled]
    assert (group.position, group.unsettled) == (len(log.rows), 0)


def held_without_payload(after_park: Literal["continue", "block"]) -> Group:
    """A group with key order that began without; a consumer holds the first two events of a stream of four."""
    group = group_of("aaaa", ordering="none", backoff=(1.0,))
    assert take(group, limit=2) == [1, 2]
    group.configure(GroupSettings(backoff=(1.0,), after_park=after_park), 0.0)
    group.refill.limit(1)
    group.make_room()
    group.refill.limit(1)
    return group


def test_an_event_is_read_again_without_room_when_all_others_wait_for_it() -> None:
    group = held_without_payload("continue")
    for position in (1, 2):
        group.nack(position, None, "retry", 0.0)
    group.tick(1.0)
    assert (group.room, group.has_ready) == (0, False)
    assert group.refill.to_load(10) == [1]
    group.refill.loaded([1], [row(1)])
    assert group.refill.to_load(10) == [2]
    group.refill.loaded([2], [row(2)])
    assert (group.refill.to_load(10), take(group)) == ([], [1])


def test_an_event_is_parked_behind_another_without_being_read_again() -> None:
    group = held_without_payload("block")
    group.nack(2, None, "retry", 0.0)
    group.tick(1.0)
    park(group, 1)
    assert [entry.position for entry in group.to_park()] == [2]
    assert group.refill.to_load(10) == []


def test_a_group_is_full_when_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_window, "MOST_WAITING", 20)
    group = group_of(KEYS * 5, ordering="none", max_in_flight=10)
    while not group.is_full:
        for event, _, receipt in group.take("x", 0.0, 1):
            group.nack(event[2], receipt, "retry", 0.0, 60.0)
    assert (group.retrying, group.room) == (20, 0)
    assert group.oldest == row(1)
    group.ack(1, None, 0.0)
    assert not group.is_full


def test_a_marked_stream_that_goes_on_begins_at_the_event_that_comes_next() -> None:
    log = Log("z" + ("z" + KEYS) * 2_000)
    group = failed_first(log)
    log.work(group)
    group.tick(86_400.0)
    while group.position < len(log.rows):
        log.fill(group)
        for event, _, receipt in group.take("x", 86_400.0, 100):
            group.ack(event[2], receipt, 86_400.0)
            assert group.oldest is None or log.rows[group.oldest[2] - 1][0] == "z"


def test_what_is_marked_counts_when_a_group_that_goes_on_has_read_up_to_it() -> None:
    log = Log("z" + ("z" + KEYS) * 2_000)
    before = failed_first(log)
    log.work(before)
    after = begun(before.ahead(), before.position, max_in_flight=100)
    assert (before.unsettled, after.unsettled) == (2_001, 0)
    while after.reached < len(log.rows):
        log.fill(after)
    assert after.unsettled == 2_001
