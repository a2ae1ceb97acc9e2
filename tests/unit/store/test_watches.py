"""Who waits for events: each is given what it waits for, up to a bound, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gater.model.events import JSON, EventRow, payload_bytes
from gater.model.memory_budget import Share
from gater.model.selectors import (
    Selector,
    any_of,
    by_event_pattern,
    by_event_payload,
    by_event_type,
    by_stream,
    stream_prefix,
)
from gater.store import watches as watches_module
from gater.store.tail_budget import GivenOut
from gater.store.watches import Watch, Watches
from gater.subscriptions.matching import compile_selector
from tests.unit.store.interests import in_events

STREAMS, TYPES, TEXTS = ("a", "b", "aa"), ("T", "U"), ("x", "y")


def row(
    position: int, stream: str = "s", event_type: str = "T", data: bytes = b"{}", content_type: str = JSON
) -> EventRow:
    return stream, position - 1, position, bytes(16), event_type, content_type, data, None, 0


def given_to(watch: Watch) -> list[int]:
    return [event[2] for event in watch.take()]


def is_empty(watches: Watches) -> bool:
    index = watches._index
    assert bool(index) == bool(index._groups)
    return not (watches._of_everything or index._groups or index._untold or index._indexes or watches._holders)


async def test_each_is_woken_by_its_own() -> None:
    watches = Watches()
    found = {name: watches.watch(in_events(by_stream(name or "$all"))) for name in (None, "a", "b")}
    waiting = {name: asyncio.ensure_future(watch.wait()) for name, watch in found.items()}
    await asyncio.sleep(0)
    watches.feed([row(1, "a")])
    await asyncio.gather(waiting[None], waiting["a"])
    await asyncio.sleep(0)
    assert not waiting["b"].done()
    assert [given_to(found[name]) for name in (None, "a", "b")] == [[], [1], []]
    watches.close()
    await waiting["b"]


async def test_many_who_wait_for_the_same_are_all_given_it() -> None:
    watches = Watches()
    found = [watches.watch(in_events(by_stream("a"))) for _ in range(10)]
    waiting = [asyncio.ensure_future(watch.wait()) for watch in found]
    await asyncio.sleep(0)
    watches.feed([row(1, "a"), row(2, "a")])
    await asyncio.gather(*waiting)
    assert [given_to(watch) for watch in found] == [[1, 2]] * 10


async def test_what_happened_before_the_wait_ends_it_at_once() -> None:
    watches = Watches()
    watch = watches.watch(in_events(by_event_type("T")))
    watches.feed([row(1)])
    await watch.wait()
    assert given_to(watch) == [1]
    waiting = asyncio.ensure_future(watch.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    watches.feed([row(2, event_type="U"), row(3)])
    await waiting
    assert given_to(watch) == [3]


async def test_a_wait_that_is_cancelled_can_be_begun_again() -> None:
    watches = Watches()
    watch = watches.watch(in_events(by_stream("a")))
    waiting = asyncio.ensure_future(watch.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watches.feed([row(1, "a")])
    await watch.wait()
    assert given_to(watch) == [1]


def test_who_leaves_leaves_nothing_behind() -> None:
    watches = Watches()
    found = [
        watches.watch(),
        watches.watch(in_events(any_of(by_stream("a"), by_stream("b")))),
        watches.watch(in_events(by_stream("a"))),
        watches.watch(in_events(any_of(by_event_type("T"), by_event_type("U")))),
        watches.watch(in_events(by_event_payload({"k": "x"}))),
        watches.watch(in_events(by_event_payload({"k": "y"}))),
        watches.watch(in_events(by_event_payload({"l": "x"}))),
    ]
    for watch in found:
        watch.close()
        watch.close()
    assert is_empty(watches)
    watches.feed([row(1, "a", data=b'{"k":"x"}')])
    assert all(not watch.take() for watch in found)


def test_closing_one_leaves_the_others() -> None:
    watches = Watches()
    gone, stays = (
        watches.watch(in_events(by_event_payload({"k": "x"}))),
        watches.watch(in_events(by_event_payload({"k": "x"}))),
    )
    gone.close()
    watches.feed([row(1, data=b'{"k":"x"}')])
    assert (given_to(gone), given_to(stays)) == ([], [1])


async def test_nobody_waits_once_it_is_closed() -> None:
    watches = Watches()
    before = watches.watch(in_events(by_stream("a")))
    watches.close()
    for watch in (before, watches.watch(), watches.watch(in_events(by_event_type("T")))):
        await watch.wait()


def test_it_is_told_once_until_it_takes() -> None:
    watches = Watches()
    told: list[int] = []
    watch = watches.watch(in_events(by_event_type("T")))
    watch.notify = lambda: told.append(1)
    watches.feed([row(1), row(2)])
    watches.feed([row(3)])
    assert len(told) == 1
    assert given_to(watch) == [1, 2, 3]
    watches.feed([row(4)])
    assert len(told) == 2


def test_an_event_that_several_conditions_name_is_given_once() -> None:
    watches = Watches()
    watch = watches.watch(in_events(any_of(by_stream("a"), by_stream("b"))))
    watches.feed([row(1, "a"), row(2, "b"), row(3, "c")])
    assert given_to(watch) == [1, 2]


def test_of_several_conditions_all_count() -> None:
    watches = Watches()
    by_both = watches.watch(in_events(by_stream("a") & by_event_type("U")))
    by_payload = watches.watch(in_events(by_event_type("U") & by_event_payload({"k": "x"})))
    events = [row(1, "a"), row(2, "b", "T", b'{"k":"x"}'), row(3, "a", "U"), row(4, "b", "U", b'{"k":"x"}')]
    watches.feed(events)
    assert (given_to(by_both), given_to(by_payload)) == ([3], [4])


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'"x"', b'{"k":1}', b'{"k":["x"]}', b'{"l":"x"}', b"\xff", b"[" * 100_000, b'{"k":"X"}'],
    ids=lambda data: repr(data[:12]),
)
def test_a_payload_that_cannot_hold_the_value_is_passed_over(data: bytes) -> None:
    watches = Watches()
    watch = watches.watch(in_events(by_event_payload({"k": "x"})))
    watches.feed([row(1, data=data), row(2, data=b'{"k":"x"}')])
    assert given_to(watch) == [2]


def test_only_json_is_looked_into() -> None:
    watches = Watches()
    watch = watches.watch(in_events(by_event_payload({"k": "x"})))
    watches.feed([row(1, data=b'{"k":"x"}', content_type="text/plain")])
    assert given_to(watch) == []


def test_a_value_is_found_however_it_is_written() -> None:
    watches = Watches()
    watch = watches.watch(in_events(by_event_payload({"k": "x"})))
    watches.feed([row(1, data=b'{"\\u006b" : "\\u0078"}')])
    assert given_to(watch) == [1]


def test_who_does_not_read_falls_behind_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches_module, "MOST_WAITING", 3)
    watches = Watches()
    slow, quick = watches.watch(in_events(by_event_type("T"))), watches.watch(in_events(by_event_type("T")))
    for position in range(1, 10):
        watches.feed([row(position)])
        assert given_to(quick) == [position]
    assert (slow.behind, quick.behind) == (True, False)
    assert slow.take() == []


def test_what_waits_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches_module, "MOST_WAITING_BYTES", payload_bytes(row(1, data=bytes(100))))
    watches = Watches()
    watch = watches.watch(in_events(by_event_type("T")))
    for position in range(1, 6):
        watches.feed([row(position, data=bytes(60))])
        assert given_to(watch) == [position]
    watches.feed([row(6, data=bytes(60)), row(7, data=bytes(60))])
    assert watch.behind
    assert watch.take() == []


def test_what_was_hidden_is_let_go_of_by_those_who_were_given_it() -> None:
    watches = Watches()
    by_stream_a, by_type, other = (
        watches.watch(in_events(selector)) for selector in (by_stream("a"), by_event_type("T"), by_stream("b"))
    )
    told: list[int] = []
    other.notify = lambda: told.append(1)
    watches.feed([row(1, "a"), row(2, "a"), row(3, "c")])
    watches.feed([row(4, "a"), row(5, "a")], {"a": 4})
    assert (given_to(by_stream_a), given_to(by_type), given_to(other)) == ([5], [3, 5], [])
    assert not any(watch.behind for watch in (by_stream_a, by_type, other))
    assert told == []


def test_all_look_anew_when_anything_may_be_hidden() -> None:
    watches = Watches()
    selectors = (by_stream("a"), by_event_type("T"), by_event_payload({"k": "x"}))
    found = [watches.watch(in_events(selector)) for selector in selectors]
    watches.feed([row(1, "a", data=b'{"k":"x"}')])
    watches.feed([], None)
    assert all(watch.behind for watch in found)
    assert all(watch.take() == [] for watch in found)


async def test_a_position_wakes_only_those_who_wait_for_it() -> None:
    watches = Watches()
    woken: list[int] = []
    found = {position: watches.watch_position(position) for position in (2, 5, 5_000, 6)}
    for position, watch in found.items():
        watch.notify = lambda position=position: woken.append(position)
    watches.feed([row(1)])
    assert woken == []
    watches.feed([row(2), row(3), row(4), row(5)])
    assert woken == [2, 5]
    found[6].close()
    watches.feed([row(6)])
    assert woken == [2, 5]
    watches.close()
    assert woken == [2, 5, 5_000]


def test_positions_that_are_given_up_are_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.store.position_waits.MOST_LEFT", 10)
    watches = Watches()
    stays = watches.watch_position(7)
    for position in range(1_000, 2_000):
        watches.watch_position(position).close()
    assert len(watches._positions._positions) <= 13
    watches.feed([row(7)])
    assert stays.is_woken


async def test_a_large_batch_is_given_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches_module, "TURN_SECONDS", 0)
    watches = Watches()
    watch = watches.watch(in_events(by_stream("a")))
    watches.feed([row(position, "a") for position in range(1, 201)])
    watches.feed([row(201, "a"), row(202, "b")])
    assert given_to(watch) == list(range(1, 65))
    assert watches.next_given == 65
    watches.feed([row(203, "c")], {"a": 100})
    given: list[int] = []
    while watches.next_given is not None:
        await asyncio.sleep(0)
        given += given_to(watch)
    assert given == list(range(101, 202))


async def test_what_waits_to_be_given_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches_module, "TURN_SECONDS", 0)
    watches = Watches()
    watches.given_out = GivenOut(Share("followers", 100))
    watch = watches.watch(in_events(by_stream("a")))
    watches.feed([row(position, "a") for position in range(1, 201)])
    assert not watch.behind
    watches.feed([row(201, "a")])
    assert watch.behind
    assert watches.next_given is None


selectors = st.one_of(
    st.just(by_stream()),
    st.builds(lambda names: any_of(*map(by_stream, sorted(names))), st.sets(st.sampled_from(STREAMS), min_size=1)),
    st.builds(lambda names: any_of(*map(by_event_type, sorted(names))), st.sets(st.sampled_from(TYPES), min_size=1)),
    st.builds(lambda text: by_event_payload({"k": text}), st.sampled_from((*TEXTS, "_", "$1"))),
    st.builds(lambda a, b: by_stream(a) & by_event_type(b), st.sampled_from(STREAMS), st.sampled_from(TYPES)),
    st.builds(lambda a, b: by_stream(a) | by_event_payload({"k": b}), st.sampled_from(STREAMS), st.sampled_from(TEXTS)),
    st.builds(stream_prefix, st.sampled_from(("a", "aa", "b"))),
    st.builds(lambda number: by_event_pattern({"position": number}), st.integers(1, 9)),
)
some_events = st.lists(st.tuples(st.sampled_from(STREAMS), st.sampled_from(TYPES), st.sampled_from(TEXTS)), max_size=5)


@given(st.lists(selectors, max_size=6), st.lists(some_events, max_size=6))
def test_each_is_given_exactly_what_it_waits_for(
    wanted: Sequence[Selector], batches: list[list[tuple[str, str, str]]]
) -> None:
    watches, position = Watches(), 0
    found = [(watches.watch(in_events(selector)), compile_selector(selector)) for selector in wanted]
    expected: list[list[int]] = [[] for _ in found]
    for batch in batches:
        rows = []
        for stream, event_type, text in batch:
            position += 1
            rows.append(row(position, stream, event_type, f'{{"k":"{text}"}}'.encode()))
            for taken, (watch, matcher) in zip(expected, found, strict=True):
                if watch.indexed and matcher.accepts(rows[-1]):
                    taken.append(position)
        watches.feed(rows)
    assert [given_to(watch) for watch, _ in found] == expected
    for watch, _ in found:
        watch.close()
    assert is_empty(watches)
