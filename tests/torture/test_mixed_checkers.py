"""The checkers of the mixed load find each kind of violation."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from gater import Event
from tests.torture.mixed_groups import GroupHistory, Word, group_violations
from tests.torture.mixed_streams import StreamModel, StreamsHistory, stream_violations


def _event(stream_id: str, version: int, position: int) -> Event:
    event_id = UUID(int=position).bytes
    return Event(stream_id, version, position, event_id, "T", "application/json", b"null", None, 0)


def _id(position: int) -> str:
    return str(UUID(int=position))


def _history() -> StreamsHistory:
    """Stream `a` with its first event truncated, `b` closed, `c` whole."""
    models = [
        StreamModel("a", [_id(1), _id(2)], [1, 2], first=1),
        StreamModel("b", [_id(3)], [3], closed=True),
        StreamModel("c", [_id(4)], [4]),
    ]
    history = StreamsHistory({model.stream_id: model for model in models})
    history.attempted = {_id(1): "a", _id(2): "a", _id(3): "b", _id(4): "c"}
    history.followed = [(1, _id(1)), (2, _id(2)), (4, _id(4))]
    return history


CONTENT = [_event("a", 1, 2), _event("c", 0, 4)]


def test_sound_content_violates_nothing() -> None:
    assert stream_violations(_history(), CONTENT) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(CONTENT[:1], "content of c", id="lost-event"),
        pytest.param([_event("a", 0, 1), *CONTENT], "content of a", id="truncated-event-is-back"),
        pytest.param([CONTENT[0], _event("b", 0, 3), CONTENT[1]], "content of b", id="closed-stream-is-back"),
        pytest.param([*CONTENT, _event("d", 0, 5)], "never written", id="invented-stream"),
        pytest.param([CONTENT[1], CONTENT[0]], "comes after", id="disorder"),
        pytest.param([_event("a", 1, 3), CONTENT[1]], "acknowledged at position 2", id="moved-event"),
    ],
)
def test_broken_content_is_found(content: list[Event], words: str) -> None:
    assert any(words in violation for violation in stream_violations(_history(), content))


@pytest.mark.parametrize("followed", [[(2, _id(2))], [(2, _id(2)), (2, _id(2)), (4, _id(4))], [(4, _id(9))]])
def test_subscriber_that_skips_repeats_or_invents_is_found(followed: list[tuple[int, str]]) -> None:
    history = _history()
    history.followed = followed
    assert any("subscriber" in violation for violation in stream_violations(history, CONTENT))


def _group(*words: Word) -> GroupHistory:
    return GroupHistory("g", list(words), run_began=10, run_after=0, made=10)


ACKED = (Word(2, "ack", 11), Word(4, "skip", 12))


def test_sound_group_violates_nothing() -> None:
    assert group_violations(_group(*ACKED), [], CONTENT) == []
    assert group_violations(_group(ACKED[0], Word(4, "park", 12)), [4], CONTENT) == []


def test_deliveries_after_the_first_of_their_event_are_counted() -> None:
    assert _group(*ACKED, Word(2, "ack", 13), Word(2, "ack", 14)).redeliveries == 2


@pytest.mark.parametrize(
    ("group", "parked", "words"),
    [
        pytest.param(lambda: _group(ACKED[0]), [], "passed over", id="never-delivered"),
        pytest.param(lambda: _group(ACKED[0], Word(4, "ack", 9)), [], "passed over", id="settled-in-an-earlier-run"),
        pytest.param(lambda: _group(ACKED[0], Word(4, "retry", 12)), [], "passed over", id="never-settled"),
        pytest.param(lambda: _group(*ACKED), [2], "no consumer has asked", id="parked-by-itself"),
        pytest.param(
            lambda: _group(*ACKED, Word(2, "park", 9)), [2], "no consumer has asked", id="parked-in-an-earlier-life"
        ),
        pytest.param(lambda: _group(ACKED[0], Word(4, "park", 12)), [], "not listed", id="parked-event-is-lost"),
    ],
)
def test_broken_group_is_found(group: Callable[[], GroupHistory], parked: list[int], words: str) -> None:
    assert any(words in violation for violation in group_violations(group(), parked, CONTENT))
