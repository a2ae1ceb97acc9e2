"""A subscriber without a task: a function that is called for each message, and whose failures stay its own."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeAlias

from gater.model.errors import InvalidArgumentError
from gater.pubsub.mailbox import Ledger, Message

log = logging.getLogger(__name__)

Callback: TypeAlias = Callable[[Message], object]


def check_callback(value: Any) -> Callback:
    """The callback, if it can be called and does not have to be awaited; else InvalidArgumentError."""
    if not callable(value):
        raise InvalidArgumentError("callback", f"a function, not {type(value).__name__}")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__):
        raise InvalidArgumentError("callback", "a plain function: nobody would await this one")
    callback: Callback = value
    return callback


class CallbackSubscription:
    """Calls a function for each message of a pattern, within the broadcast, until it is closed.

    Its failures are counted, and logged once until a call succeeds: log lines can be messages themselves. A message
    that comes while the function runs, because it published what it listens to, counts as a failure too.
    """

    __slots__ = ("_callback", "_failing", "_leave", "_ledger", "_running", "delivered", "failed", "is_open", "pattern")

    def __init__(
        self, pattern: str, callback: Callback, ledger: Ledger, *, leave: Callable[[CallbackSubscription], None]
    ) -> None:
        self.pattern = pattern
        self.is_open = True
        self.delivered = 0
        """Calls that succeeded."""
        self.failed = 0
        """Calls that raised, or that would have been made within a call."""
        self._callback = callback
        self._ledger = ledger
        self._leave = leave
        self._running = False
        self._failing = False

    def call(self, message: Message) -> bool:
        """Give the function a message; whether it took it."""
        if not self.is_open:
            return False
        if self._running:
            self._fail(message, RecursionError("the callback has published what it listens to"))
            return False
        self._running = True
        began = perf_counter()
        try:
            self._callback(message)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the publisher must not meet it
            self._fail(message, error)
            return False
        finally:
            self._running = False
            self._ledger.processing.observe(perf_counter() - began)
        self._failing = False
        self.delivered += 1
        return True

    def _fail(self, message: Message, error: BaseException) -> None:
        self.failed += 1
        self._ledger.failed_callbacks += 1
        if not self._failing:
            self._failing = True
            facts = {"instance": message.instance.value, "topic": message.topic, "pattern": self.pattern}
            log.warning("a subscriber has failed", extra=facts, exc_info=error)

    def close(self) -> None:
        """Call the function no more; closing twice is closing once."""
        self.is_open = False
        self._leave(self)
