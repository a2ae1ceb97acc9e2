"""Consumer groups that were fed one event for each letter, and short ways to say what a consumer does with them."""

from __future__ import annotations

from typing import Any

from gater.model.events import EventRow
from gater.model.subscriptions import GroupSettings
from gater.subscriptions.group import Group
from gater.subscriptions.group_outcome import Outcome


def row(position: int, key: str = "a", data: bytes = b"{}", metadata: bytes | None = None) -> EventRow:
    """The event of a key at a position, as the store hands it out."""
    return (key, position, position, position.to_bytes(16, "big"), "T", "application/json", data, metadata, 0)


def rows(keys: str, first: int = 1) -> list[EventRow]:
    """One event for each letter, which is its key."""
    return [row(first + index, key) for index, key in enumerate(keys)]


def new_group(settings: GroupSettings, *, run: int = 0, numbers: int = 0, **known: Any) -> Group:
    """A group that has receipts for all the deliveries of a test, the first of which is the one after `numbers`."""
    group = Group(settings, run=run, numbers=numbers, **known)
    group.grant(range(numbers + 1, 1 << 40))
    return group


def group_of(keys: str = "", *, consumers: str = "x", checkpoint: int = 0, **settings: Any) -> Group:
    """A group that was fed one event for each letter, with consumers that take as much as they can."""
    group = new_group(GroupSettings(**settings), checkpoint=checkpoint)
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
    """What is to be parked now: positions, reasons and attempts."""
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
