"""Followers that an event does not concern cost nothing, whatever they wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gater.model.events import JSON, EventRow
from gater.model.selectors import (
    Selector,
    all_of,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from gater.store import payload_index
from gater.store.interest_index import InterestIndex
from gater.store.interests import Interest
from gater.store.watches import Watches
from tests.unit.store.interests import in_events

MANY = 500
EVENT: EventRow = (
    "common-1", 3, 7, bytes(16), "Common", JSON, b'{"kind":"common","k":"v","n":1,"o":{"k":"v"}}', b'{"c":"v"}', 5
)  # fmt: skip

KINDS: dict[str, Callable[[int], Selector]] = {
    "stream": lambda i: by_stream(f"w-{i}"),
    "prefix": lambda i: stream_prefix(f"common-{i + 2}"),
    "type": lambda i: by_event_type(f"W{i}"),
    "payload value": lambda i: by_event_payload({"k": f"w{i}"}),
    "payload key": lambda i: by_event_payload({f"k{i}": "v"}),
    "payload key of any value": lambda i: by_event_payload({f"k{i}": "_"}),
    "number": lambda i: by_event_payload({"n": i + 2}),
    "inner value": lambda i: by_event_payload({"o": {"k": f"w{i}"}}),
    "list": lambda i: by_event_payload({"k": ["_", i]}),
    "metadata": lambda i: by_event_pattern({"metadata": {"c": f"w{i}"}}),
    "event id": lambda i: by_event_pattern({"event_id": f"00000000-0000-4000-8000-{i:012}"}),
    "position": lambda i: by_event_pattern({"position": 8 + i}),
    "time": lambda i: by_event_pattern({"created": f"2026-01-01T00:00:{i}Z"}),
    "stream and type": lambda i: all_of(by_stream("common-1"), by_event_type(f"W{i}")),
    "prefix and type": lambda i: all_of(stream_prefix(f"w-{i}"), by_event_type("Common")),
    "stream and payload": lambda i: all_of(by_stream("common-1"), by_event_payload({"k": f"w{i}"})),
    "common and rare value": lambda i: by_event_payload({"kind": "common", "k": f"w{i}"}),
    "pattern": lambda i: by_event_pattern({"event_type": "Common", "data": {"kind": "common", "k": f"w{i}"}}),
    "stream or type": lambda i: any_of(by_stream(f"w-{i}"), by_event_type(f"W{i}")),
    "one of two payloads": lambda i: any_of(by_event_payload({"a": f"w{i}"}), by_event_payload({"b": f"w{i}"})),
    "joined joins": lambda i: any_of(
        all_of(by_stream(f"w-{i}"), by_event_type("Common")), all_of(stream_prefix(f"v-{i}"), by_event_type("Common"))
    ),
}
SAME: dict[str, Selector] = {
    "stream and type": all_of(by_stream("common-1"), by_event_type("Other")),
    "prefix and payload": all_of(stream_prefix("common-"), by_event_payload({"kind": "common", "k": "w"})),
    "variables": by_event_payload({"k": "$1", "n": "$1"}),
    "fields that differ": by_event_pattern({"version": "$1", "position": "$1"}),
}


class Counted:
    """An index whose looks at interests, and whose woken followers, are counted."""

    def __init__(self, make: Callable[[int], Selector], number: int = MANY) -> None:
        self.looks = 0
        self._index = InterestIndex()
        self._watches = Watches()
        for i in range(number):
            interest = in_events(make(i))
            self._index.add(self._counted(interest), self._watches.watch(interest))

    def _counted(self, interest: Interest) -> Interest:
        accepts = interest.accepts
        if accepts is None:
            return interest

        def look(event: EventRow) -> bool:
            self.looks += 1
            return accepts(event)

        return interest._replace(accepts=look)

    def found(self, event: EventRow) -> list[Any]:
        return list(self._index.find(event))


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_not_compared_with_interests_in_others(kind: str) -> None:
    counted = Counted(KINDS[kind])
    assert counted.found(EVENT) == []
    assert counted.looks <= 64


@pytest.mark.parametrize("kind", SAME)
def test_an_event_is_compared_once_for_all_followers_with_the_same_interest(kind: str) -> None:
    counted = Counted(lambda _: SAME[kind])
    assert counted.found(EVENT) == []
    assert counted.looks <= 1


def test_those_who_wait_for_an_event_are_found_among_many() -> None:
    counted = Counted(lambda i: by_event_payload({"n": i}))
    assert len(counted.found(EVENT)) == 1
    everyone = Counted(lambda _: any_of(by_stream("common-1"), by_event_type("Common")))
    assert len(everyone.found(EVENT)) == MANY


def test_a_value_of_another_kind_is_not_found() -> None:
    for value in (True, "1", 1.5, None, [1], {"a": 1}):
        assert Counted(lambda _, value=value: by_event_payload({"n": value}), 1).found(EVENT) == []
    assert len(Counted(lambda _: by_event_payload({"n": 1}), 1).found(EVENT)) == 1


def test_large_events_are_left_to_the_followers() -> None:
    large = (*EVENT[:6], b'{"k":"w","kind":"common","x":"' + bytes(b"x" * 70_000) + b'"}', None, 5)
    counted = Counted(lambda _: SAME["prefix and payload"])
    assert len(counted.found(large)) == MANY
    assert counted.looks == 0


def test_a_payload_is_compared_by_the_keys_of_which_there_are_fewer() -> None:
    few, many = {"a": payload_index._Node[Any]()}, dict.fromkeys("abc", payload_index._Node[Any]())
    assert payload_index._fewer(few, many) is few
    assert payload_index._fewer(many, few) is few
