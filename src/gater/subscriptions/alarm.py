"""A timer of the event loop that is set again and again, and goes off at the earliest time it was set to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls a function when a time comes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def set(self, delay: float) -> None:
        """Go off after so many seconds, if not before."""
        at = self._loop.time() + delay
        if self._timer is not None and self._at <= at:
            return
        self.cancel()
        self._at = at
        self._timer = self._loop.call_at(at, self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        self._call()

    def cancel(self) -> None:
        """Do not go off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
