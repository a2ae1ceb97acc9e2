"""Selectors: the same events for a read in either direction and for a subscription, stored or live."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from gater import (
    CAUGHT_UP,
    LIVE,
    Event,
    GaterApi,
    GaterError,
    InvalidArgumentError,
    NewEvent,
    ValidationError,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from tests.contract.samples import all_of, first_of, positions, until, versions

SAMPLE: list[tuple[str, NewEvent]] = [
    ("order-1", NewEvent("Placed", {"amount": 10, "by": {"name": "John", "age": 40}, "tags": ["a", "b"]})),
    ("order-2", NewEvent("Placed", {"amount": 10.0, "by": {"name": "Ann"}})),
    ("order-1", NewEvent("Paid", {"amount": 25, "by": {"name": "John"}}, {"operator": "John", "order": "order-1"})),
    ("user-1", NewEvent("Joined", {"name": "John", "admin": True})),
    ("order-2", NewEvent("Paid", {"amount": 1, "admin": 1})),
    ("orders", NewEvent("Placed", {"amount": "10"})),
    ("user-2", NewEvent("Joined", {"name": None})),
    ("order-1", NewEvent("Sent", b"\x00\x01")),
    ("user-1", NewEvent("Left", {"from": "x", "to": "x"})),
    ("user-2", NewEvent("Left", {"from": "x", "to": "y"})),
]
"""The events that are at positions 1 to 10."""
ALL = list(range(1, 11))

KINDS: list[tuple[str, Any, list[int]]] = [
    ("by_stream", "$all", ALL),
    ("by_stream", "order-1", [1, 3, 8]),
    ("by_stream", "$order-1", [1, 3, 8]),
    ("by_stream", "order", []),
    ("by_stream", "all", []),
    ("by_event_type", "Placed", [1, 2, 6]),
    ("by_event_type", "placed", []),
    ("stream_prefix", "order-", [1, 2, 3, 5, 8]),
    ("stream_prefix", "order", [1, 2, 3, 5, 6, 8]),
    ("stream_prefix", "user-1", [4, 9]),
    ("by_event_payload", {"amount": 25}, [3]),
    ("by_event_payload", {}, [1, 2, 3, 4, 5, 6, 7, 9, 10]),
    ("by_event_payload", {"by": {"name": "John"}}, [1, 3]),
    ("by_event_payload", {"by": {"name": "John"}, "amount": 10}, [1]),
    ("by_event_payload", {"by": {}}, [1, 2, 3]),
    ("by_event_pattern", {}, ALL),
    ("by_event_pattern", {"event_type": "Paid"}, [3, 5]),
    ("by_event_pattern", {"stream_id": "order-1", "data": {"amount": 25}}, [3]),
    ("by_event_pattern", {"event_stream_id": "order-1"}, [1, 3, 8]),
    ("by_event_pattern", {"version": 1}, [3, 5, 9, 10]),
    ("by_event_pattern", {"event_number": 0}, [1, 2, 4, 6, 7]),
    ("by_event_pattern", {"position": 4}, [4]),
    ("by_event_pattern", {"metadata": {"operator": "John"}}, [3]),
    ("by_event_pattern", {"content_type": "application/octet-stream"}, [8]),
    ("all_of", [{"by_event_type": "Placed"}, {"stream_prefix": "order-"}], [1, 2]),
    ("all_of", [{"by_stream": "order-1"}, {"by_event_payload": {"by": {"name": "John"}}}], [1, 3]),
    ("all_of", [{"by_stream": "order-1"}, {"by_stream": "order-2"}], []),
    ("any_of", [{"by_event_type": "Sent"}, {"by_stream": "user-1"}, {"by_event_payload": {"amount": 1}}], [4, 5, 8, 9]),
    ("any_of", [["by_event_type", "Placed"], ["by_event_type", "Paid"]], [1, 2, 3, 5, 6]),
    (
        "all_of",
        [{"any_of": [{"by_stream": "user-1"}, {"by_stream": "user-2"}]}, {"by_event_pattern": {"version": 0}}],
        [4, 7],
    ),
]
WILDCARDS: list[tuple[str, Any, list[int]]] = [
    ("by_event_payload", {"name": "_"}, [4, 7]),
    ("by_event_payload", {"tags": ["a", "_"]}, [1]),
    ("by_event_payload", {"tags": ["_"]}, []),
    ("by_event_payload", {"missing": "_"}, []),
    ("by_event_payload", {"from": "$1", "to": "$1"}, [9]),
    ("by_event_payload", {"from": "$1", "to": "$2"}, [9, 10]),
    ("by_event_pattern", {"stream_id": "$1", "metadata": {"order": "$1"}}, [3]),
    ("by_event_pattern", {"event_type": "_", "data": {"from": "$1", "to": "$1"}}, [9]),
]
STRICT: list[tuple[str, Any, list[int]]] = [
    ("by_event_payload", {"amount": 10}, [1]),
    ("by_event_payload", {"amount": 10.0}, [2]),
    ("by_event_payload", {"amount": "10"}, [6]),
    ("by_event_payload", {"admin": True}, [4]),
    ("by_event_payload", {"admin": 1}, [5]),
    ("by_event_payload", {"name": None}, [7]),
    ("by_event_payload", {"tags": ["a"]}, []),
    ("by_event_payload", {"tags": ["b", "a"]}, []),
    ("by_event_payload", {"tags": ["a", "b"]}, [1]),
    ("by_event_payload", {"name": "john"}, []),
    ("by_event_payload", {"by": "John"}, []),
    ("by_event_pattern", {"version": "0"}, []),
    ("by_event_pattern", {"data": "_", "event_type": "Sent"}, [8]),
    ("by_event_pattern", {"data": {}, "event_type": "Sent"}, []),
]
EVERY = [*KINDS, *WILDCARDS, *STRICT]


async def fill(api: GaterApi, store: str) -> None:
    for stream, event in SAMPLE:
        await api.append_events(store, stream, [event])


async def stored(api: GaterApi, store: str, kind: Any, selector: Any = None, start_from: int = 0) -> list[Event]:
    """What a subscription gives until it has caught up."""
    found: list[Event] = []
    async with aclosing(api.subscribe(store, kind, selector, start_from, notices=True)) as events:
        async for event in events:
            if event is CAUGHT_UP:
                return found
            found.append(event)
    raise AssertionError("a subscription has no end")


async def test_reads_give_what_matches_in_either_direction(api: GaterApi, store: str) -> None:
    await fill(api, store)
    for kind, value, expected in EVERY:
        selector = {kind: value}
        assert positions(await api.read_all(store, selector=selector)) == expected, selector
        assert positions(await all_of(api.stream_all(store, selector=selector))) == expected, selector
        backward = await api.read_all(store, None, 100, "backward", selector=selector)
        assert positions(backward) == expected[::-1], selector
        assert positions(await all_of(api.stream_all(store, None, "backward", selector=selector))) == expected[::-1]


async def test_a_read_begins_and_ends_where_it_is_told(api: GaterApi, store: str) -> None:
    await fill(api, store)
    for kind, value, expected in KINDS:
        selector = {kind: value}
        for at in (0, 1, 2, 3, 5, 8, 10, 100):
            behind, before = [p for p in expected if p > at], [p for p in expected[::-1] if p < at]
            assert positions(await api.read_all(store, at, 2, selector=selector)) == behind[:2], (selector, at)
            assert positions(await api.read_all(store, at, 2, "backward", selector=selector)) == before[:2]
            if at in (3, 8):
                assert positions(await all_of(api.stream_all(store, at, selector=selector))) == behind
                assert positions(await all_of(api.stream_all(store, at, "backward", selector=selector))) == before


async def test_subscriptions_give_what_is_stored_and_matches(api: GaterApi, store: str) -> None:
    await fill(api, store)
    for kind, value, expected in EVERY:
        assert positions(await stored(api, store, kind, value)) == expected, (kind, value)


async def test_subscriptions_of_every_kind_give_what_is_new_and_matches(api: GaterApi, store: str) -> None:
    kinds = [(kind, value, expected) for kind, value, expected in EVERY if expected]
    async with asyncio.TaskGroup() as group:
        found = [
            group.create_task(first_of(api.subscribe(store, kind, value, LIVE), len(expected)))
            for kind, value, expected in kinds
        ]
        await until(lambda: _has_subscribers(api, store, len(kinds)))
        await fill(api, store)
    for task, (kind, value, expected) in zip(found, kinds, strict=True):
        assert positions(task.result()) == expected, (kind, value)


async def _has_subscribers(api: GaterApi, store: str, count: int) -> bool:
    return (await api.get_store_status(store)).subscribers == count


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, v, e in KINDS if e], ids=lambda part: str(part)[:40])
async def test_what_is_new_follows_what_is_stored_without_a_gap(
    api: GaterApi, store: str, kind: str, value: Any
) -> None:
    expected = next(expected for k, v, expected in KINDS if (k, v) == (kind, value))
    for stream, event in SAMPLE[:5]:
        await api.append_events(store, stream, [event])
    async with aclosing(api.subscribe(store, kind, value)) as events:
        assert positions([await anext(events) for position in expected if position <= 5]) == [
            position for position in expected if position <= 5
        ]
        for stream, event in SAMPLE[5:]:
            await api.append_events(store, stream, [event])
        assert positions([await anext(events) for position in expected if position > 5]) == [
            position for position in expected if position > 5
        ]


async def test_one_stream_is_followed_from_a_version_and_all_else_from_a_position(api: GaterApi, store: str) -> None:
    await fill(api, store)
    one_stream: list[tuple[Any, list[int]]] = [
        (by_stream("order-1"), [0, 1, 2]),
        (by_stream("order-1") & by_event_payload({"by": {"name": "John"}}), [0, 1]),
        ({"all_of": [{"stream_prefix": "order"}, {"by_stream": "order-1"}]}, [0, 1, 2]),
    ]
    for selector, expected in one_stream:
        for start in range(4):
            found = await stored(api, store, selector, start_from=start)
            assert {event.stream_id for event in found} <= {"order-1"}
            assert versions(found) == [version for version in expected if version >= start], (selector, start)
    several: list[tuple[Any, list[int]]] = [
        (by_stream(), ALL),
        (stream_prefix("order-1"), [1, 3, 8]),
        (by_stream("order-1") | by_stream("user-1"), [1, 3, 4, 8, 9]),
        ({"by_event_pattern": {"stream_id": "order-1"}}, [1, 3, 8]),
        (by_event_type("Placed"), [1, 2, 6]),
    ]
    for selector, expected in several:
        for start in range(12):
            found = await stored(api, store, selector, start_from=start)
            assert positions(found) == [position for position in expected if position >= start], (selector, start)


async def test_a_start_beyond_the_end_is_waited_for(api: GaterApi, store: str) -> None:
    selectors = [by_event_type("T"), stream_prefix("a"), by_event_payload({"k": "x"}), by_stream("a") | by_stream("b")]
    async with asyncio.TaskGroup() as group:
        found = [group.create_task(first_of(api.subscribe(store, kind, start_from=4), 2)) for kind in selectors]
        await until(lambda: _has_subscribers(api, store, len(selectors)))
        for _ in range(6):
            await api.append_events(store, "a", [NewEvent("T", {"k": "x"})])
    assert [positions(task.result()) for task in found] == [[4, 5]] * len(selectors)


async def test_a_selector_may_be_written_in_several_ways(api: GaterApi, store: str) -> None:
    await fill(api, store)
    joined = by_event_type("Placed") & stream_prefix("order-")
    forms: list[tuple[Any, ...]] = [
        (joined,),
        (joined.to_plain(),),
        ("all_of", [by_event_type("Placed"), {"stream_prefix": "order-"}]),
    ]
    for form in forms:
        assert positions(await stored(api, store, *form)) == [1, 2]
    assert positions(await api.read_all(store, selector=joined)) == [1, 2]


async def test_a_match_far_behind_others_is_found(api: GaterApi, store: str) -> None:
    """Whether by an index or by looking at every event."""
    for first in range(0, 3_000, 1_000):
        await api.append_events(store, "noise", [NewEvent("Noise", {"n": n}) for n in range(first, first + 1_000)])
    await api.append_events(store, "rare-1", [NewEvent("Rare", {"code": "red"})])
    for first in range(0, 2_000, 1_000):
        await api.append_events(store, "noise", [NewEvent("Noise", {"n": n}) for n in range(first, first + 1_000)])
    await api.append_events(store, "rare-1", [NewEvent("Rare", {"code": "red"})])
    for selector in (
        by_event_type("Rare"),
        stream_prefix("rare"),
        by_event_payload({"code": "red"}),
        by_event_type("Rare") & by_event_payload({"code": "red"}),
        by_stream("rare-1") | by_event_type("Unheard"),
    ):
        assert positions(await api.read_all(store, selector=selector)) == [3_001, 5_002]
        assert positions(await api.read_all(store, 0, 1, selector=selector)) == [3_001]
        assert positions(await api.read_all(store, None, 1, "backward", selector=selector)) == [5_002]
        assert positions(await all_of(api.stream_all(store, 3_001, selector=selector))) == [5_002]
        assert positions(await stored(api, store, selector)) == [3_001, 5_002]
        assert positions(await stored(api, store, selector, start_from=3_002)) == [5_002]


async def test_what_is_hidden_matches_nothing(api: GaterApi, store: str) -> None:
    await fill(api, store)
    await api.delete_stream(store, "order-2")
    await api.truncate_stream(store, "order-1", 1)
    for selector, expected in ((by_event_type("Placed"), [6]), (stream_prefix("order-"), [3, 8])):
        assert positions(await api.read_all(store, selector=selector)) == expected
        assert positions(await stored(api, store, selector)) == expected


def nested(levels: int) -> dict[str, Any]:
    pattern: dict[str, Any] = {"a": 1}
    for _ in range(levels - 1):
        pattern = {"a": pattern}
    return pattern


def joined(levels: int) -> dict[str, Any]:
    selector: dict[str, Any] = {"by_event_type": "T"}
    for _ in range(levels):
        selector = {"all_of": [selector]}
    return selector


HOSTILE: dict[str, dict[str, Any]] = {
    "too deep": {"by_event_payload": nested(17)},
    "much too deep": {"by_event_payload": nested(300)},
    "too many values": {"by_event_payload": {"a": [0] * 1_001}},
    "too many bytes": {"by_event_payload": {"a": "x" * 65_536}},
    "no map": {"by_event_payload": ["a"]},
    "no pattern": {"by_event_payload": 5},
    "unknown field": {"by_event_pattern": {"colour": "red"}},
    "field twice": {"by_event_pattern": {"version": 1, "event_number": 1}},
    "huge number": {"by_event_payload": {"a": 1 << 64}},
    "not a number": {"by_event_payload": {"a": float("nan")}},
    "bytes": {"by_event_payload": {"a": b"x"}},
    "number as key": {"by_event_payload": {5: "x"}},
    "lone surrogate": {"by_event_payload": {"a": "\ud800"}},
    "no parts": {"all_of": []},
    "too many parts": {"any_of": [{"by_event_type": "T"}] * 65},
    "joins too deep": joined(9),
    "part that is none": {"any_of": [5]},
    "unknown part": {"any_of": [{"by_magic": "T"}]},
    "no type": {"by_event_type": ""},
    "long type": {"by_event_type": "x" * 256},
    "no stream": {"by_stream": "$"},
    "no prefix": {"stream_prefix": ""},
    "line break": {"stream_prefix": "a\nb"},
}


@pytest.mark.parametrize("selector", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_selectors_are_refused(api: GaterApi, store: str, selector: dict[str, Any]) -> None:
    for ask in (
        lambda: api.read_all(store, selector=selector),
        lambda: anext(api.stream_all(store, selector=selector)),
        lambda: anext(api.subscribe(store, selector)),
        lambda: api.save_subscription(store, selector, name="hostile"),
    ):
        with pytest.raises(GaterError) as caught:
            await ask()
        assert isinstance(caught.value, InvalidArgumentError | ValidationError), caught.value
    await api.append_events(store, "a", [NewEvent("T")])


@pytest.mark.parametrize("selector", [5, "by_stream", {}, {"by_stream": "a", "by_event_type": "T"}, ["by_stream"]])
async def test_what_is_no_selector_is_refused(api: GaterApi, store: str, selector: Any) -> None:
    with pytest.raises(GaterError) as caught:
        await api.read_all(store, selector=selector)
    assert isinstance(caught.value, InvalidArgumentError | ValidationError)


async def test_patterns_of_every_size_are_carried(api: GaterApi, store: str) -> None:
    """Up to the bounds a pattern works, by every way in."""
    data = {"deep": nested(15), "many": list(range(900)), "long": "ä" * 1_000}
    await api.append_events(store, "a", [NewEvent("T", {**data, "more": 1}), NewEvent("T", {**data, "many": []})])
    selector = by_event_payload(data)
    assert positions(await api.read_all(store, selector=selector)) == [1]
    assert positions(await stored(api, store, selector)) == [1]


async def test_an_unknown_kind_is_refused_naming_the_argument(api: GaterApi, store: str) -> None:
    for wrong in ({"by_nothing": "x"}, "foo", "$all"):
        with pytest.raises(InvalidArgumentError) as caught:
            await api.read_all(store, selector=wrong)
        assert caught.value.argument in ("selector", "where")  # as HTTP calls it
