"""The checker finds each kind of violation: a checker that cannot fail proves nothing."""

from __future__ import annotations

from uuid import UUID

import pytest

from gater import Event
from tests.torture.checker import violations
from tests.torture.history import Acknowledged, History


def _event(stream_id: str, version: int, position: int, number: int) -> Event:
    event_id = UUID(int=number).bytes
    return Event(stream_id, version, position, event_id, "T", "application/json", b"null", None, 0)


def _id(number: int) -> str:
    return str(UUID(int=number))


def _history() -> History:
    history = History()
    history.attempted = {_id(1): "a", _id(2): "a", _id(3): "b"}
    history.acknowledged = [Acknowledged("a", (_id(1), _id(2)), 1, 2), Acknowledged("b", (_id(3),), 0, 3)]
    history.followed = [(1, _id(1)), (2, _id(2)), (3, _id(3))]
    return history


SOUND = [_event("a", 0, 1, 1), _event("a", 1, 2, 2), _event("b", 0, 3, 3)]


def test_sound_content_violates_nothing() -> None:
    assert violations(_history(), SOUND) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(SOUND[:2], "is lost", id="lost-event"),
        pytest.param([*SOUND, _event("b", 1, 4, 3)], "2 times", id="doubled-event"),
        pytest.param([*SOUND[:2], _event("b", 0, 4, 3)], "position 3 is missing", id="hole-in-positions"),
        pytest.param([SOUND[0], _event("a", 2, 2, 2), SOUND[2]], "version 1 is missing", id="hole-in-versions"),
        pytest.param([*SOUND, _event("c", 0, 4, 9)], "never sent", id="invented-event"),
        pytest.param([SOUND[1], SOUND[0], SOUND[2]], "stands at", id="moved-event"),
    ],
)
def test_broken_content_is_found(content: list[Event], words: str) -> None:
    renumbered = content
    if words == "stands at":
        renumbered = [_event("a", 0, 1, 2), _event("a", 1, 2, 1), content[2]]
    assert any(words in violation for violation in violations(_history(), renumbered))


@pytest.mark.parametrize("followed", [[(1, _id(1)), (3, _id(3))], [(1, _id(1)), (1, _id(1))], [(1, _id(2))]])
def test_subscriber_that_skips_or_repeats_is_found(followed: list[tuple[int, str]]) -> None:
    history = _history()
    history.followed = followed
    assert any("subscriber" in violation for violation in violations(history, SOUND))
