"""Waiting a moment for another thread: long enough for what is quick, not for what hangs."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Handover(Generic[Result]):
    """One result that a thread hands to another, which waits for a moment, and may leave."""

    __slots__ = ("_done", "_gate", "_is_left", "_result")

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._done = threading.Lock()
        self._done.acquire()
        self._is_left = False
        self._result: Result | None = None

    def give(self, result: Result) -> bool:
        """Hand over the result; False when it is not waited for any more."""
        with self._gate:
            if self._is_left:
                return False
            self._result = result
        self._done.release()
        return True

    def wait(self, seconds: float) -> Result | None:
        """The result, if it comes within so many seconds; otherwise None, and `give` returns False."""
        if not self._done.acquire(timeout=seconds):
            with self._gate:
                self._is_left = self._result is None
        return self._result
