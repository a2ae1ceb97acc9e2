"""The event loop and the process that an API object belongs to: elsewhere it refuses at once, instead of hanging."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from gater.model.errors import WrongContextError


class ForkCount:
    """The number of forks between this process and the one that imported the module; cheaper to read than its id."""

    def __init__(self) -> None:
        self.value = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._add)

    def _add(self) -> None:
        self.value += 1


FORKS: Final = ForkCount()


def _do_nothing() -> None:
    """Wake an event loop."""


class LoopAffinity:
    """Belongs to the event loop, and the process, in which it is first checked."""

    def __init__(self, *, elsewhere: str, forked: str) -> None:
        """Advice for the errors: the call to make in another event loop, and in a child of the process."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop; None until the first check."""
        self._elsewhere = elsewhere
        self._forked = forked
        self._thread = 0
        self._forks = FORKS.value

    @property
    def is_inherited(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""
        return self._forks != FORKS.value and self.loop is not None

    @property
    def is_here(self) -> bool:
        """Whether this is its event loop, in its process."""
        try:
            return asyncio.get_running_loop() is self.loop and self._forks == FORKS.value
        except RuntimeError:
            return False

    async def aclose(self, items: AsyncGenerator[Any, None]) -> None:
        """Close a generator of its event loop; elsewhere that loop does so, once the generator is forgotten."""
        if self.is_here:
            await items.aclose()

    def check(self) -> asyncio.AbstractEventLoop:
        """The running event loop, if it is the one of the first check; else WrongContextError."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise self._refusal() from None
        if loop is not self.loop or self._forks != FORKS.value:
            if self.loop is not None:
                raise self._refusal()
            self.loop, self._thread, self._forks = loop, threading.get_ident(), FORKS.value
        return loop

    def check_thread(self) -> None:
        """The same where that would cost too much: another event loop of the same thread is not noticed."""
        if threading.get_ident() != self._thread or self._forks != FORKS.value:
            self.check()

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called: at once on the event loop, by it from another thread, not at all in a child.

        The event loop is woken, for it may be a signal handler that calls.
        """
        loop = self.loop
        if loop is None or self.is_here:
            function()
            function = _do_nothing
        if loop is not None and not self.is_inherited and not loop.is_closed():
            loop.call_soon_threadsafe(function)

    def _refusal(self) -> WrongContextError:
        if self.is_inherited:
            return WrongContextError(f"it was opened before this process was forked: {self._forked}")
        if self.loop is None:
            return WrongContextError("no event loop of asyncio is running here")
        ended = ", which has ended" if self.loop.is_closed() else ""
        return WrongContextError(f"it belongs to another event loop{ended}: {self._elsewhere}")


def affinity_of_reader() -> LoopAffinity:
    """The affinity of what an API gives to be read, and to be settled."""
    return LoopAffinity(
        elsewhere="use it there, or ask an API of this event loop for one",
        forked="ask an API of this process for one",
    )
