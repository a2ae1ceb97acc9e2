"""Work of subscriptions, of which a turn of the event loop holds as much as its time allows: others do not wait for it.

Each piece of work bounds its own time. Without this, the pieces of all groups would follow each other in one turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

from gater.model.limits import TURN_SECONDS

Work = Callable[[], object]


class WorkTurns:
    """Pieces of work that wait for the event loop, in their order."""

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()

    def add(self, work: Work) -> None:
        """Do it in the next turn of the event loop, or in a later one when others take the time before it."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(work)

    def _run(self) -> None:
        """Do what waits now, as far as the time allows; what is added meanwhile has the next turn."""
        waiting, end = self._waiting, perf_counter() + TURN_SECONDS
        try:
            for _ in range(len(waiting)):
                try:
                    waiting[0]()
                finally:
                    waiting.popleft()
                if perf_counter() > end:
                    break
        finally:
            if waiting:
                asyncio.get_running_loop().call_soon(self._run)
