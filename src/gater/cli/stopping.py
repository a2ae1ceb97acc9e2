"""Ending a command on Ctrl-C or SIGTERM between two events, never in the middle of one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """The effect of signals: a task that waits is cancelled, a task that works is asked to end afterwards."""

    def __init__(self, first: Callable[[], None], again: Callable[[int], None]) -> None:
        """While the task works, `first` is called when it is asked to end, and `again` with each further signal."""
        self.asked = False
        self._first = first
        self._again = again
        self._at_work = False
        task = asyncio.current_task()
        assert task is not None
        self._task = task

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The task works on something that it is to finish."""
        self._at_work = True
        try:
            yield
        finally:
            self._at_work = False

    def on_signal(self, number: int) -> None:
        """A signal has come."""
        if not self._at_work:
            self._task.cancel()
        elif self.asked:
            self._again(number)
        else:
            self._first()
        self.asked = True

    def is_meant(self) -> bool:
        """Whether it was a signal that cancelled the task; its cancellation is over then."""
        if self.asked:
            while self._task.cancelling():
                self._task.uncancel()
        return self.asked


@contextmanager
def stopping_on_signals(first: Callable[[], None], again: Callable[[int], None]) -> Iterator[Stopping]:
    """Let signals end what is inside, as Stopping says; it is left as if it had come to its end."""
    loop, stopping = asyncio.get_running_loop(), Stopping(first, again)
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopping.on_signal, number)
    try:
        yield stopping
    except asyncio.CancelledError:
        if not stopping.is_meant():
            raise
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
