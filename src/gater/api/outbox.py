"""Settlements of a client on their way to the server: they go ahead of what the client asks next."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol
from weakref import WeakSet


class Sender(Protocol):
    """Has something to send now and then."""

    def sending(self) -> Coroutine[Any, Any, None] | None:
        """Sends what waits, beginning with its first step; None when nothing waits."""
        ...

    def doubt(self) -> None:
        """Take note that waiting deliveries may have been hidden."""
        ...


class Outbox:
    """The consumers of a client that have settlements to send, and the tasks that send them."""

    def __init__(self) -> None:
        self._waiting: dict[Sender, None] = {}
        self._senders: WeakSet[Sender] = WeakSet()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unstarted = 0
        """Tasks that have not made their first step."""

    def __bool__(self) -> bool:
        """Whether something is to be sent before anything else."""
        return bool(self._waiting) or self._unstarted > 0

    def join(self, sender: Sender) -> None:
        """Tell a sender when the client hides events, as long as the sender exists."""
        self._senders.add(sender)

    def has_hidden(self) -> None:
        """Tell the senders that the client has hidden events."""
        for sender in self._senders:
            sender.doubt()

    def add(self, sender: Sender) -> None:
        """It has something that is to be sent before what the client asks next."""
        self._waiting[sender] = None

    def discard(self, sender: Sender) -> None:
        """It has nothing to send any more."""
        self._waiting.pop(sender, None)

    def send(self, sender: Sender) -> None:
        """Begin to send everything that waits at one sender."""
        self._waiting.pop(sender, None)
        while (sending := sender.sending()) is not None:
            self._unstarted += 1
            task = asyncio.get_running_loop().create_task(self._run(sending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, sending: Coroutine[Any, Any, None]) -> None:
        self._unstarted -= 1
        await sending

    async def empty(self) -> None:
        """Return when everything that waits has begun to be sent: what is sent next goes behind it."""
        while self._waiting:
            self.send(next(iter(self._waiting)))
        if self._unstarted:
            await asyncio.sleep(0)

    async def answered(self, timeout: float | None) -> None:
        """Return when everything that was sent is answered or has failed, or after `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
