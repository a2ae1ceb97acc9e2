"""A clock that is moved by hand, ears that keep what they are told, and calls that end when the test says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gater.model.outcome import Done
from gater.telemetry.calls import Calls


class Clock:
    """Seconds, and milliseconds since 1970, that only pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> int:
        return round(self.seconds * 1_000)

    def move(self, seconds: float) -> None:
        self.seconds += seconds


class Ears:
    """Keeps each topic and body."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, topic: str, body: dict[str, Any]) -> None:
        self.heard.append((topic, body))

    def on(self, topic: str) -> list[dict[str, Any]]:
        return [body for heard, body in self.heard if heard == topic]


def begin(calls: Calls, operation: str) -> Done:
    """A call under way, whose answer goes nowhere."""
    return calls.counted(operation, lambda answer, error: None)


def end(call: Done, code: str | None = None) -> None:
    """The call is answered, with the error of this code if there is one."""
    call(None, None if code is None else SimpleNamespace(code=code))  # type: ignore[arg-type]
