"""An event loop that runs in a thread of its own, for code that blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from gater.api.event_loop import new_event_loop
from gater.api.loop_affinity import FORKS
from gater.model.errors import ApiClosedError, WrongContextError

Item = TypeVar("Item")


class LoopThread:
    """An event loop that runs in a thread until it is stopped; what is asked of it later is refused.

    A child of the process has no such thread, and maybe a lock that nothing lets go of: there it refuses at once.
    """

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._gate = threading.RLock()  # a signal handler may call while this thread has it
        self._stopped = False
        self._followed: set[Future[Any]] = set()
        self._forks = FORKS.value
        self._thread = threading.Thread(target=self._run, name="gater-loop", daemon=True)
        self._thread.start()

    @property
    def is_inherited(self) -> bool:
        """Whether the thread is one of the process that this one was forked from."""
        return self._forks != FORKS.value

    def refuse_in_child(self) -> None:
        """WrongContextError in a child of the process that has the thread."""
        if self.is_inherited:
            raise WrongContextError("it was made before this process was forked: ask the API for another one here")

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._gate:
                self._stopped = True  # also when something on the loop has ended it
            loop.run_until_complete(_cancel_tasks())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def _begin(self, work: Coroutine[Any, Any, Item]) -> Future[Item]:
        try:
            self.refuse_in_child()
            with self._gate:
                if not self._stopped:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
            raise ApiClosedError()
        except BaseException:
            work.close()
            raise

    def follow(self, work: Coroutine[Any, Any, Item]) -> Future[Item]:
        """Run a coroutine beside everything else, until it ends or the thread is to stop."""
        future = self._begin(work)
        self._followed.add(future)
        future.add_done_callback(self._followed.discard)
        return future

    def drop_followed(self) -> None:
        """Cancel what `follow` has started."""
        for future in list(self._followed):
            future.cancel()

    def run(self, work: Coroutine[Any, Any, Item]) -> Item:
        """The result of a coroutine that runs on the loop; cancelled when the waiting thread is interrupted.

        Raises ApiClosedError when the thread was stopped, or is before the coroutine has ended, and
        WrongContextError on the loop itself, and in a child of the process.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise WrongContextError("the blocking API cannot be used on its own event loop: use gater.connect there")
        future = self._begin(work)
        try:
            return future.result()
        except CancelledError:
            raise ApiClosedError() from None
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], object]) -> None:
        """Have a function called on the loop, unless that was stopped."""
        with self._gate:
            if not self._stopped:
                self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """End what still runs, and the thread."""
        with self._gate:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def _cancel_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
