"""Attempts that outlive the process, for handlers that run in it and may end it."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final

import msgspec

from gater.model.subscriptions import Ahead
from gater.subscriptions.group import Group

MOST_SUSPECTS: Final = 500
"""Events that are delivered one at a time after the process has ended without a word."""


class CrashGuard:
    """Notes in the checkpoint of a group that its consumers are in this process, and finds out what has ended it.

    From the first one on, the checkpoint says so; when the store is closed, it no longer does. When it does at the next
    start, an event that was being processed may have ended the process. So the next events are delivered one at a
    time, each after its attempt is durable: one that ends the process again and again is parked in the end.
    """

    def __init__(self, consumers: Sized, changed: Callable[[], None], is_local: bool, was_at_work: bool) -> None:
        """`consumers` are those of the group, at any time; with `is_local` they are in this process.

        `changed` is called when an attempt is to be noted.
        """
        self._consumers = consumers
        self._is_local = is_local
        self._is_noted = was_at_work
        """Whether the checkpoint that is durable says that consumers are at work."""
        self._suspects = MOST_SUSPECTS if was_at_work else 0
        self._changed = changed
        self._attempt: tuple[int, int] | None = None
        """Position of the event that is delivered next, and which attempt that is."""
        self._is_attempt_noted = False

    @property
    def is_at_work(self) -> bool:
        """Whether the checkpoint is to say that consumers are at work here: also between two that pull."""
        return self._is_local and (self._is_noted or len(self._consumers) > 0)

    @property
    def is_wanted(self) -> bool:
        """Whether a checkpoint is to be written at once: a delivery waits for it, or it must not be said any more."""
        return self.is_at_work != self._is_noted or (self._attempt is not None and not self._is_attempt_noted)

    def allowed(self, group: Group, limit: int) -> int:
        """The number of up to `limit` events that may be delivered now; 0 while an attempt is to be noted before."""
        if not self._suspects:
            return limit if self._is_noted or not self._is_local else 0
        attempt = None if group.in_flight else group.next_attempt()
        if attempt is None:
            return 0
        if attempt != self._attempt:
            self._attempt, self._is_attempt_noted = attempt, False
            self._changed()
        if not self._is_attempt_noted or self._is_noted < self.is_at_work:
            return 0
        self._suspects -= 1
        return min(limit, 1)

    def end(self) -> None:
        """The store closes: what ends now has not ended the process."""
        self._is_local = False
        self._attempt = None

    def record(self, ahead: Ahead) -> Ahead:
        """The state beyond a checkpoint, with the attempts to be noted."""
        if self._attempt is not None:
            position, attempt = self._attempt
            attempts = dict(ahead.attempts)
            attempts[position] = max(attempts.get(position, 0), attempt)
            ahead = msgspec.structs.replace(ahead, attempts=tuple(sorted(attempts.items())))
        return msgspec.structs.replace(ahead, at_work=self.is_at_work)

    def written(self, ahead: Ahead) -> None:
        """A checkpoint with this is durable."""
        self._is_noted = ahead.at_work
        if self._attempt is not None:
            self._is_attempt_noted = self._attempt in ahead.attempts
