"""The port between a store and whatever orders its commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gater.model.commands import AnyCommand
from gater.model.errors import GaterError
from gater.model.events import EventRow
from gater.model.outcome import Done
from gater.store.hidden import Hidden
from gater.store.log_stats import LogStats

Committed = Callable[[Sequence[EventRow], Hidden], None]
"""Takes the events of a batch once they are durable, in commit order, before the batch's callers are answered; and
which events the batch hid."""


def resolve(future: asyncio.Future[Any], answer: Any, error: GaterError | None) -> None:
    """Give a future the outcome of a command, unless its caller has left."""
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)


class CommitLog(Protocol):
    """Orders commands, applies them, and answers; all methods are called on the event loop's thread.

    - Commands take effect in the order of `submit`, each whole or not at all.
    - `done` is called exactly once for each accepted command, on the event loop, after its effect is durable at the
      level `durability` names. An error from the tree says that it was refused, or (StoreUnavailableError) that its
      outcome is unknown: repeating it is safe.
    - What waits is bounded in number and bytes; past a bound `submit` raises OverloadedError at once and the command
      has no effect.
    - `close` answers everything accepted before it; `submit` after it raises StoreUnavailableError.
    """

    durability: str

    @property
    def stats(self) -> LogStats:
        """The figures of the log since it was opened."""
        ...

    @property
    def trouble(self) -> GaterError | None:
        """The reason why writes are refused at the moment; None when they are not."""
        ...

    @property
    def concern(self) -> str:
        """A fault that does not keep writes from being taken, but needs attention; empty when there is none."""
        ...

    @property
    def waiting(self) -> int:
        """Commands accepted and not yet answered."""
        ...

    def submit(self, command: AnyCommand, size: int, done: Done) -> None:
        """Accept a command whose payload has `size` bytes."""
        ...

    def look(self) -> None:
        """See whether what it writes to is still there, and refuse writes when it is not; called every second."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        ...
