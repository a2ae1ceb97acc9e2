"""Refused callers: counted by reason, logged at most now and then, and an alert when tokens are guessed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from gater.gateway.refusals import GUESS_SECONDS, GUESSES, LOG_SECONDS, Refusals
from gater.model.errors import PermissionDeniedError, UnauthenticatedError

WRONG = UnauthenticatedError(message="The token is not known here", reason="unknown_token")
NONE = UnauthenticatedError(message="A token is needed", reason="no_token")


class Told:
    """What is announced, and the clock of the one who announces."""

    def __init__(self) -> None:
        self.guessed: list[tuple[int, str | None]] = []
        self.now = 1_000.0
        self.refusals = Refusals(lambda: self, lambda: self.now)  # type: ignore[arg-type,return-value]

    def tokens_guessed(self, count: int, seconds: float, source: str | None) -> None:
        self.guessed.append((count, source))


@pytest.fixture
def told() -> Told:
    return Told()


def facts(record: Any) -> tuple[str, int, str]:
    return record.reason, record.times, record.source


def test_refusals_are_counted_by_reason(told: Told) -> None:
    for error in (WRONG, WRONG, NONE, PermissionDeniedError("backup", "admin")):
        told.refusals.note(error, "1.2.3.4")
    assert told.refusals.by_reason.as_dict() == {"unknown_token": 2, "no_token": 1, "not_allowed": 1}


def test_a_line_is_logged_now_and_then(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(1_000):
        told.refusals.note(WRONG, "1.2.3.4")
    told.refusals.note(NONE, "1.2.3.4")
    told.now += LOG_SECONDS
    told.refusals.note(WRONG, "5.6.7.8")
    assert [facts(record) for record in caplog.records if record.levelno == logging.WARNING] == [
        ("unknown_token", 1, "1.2.3.4"),
        ("no_token", 1, "1.2.3.4"),
        ("unknown_token", 1_000, "5.6.7.8"),
    ]


def test_guessing_is_told_once_in_a_while(told: Told) -> None:
    for _ in range(5 * GUESSES):
        told.refusals.note(WRONG, "1.2.3.4")
    assert told.guessed == [(GUESSES, "1.2.3.4")]
    told.now += GUESS_SECONDS
    for _ in range(GUESSES):
        told.refusals.note(WRONG, "5.6.7.8")
    assert len(told.guessed) == 2


def test_callers_without_a_token_and_slow_mistakes_are_no_guessing(told: Told) -> None:
    for _ in range(5 * GUESSES):
        told.refusals.note(NONE, None)
        told.refusals.note(PermissionDeniedError("backup", "admin"), None)
    for _ in range(3 * GUESSES):
        told.refusals.note(WRONG, None)
        told.now += 2 * GUESS_SECONDS / GUESSES
    assert told.guessed == []
