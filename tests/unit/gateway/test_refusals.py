"""Refused callers: counted by reason, logged at most now and then, and an alert when tokens are guessed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from gater.gateway.refusals import GUESS_SECONDS, GUESSES, LOG_SECONDS, Refusals
from gater.messages.payloads.security import SecurityAlert
from gater.messages.records import Record
from gater.model.errors import PermissionDeniedError, UnauthenticatedError
from gater.pubsub.instances import Instance

WRONG = UnauthenticatedError(message="The token is not known here", reason="unknown_token")
NONE = UnauthenticatedError(message="A token is needed", reason="no_token")


class Told:
    """What is announced, and the clock of the one who announces."""

    def __init__(self) -> None:
        self.node = "n@h"
        self.guessed: list[tuple[str, str | None]] = []
        self.alerts: list[tuple[str, str, str]] = []
        self.now = 1_000.0
        self.refusals = Refusals(self, lambda: self.now)  # type: ignore[arg-type]

    def publish(self, instance: Instance, topic: str, make: Callable[[], Record]) -> None:
        record = make()
        assert isinstance(record, SecurityAlert)
        assert (instance, topic) == (Instance.SECURITY, "threat_detection:gater")
        self.guessed.append((record.description, record.source_ip))

    def alert(self, severity: str, category: str, title: str, description: str, source: str) -> None:
        self.alerts.append((title, description, source))


@pytest.fixture
def told() -> Told:
    return Told()


def facts(record: Any) -> tuple[str, int, str]:
    return record.reason, record.times, record.source


def test_refusals_are_counted_by_reason(told: Told) -> None:
    for error in (WRONG, WRONG, NONE, PermissionDeniedError("backup", "admin")):
        told.refusals.add(error, "1.2.3.4")
    assert told.refusals.by_reason.as_dict() == {"unknown_token": 2, "no_token": 1, "not_allowed": 1}


def test_a_line_is_logged_now_and_then(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(1_000):
        told.refusals.add(WRONG, "1.2.3.4")
    told.refusals.add(NONE, "1.2.3.4")
    told.now += LOG_SECONDS
    told.refusals.add(WRONG, "5.6.7.8")
    assert [facts(record) for record in caplog.records if record.levelno == logging.WARNING] == [
        ("unknown_token", 1, "1.2.3.4"),
        ("no_token", 1, "1.2.3.4"),
        ("unknown_token", 1_000, "5.6.7.8"),
    ]


def test_guessing_is_told_once_in_a_while(told: Told) -> None:
    for _ in range(5 * GUESSES):
        told.refusals.add(WRONG, "1.2.3.4")
    text = f"{GUESSES} wrong tokens within 0 s"
    assert told.guessed == [(text, "1.2.3.4")]
    assert told.alerts == [("tokens are guessed", text, "n@h")]
    told.now += GUESS_SECONDS
    for _ in range(GUESSES):
        told.refusals.add(WRONG, "5.6.7.8")
    assert len(told.guessed) == 2


def test_callers_without_a_token_and_slow_mistakes_are_no_guessing(told: Told) -> None:
    for _ in range(5 * GUESSES):
        told.refusals.add(NONE, None)
        told.refusals.add(PermissionDeniedError("backup", "admin"), None)
    for _ in range(3 * GUESSES):
        told.refusals.add(WRONG, None)
        told.now += 2 * GUESS_SECONDS / GUESSES
    assert told.guessed == []
