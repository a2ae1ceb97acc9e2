"""Work that is repeated on the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Ticker:
    """Calls a function every so many seconds until it is closed; a failure is logged and the next call is made."""

    def __init__(self, seconds: float, work: Callable[[], object]) -> None:
        """The first call is made after `seconds`."""
        self._seconds = seconds
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._tick)
        attempt(self._work)

    def close(self) -> None:
        """Make no further call."""
        self._timer.cancel()


def attempt(work: Callable[[], object]) -> None:
    """Call a function and log its failure, so that it keeps no other from being called."""
    try:
        work()
    except Exception:
        log.exception("repeated work failed")
