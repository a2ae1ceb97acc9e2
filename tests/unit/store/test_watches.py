"""Who waits for events: each is given what it waits for, up to a bound, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.events import JSON, EventRow, payload_bytes
from gater.store import watches as watches_module
from gater.store.watches import Watch, Watches

STREAMS, TYPES, TEXTS = ("a", "b", "c"), ("T", "U"), ("x", "y")


def row(
    position: int, stream: str = "s", event_type: str = "T", data: bytes = b"{}", content_type: str = JSON
) -> EventRow:
    return stream, position - 1, position, bytes(16), event_type, content_type, data, None, 0


def given_to(watch: Watch) -> list[int]:
    return [event[2] for event in watch.take()]


def is_empty(watches: Watches) -> bool:
    return not (watches._of_any or watches._of_stream or watches._of_type or watches._of_value)


async def test_each_is_woken_by_its_own() -> None:
    watches = Watches()
    found = {name: watches.watch(streams=None if name is None else {name}) for name in (None, "a", "b")}
    waiting = {name: asyncio.ensure_future(watch.wait()) for name, watch in found.items()}
    await asyncio.sleep(0)
    watches.feed([row(1, "a")], False)
    await asyncio.gather(waiting[None], waiting["a"])
    await asyncio.sleep(0)
    assert not waiting["b"].done()
    assert [given_to(found[name]) for name in (None, "a", "b")] == [[], [1], []]
    watches.close()
    await waiting["b"]


async def test_many_who_wait_for_the_same_are_all_given_it() -> None:
    watches = Watches()
    found = [watches.watch(streams={"a"}) for _ in range(10)]
    waiting = [asyncio.ensure_future(watch.wait()) for watch in found]
    await asyncio.sleep(0)
    watches.feed([row(1, "a"), row(2, "a")], False)
    await asyncio.gather(*waiting)
    assert [given_to(watch) for watch in found] == [[1, 2]] * 10


async def test_what_happened_before_the_wait_ends_it_at_once() -> None:
    watches = Watches()
    watch = watches.watch(types={"T"})
    watches.feed([row(1)], False)
    await watch.wait()
    assert given_to(watch) == [1]
    waiting = asyncio.ensure_future(watch.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    watches.feed([row(2, event_type="U"), row(3)], False)
    await waiting
    assert given_to(watch) == [3]


async def test_a_wait_that_is_cancelled_can_be_begun_again() -> None:
    watches = Watches()
    watch = watches.watch(streams={"a"})
    waiting = asyncio.ensure_future(watch.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watches.feed([row(1, "a")], False)
    await watch.wait()
    assert given_to(watch) == [1]


def test_who_leaves_leaves_nothing_behind() -> None:
    watches = Watches()
    found = [
        watches.watch(),
        watches.watch(streams={"a", "b"}),
        watches.watch(streams={"a"}),
        watches.watch(types={"T", "U"}),
        watches.watch(payload=("k", "x")),
        watches.watch(payload=("k", "y")),
        watches.watch(payload=("l", "x")),
    ]
    for watch in found:
        watch.close()
        watch.close()
    assert is_empty(watches)
    watches.feed([row(1, "a", data=b'{"k":"x"}')], False)
    assert all(not watch.take() for watch in found)


def test_closing_one_leaves_the_others() -> None:
    watches = Watches()
    gone, stays = watches.watch(payload=("k", "x")), watches.watch(payload=("k", "x"))
    gone.close()
    watches.feed([row(1, data=b'{"k":"x"}')], False)
    assert (given_to(gone), given_to(stays)) == ([], [1])


async def test_nobody_waits_once_it_is_closed() -> None:
    watches = Watches()
    before = watches.watch(streams={"a"})
    watches.close()
    for watch in (before, watches.watch(), watches.watch(types={"T"})):
        await watch.wait()


def test_it_is_told_once_until_it_takes() -> None:
    watches = Watches()
    told: list[int] = []
    watch = watches.watch(types={"T"})
    watch.notify = lambda: told.append(1)
    watches.feed([row(1), row(2)], False)
    watches.feed([row(3)], False)
    assert len(told) == 1
    assert given_to(watch) == [1, 2, 3]
    watches.feed([row(4)], False)
    assert len(told) == 2


def test_an_event_that_several_conditions_name_is_given_once() -> None:
    watches = Watches()
    watch = watches.watch(streams={"a", "b"})
    watches.feed([row(1, "a"), row(2, "b"), row(3, "c")], False)
    assert given_to(watch) == [1, 2]


def test_of_several_conditions_the_stream_and_then_the_payload_is_looked_at() -> None:
    watches = Watches()
    by_stream = watches.watch(streams={"a"}, types={"U"}, payload=("k", "x"))
    by_payload = watches.watch(types={"U"}, payload=("k", "x"))
    watches.feed([row(1, "a"), row(2, "b", "T", b'{"k":"x"}'), row(3, "b", "U")], False)
    assert (given_to(by_stream), given_to(by_payload)) == ([1], [2])


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'"x"', b'{"k":1}', b'{"k":["x"]}', b'{"l":"x"}', b"\xff", b"[" * 100_000, b'{"k":"X"}'],
    ids=lambda data: repr(data[:12]),
)
def test_a_payload_that_cannot_hold_the_value_is_passed_over(data: bytes) -> None:
    watches = Watches()
    watch = watches.watch(payload=("k", "x"))
    watches.feed([row(1, data=data), row(2, data=b'{"k":"x"}')], False)
    assert given_to(watch) == [2]


def test_only_json_is_looked_into() -> None:
    watches = Watches()
    watch = watches.watch(payload=("k", "x"))
    watches.feed([row(1, data=b'{"k":"x"}', content_type="text/plain")], False)
    assert given_to(watch) == []


def test_a_value_is_found_however_it_is_written() -> None:
    watches = Watches()
    watch = watches.watch(payload=("k", "x"))
    watches.feed([row(1, data=b'{"\\u006b" : "\\u0078"}')], False)
    assert given_to(watch) == [1]


def test_who_does_not_read_falls_behind_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches_module, "MOST_WAITING", 3)
    watches = Watches()
    slow, quick = watches.watch(types={"T"}), watches.watch(types={"T"})
    for position in range(1, 10):
        watches.feed([row(position)], False)
        assert given_to(quick) == [position]
    assert (slow.behind, quick.behind) == (True, False)
    assert slow.take() == []


def test_what_waits_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches_module, "MOST_WAITING_BYTES", payload_bytes(row(1, data=bytes(100))))
    watches = Watches()
    watch = watches.watch(types={"T"})
    for position in range(1, 6):
        watches.feed([row(position, data=bytes(60))], False)
        assert given_to(watch) == [position]
    watches.feed([row(6, data=bytes(60)), row(7, data=bytes(60))], False)
    assert watch.behind
    assert watch.take() == []


def test_all_look_anew_when_something_was_hidden() -> None:
    watches = Watches()
    found = [
        watches.watch(),
        watches.watch(streams={"a"}),
        watches.watch(types={"T"}),
        watches.watch(payload=("k", "x")),
    ]
    watches.feed([row(1, "a", data=b'{"k":"x"}')], False)
    watches.feed([], True)
    assert all(watch.behind for watch in found)
    assert all(watch.take() == [] for watch in found)


conditions = st.one_of(
    st.just({}),
    st.builds(lambda names: {"streams": names}, st.sets(st.sampled_from(STREAMS), min_size=1)),
    st.builds(lambda names: {"types": names}, st.sets(st.sampled_from(TYPES), min_size=1)),
    st.builds(lambda text: {"payload": ("k", text)}, st.sampled_from(TEXTS)),
)
some_events = st.lists(st.tuples(st.sampled_from(STREAMS), st.sampled_from(TYPES), st.sampled_from(TEXTS)), max_size=5)


@given(st.lists(conditions, max_size=6), st.lists(some_events, max_size=6))
def test_each_is_given_exactly_what_it_waits_for(
    wanted: Sequence[dict[str, Any]], batches: list[list[tuple[str, str, str]]]
) -> None:
    watches, position = Watches(), 0
    found = [(watches.watch(**conditions), conditions) for conditions in wanted]
    expected: list[list[int]] = [[] for _ in found]
    for batch in batches:
        rows = []
        for stream, event_type, text in batch:
            position += 1
            rows.append(row(position, stream, event_type, f'{{"k":"{text}"}}'.encode()))
            for taken, (watch, conditions) in zip(expected, found, strict=True):
                if watch.indexed and _fulfils(conditions, stream, event_type, text):
                    taken.append(position)
        watches.feed(rows, False)
    assert [given_to(watch) for watch, _ in found] == expected
    for watch, _ in found:
        watch.close()
    assert is_empty(watches)


def _fulfils(conditions: dict[str, Any], stream: str, event_type: str, text: str) -> bool:
    if "streams" in conditions:
        return stream in conditions["streams"]
    if "types" in conditions:
        return event_type in conditions["types"]
    return bool(conditions["payload"] == ("k", text))
