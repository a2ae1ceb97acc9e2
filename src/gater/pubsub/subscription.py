"""A subscription to messages: they are read in turn or all at once, until it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from gater.pubsub.mailbox import Mailbox, Message

MOST_IN_A_ROW: Final = 256
"""Messages that a reader is given before other tasks have their turn."""


class Subscription:
    """Gives the messages of one pattern in the order they were published, each once.

    It is an async iterator for one task, which ends when the pub/sub system does. A subscriber that is too slow loses
    its oldest messages (`dropped` says how many), or, on an instance that never drops, meets OverloadedError after all
    that waited for it. Close it by `close`, `aclose`, `with` or `async with`; one that is forgotten is closed when it
    is collected.
    """

    __slots__ = ("__weakref__", "_abandon", "_in_a_row", "_leave", "_mailbox", "_queue")

    def __init__(
        self, mailbox: Mailbox, *, leave: Callable[[Mailbox], None], abandon: Callable[[Mailbox], None]
    ) -> None:
        self._mailbox = mailbox
        self._queue = mailbox.queue
        self._leave = leave
        self._abandon = abandon
        self._in_a_row = 0

    @property
    def pattern(self) -> str:
        """The pattern of the subscription."""
        return self._mailbox.pattern

    @property
    def delivered(self) -> int:
        """Messages that came for it, whether it has read them or not."""
        return self._mailbox.delivered

    @property
    def dropped(self) -> int:
        """Messages that came for it and were dropped, as it was too slow."""
        return self._mailbox.dropped

    @property
    def depth(self) -> int:
        """Messages that wait for it now."""
        return len(self._queue)

    @property
    def high_water(self) -> int:
        """The most messages that ever waited for it."""
        return self._mailbox.high_water

    @property
    def is_open(self) -> bool:
        """Whether more messages may come."""
        return self._mailbox.is_open

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._in_a_row >= MOST_IN_A_ROW:
            self._in_a_row = 0
            await asyncio.sleep(0)
        if not self._queue:
            self._in_a_row = 0
            if not await self._mailbox.wait():
                raise StopAsyncIteration
        self._in_a_row += 1
        return self._mailbox.pop()

    async def wait(self) -> bool:
        """Return True when a message waits, False when none will come; for those who read by `take`.

        Raises OverloadedError after a disconnection, and InvalidArgumentError while another task waits.
        """
        return await self._mailbox.wait()

    def take(self) -> list[Message]:
        """All that waits, oldest first, without waiting; empty when there is nothing."""
        return self._mailbox.take()

    def take_page(self, most: int, most_bytes: int) -> list[Message]:
        """The oldest that wait, without waiting: at most so many, up to the one with which they weigh so much."""
        return self._mailbox.take_page(most, most_bytes)

    def close(self) -> None:
        """End it and let go of what waits; closing twice is closing once."""
        self._leave(self._mailbox)
        self._mailbox.close()

    async def aclose(self) -> None:
        """The same as `close`."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The collector may run in any thread, so the bus is only told, and leaves the rest to its own thread.
        if self._mailbox.is_open or self._queue:
            self._abandon(self._mailbox)
