"""A consumer that is attached to a consumer group, and waits for events."""

from __future__ import annotations

import asyncio

from gater.model.errors import GaterError


class Consumer:
    """A member of a group, as the mover of its events sees it; several calls may wait on its behalf."""

    def __init__(self, prefetch: int, *, is_shared: bool = False, is_patient: bool = False) -> None:
        self.prefetch = prefetch
        """Unsettled events that it may hold."""
        self.is_shared = is_shared
        """Whether it stands for several, each of which has its own pages."""
        self.is_patient = is_patient
        """Whether it reports which events it has begun to process."""
        self.ended = False
        """Whether it gets no more: it said `stop`, or failed."""
        self.error: GaterError | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def is_waited_for(self) -> bool:
        """Whether a call waits on its behalf."""
        return bool(self._waiting)

    def wake(self) -> None:
        """Let it look whether there is something for it."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def end(self, error: GaterError | None) -> None:
        """It gets no more; with an error that is raised to it."""
        self.ended, self.error = True, error
        self.wake()

    async def wait(self) -> None:
        """Return when it should look."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)
