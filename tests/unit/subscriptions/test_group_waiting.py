"""What waits at a patient consumer, which reports what it has begun: the ack timeout runs from then on."""

from __future__ import annotations

from gater.subscriptions.group import Group
from gater.subscriptions.group_outcome import Outcome
from gater.subscriptions.group_receipts import EVERY_RECEIPT
from tests.unit.subscriptions.groups import group_of, take, to_park


def patient(keys: str, **settings: object) -> Group:
    """A group with a patient consumer `p`, which has taken everything at 0.0; receipts are positions."""
    group = group_of(keys, consumers="", **{"ack_timeout": 10.0, "max_retries": 0, **settings})
    group.attach("p", 1_000, is_patient=True)
    assert take(group, "p") == list(range(1, len(keys) + 1))
    return group


def test_what_waits_is_not_overdue_while_its_consumer_is_heard_of() -> None:
    group = patient("abcdef")
    for position in range(1, 7):
        now = 9.0 * position
        assert group.report("p", position, now) == (0, [])
        assert not group.tick(now + 8.0)
        assert group.ack(position, position, now + 8.0) is Outcome.SETTLED
    assert (group.acked, group.redelivered, group.in_flight) == (6, 0, 0)


def test_what_was_begun_is_overdue_although_its_consumer_is_heard_of() -> None:
    group = patient("abc")
    group.report("p", 1, 5.0)
    group.report("p", 2, 14.0)
    assert group.next_due == 15.0
    assert group.tick(15.0)
    assert [position for position, _, _ in to_park(group)] == [1]
    assert group.in_flight == 2


def test_what_waits_at_a_silent_consumer_goes_to_others_and_has_not_failed() -> None:
    group = patient("abc", max_retries=9)
    group.report("p", 1, 3.0)
    group.attach("x", 10)
    assert group.next_due == 13.0
    assert group.tick(13.0)  # what was begun has failed
    assert [(event[2], attempt) for event, attempt, _ in group.take("x", 13.0, 10)] == [(2, 1), (3, 1)]
    assert group.report("p", 1, 14.0) == (3, [])
    assert group.ack(2, 2, 14.0) is Outcome.STALE


def test_a_silent_consumer_gets_nothing_before_it_reports() -> None:
    group = patient("ab")
    assert not group.tick(10.0)
    assert take(group, "p", 10.0) == []
    assert (group.in_flight, group.report("p", 0, 11.0)) == (0, (2, []))
    assert take(group, "p", 11.0) == [1, 2]
    assert group.report("p", 3, 12.0) == (2, [])


def test_a_consumer_that_leaves_has_failed_only_on_what_it_had_begun() -> None:
    group = patient("abc")
    group.leave("p", 1.0)
    group.attach("x", 10)
    assert (take(group), to_park(group)) == ([1, 2, 3], [])

    group = patient("abc")
    group.report("p", 1, 1.0)
    group.leave("p", 1.0)
    assert [position for position, _, _ in to_park(group)] == [1]


def test_who_is_not_attached_has_nothing() -> None:
    group = patient("a")
    group.detach("p", 0.0)
    assert group.report("p", 1, 0.0) == (EVERY_RECEIPT, [])


def test_events_of_an_impatient_consumer_are_overdue_from_their_delivery_on() -> None:
    group = group_of("ab", ack_timeout=10.0)
    assert take(group) == [1, 2]
    assert group.report("x", 0, 5.0) == (0, [])
    assert group.next_due == 10.0
    assert group.tick(10.0)
    assert group.in_flight == 0


def test_what_was_hidden_while_it_waited_is_settled_and_the_consumer_is_told() -> None:
    """Not so what it has begun, which it settles itself."""
    group = patient("abcd")
    group.report("p", 1, 0.0)
    group.refill.hide(lambda event: event[0] in "abc")
    assert group.in_flight == 4
    assert group.report("p", 2, 1.0) == (0, [3])
    assert group.report("p", 2, 1.0) == (0, [])
    assert (group.in_flight, group.position, group.ack(3, 3, 1.0)) == (3, 0, Outcome.ALREADY)
    for position in (1, 2, 4):
        assert group.ack(position, position, 1.0) is Outcome.SETTLED
    assert (group.position, group.acked) == (4, 3)


def test_what_was_hidden_and_taken_back_otherwise_is_not_told() -> None:
    group = patient("ab", max_retries=9)
    group.refill.hide(lambda event: event[0] == "b")
    assert not group.tick(10.0)
    assert group.report("p", 0, 11.0) == (2, [])
