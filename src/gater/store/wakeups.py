"""Who waits for events: woken by stream, so that an append costs nothing to those it does not concern."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gater.store.machine import EventRow


class Wakeups:
    """Waiting tasks, each for the next event of one stream or of any."""

    def __init__(self) -> None:
        self._of_any: set[asyncio.Future[None]] = set()
        self._of_stream: dict[str, set[asyncio.Future[None]]] = {}
        self.closed = False
        """Whether nothing more will come."""

    async def wait(self, stream_id: str | None) -> None:
        """Return after the next event of the stream (None: of the store), or once nothing more will come."""
        if self.closed:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._of_any if stream_id is None else self._of_stream.setdefault(stream_id, set())
        waiting.add(future)
        try:
            await future
        finally:
            waiting.discard(future)
            if stream_id is not None and not waiting and self._of_stream.get(stream_id) is waiting:
                del self._of_stream[stream_id]

    def wake(self, events: Sequence[EventRow]) -> None:
        """Wake who waits for these events."""
        if self._of_any:
            _wake(self._of_any)
        if self._of_stream:
            for event in events:
                waiting = self._of_stream.get(event[0])
                if waiting:
                    _wake(waiting)

    def close(self) -> None:
        """Wake all, for the last time."""
        self.closed = True
        _wake(self._of_any)
        for waiting in self._of_stream.values():
            _wake(waiting)


def _wake(waiting: set[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
