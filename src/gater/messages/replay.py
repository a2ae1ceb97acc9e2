"""Protection against replayed messages: the age of a signed message, and a memory of those that came."""

from __future__ import annotations

import heapq
from typing import Final

from gater.model.errors import InvalidArgumentError, MessageExpiredError, MessageReplayedError

WINDOW_SECONDS: Final = 300.0
"""How far the clocks of two nodes may differ, the journey included."""
MOST_NONCES: Final = 100_000
"""Messages that one guard remembers."""


class ReplayGuard:
    """The memory of one receiver: each message passes once, within the window around the time it was signed.

    At the bound, the oldest message is forgotten and everything as old is refused from then on as expired: the window
    gets shorter when messages come faster, but nothing passes twice. Every receiver needs a guard of its own. For one
    thread.
    """

    def __init__(self, window: float = WINDOW_SECONDS, limit: int = MOST_NONCES) -> None:
        if not window > 0:
            raise InvalidArgumentError("window", f"more than 0 seconds, not {window!r}")
        if limit < 1:
            raise InvalidArgumentError("limit", f"1 or more, not {limit!r}")
        self._window = round(window * 1_000)
        self._limit = limit
        self._by_age: list[tuple[int, bytes]] = []
        self._nonces: set[bytes] = set()
        self._forgotten = -1
        """When the youngest message was signed that is no longer remembered."""

    @property
    def remembered(self) -> int:
        """The number of messages in the memory."""
        return len(self._nonces)

    def admit(self, nonce: bytes, sent: int, now: int) -> None:
        """Let a message pass that was signed at `sent` (both in milliseconds since 1970).

        Raises MessageExpiredError outside the window and MessageReplayedError for a message that came before. Only for
        messages whose signature is good: whoever has no key must not be able to fill the memory.
        """
        while self._by_age and self._by_age[0][0] < now - self._window:
            self._forget_oldest()
        if nonce in self._nonces:
            raise MessageReplayedError
        if abs(now - sent) > self._window or sent <= self._forgotten:
            raise MessageExpiredError
        heapq.heappush(self._by_age, (sent, nonce))
        self._nonces.add(nonce)
        if len(self._nonces) > self._limit:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        sent, nonce = heapq.heappop(self._by_age)
        self._nonces.discard(nonce)
        # Remembered rather than computed from the clock: a clock that is set back must not let anything in again.
        self._forgotten = max(self._forgotten, sent)
