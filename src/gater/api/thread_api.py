"""The API on an event loop of its own in a thread, and what becomes of it in a child of the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from gater.api.gater_api import GaterApi
from gater.api.loop_thread import LoopThread
from gater.model.errors import ApiClosedError, WrongContextError


class ThreadApi:
    """Begins the thread and opens the API when they are first needed; closing ends both, for good.

    A fork leaves its child without the thread. There the API is made anew when it is needed, if `in_children` (a
    connection: each process has one of its own); otherwise every call raises WrongContextError, and closing does
    nothing, for what is open is the parent's.
    """

    def __init__(self, make: Callable[[], GaterApi], *, in_children: bool) -> None:
        self._make = make
        self._in_children = in_children
        self._lock = threading.RLock()
        self._running: tuple[LoopThread, GaterApi] | None = None
        self._is_parents = False
        self._closed = False
        _ALL.add(self)

    def running(self) -> tuple[LoopThread, GaterApi]:
        """The thread and the API on its loop, begun if that is to be done; raises what keeps it from opening."""
        return self._running or self._begin()

    def _begin(self) -> tuple[LoopThread, GaterApi]:
        with self._lock:
            if self._closed:
                raise ApiClosedError()
            if self._is_parents:
                raise WrongContextError(
                    "it was opened before this process was forked: fork before the stores are opened, or have a node "
                    "serve them and use gater.connect_sync"
                )
            if self._running is None:
                self._running = self._opened()
            return self._running

    def _opened(self) -> tuple[LoopThread, GaterApi]:
        api, thread = self._make(), LoopThread()
        try:
            return thread, thread.run(api.__aenter__())
        except BaseException:
            thread.stop()
            raise

    def close(self) -> None:
        """Close the API, after what is under way is done, and end the thread; twice is once."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._running is None:
                return
            thread, api = self._running
            thread.drop_followed()
            try:
                thread.run(api.close())
            finally:
                thread.stop()

    def forget(self) -> None:
        """Begin anew in a child: another thread of the parent may have had the lock, and has no part here."""
        self._lock = threading.RLock()
        self._is_parents = self._is_parents or not self._in_children
        self._running = None


_ALL: Final[WeakSet[ThreadApi]] = WeakSet()


def _forget_all() -> None:
    for api in list(_ALL):
        api.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
