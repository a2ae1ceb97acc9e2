"""The timers of an event loop whose clock is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class HandTimer:
    """What is due at a time, unless it is cancelled."""

    def __init__(self, at: float, work: Callable[[], Any]) -> None:
        self.at = at
        self.work = work
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandLoop:
    """Stands for the event loop where a module wants no more of it than its clock and its timers."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[HandTimer] = []

    def installed(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> HandLoop:
        """Be the running loop of this module."""
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(get_running_loop=lambda: self))
        return self

    def time(self) -> float:
        return self._now

    def call_later(self, seconds: float, work: Callable[..., Any], *arguments: Any) -> HandTimer:
        timer = HandTimer(self._now + seconds, lambda: work(*arguments))
        self._timers.append(timer)
        return timer

    @property
    def pending(self) -> int:
        """Timers that will still do something."""
        return sum(not timer.cancelled for timer in self._timers)

    def move(self, seconds: float) -> None:
        """Let time pass, and do what becomes due, each at its time."""
        end = self._now + seconds
        while due := [timer for timer in self._timers if timer.at <= end]:
            timer = min(due, key=lambda each: each.at)
            self._timers.remove(timer)
            if not timer.cancelled:
                self._now = timer.at
                timer.work()
        self._now = end
