"""The mailbox of one subscriber: a bounded queue with an action at its bound."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec

from gater.model.errors import InvalidArgumentError, OverloadedError
from gater.model.memory_budget import Share
from gater.pubsub.instances import HARD_BOUND_FACTOR, Instance, Overflow
from gater.pubsub.weighing import weight_of
from gater.telemetry.histogram import Histogram


class Message(msgspec.Struct, frozen=True):
    """A published message: any value, as it was given, under a topic of an instance.

    All subscribers are given the same body: who changes it changes it for the others.
    """

    topic: str
    body: Any
    instance: Instance


class Ledger:
    """The counts of one instance since it began, and its mailboxes that are not empty."""

    __slots__ = (
        "_weighed",
        "backlog",
        "delivered",
        "disconnected",
        "dropped",
        "failed_callbacks",
        "news",
        "overflows",
        "processing",
        "published",
        "share",
    )

    def __init__(self, share: Share) -> None:
        """`share`: what the messages of all mailboxes are counted against."""
        self.share = share
        self._weighed: tuple[Message, int] | None = None
        self.published = 0
        self.delivered = 0
        self.dropped = 0
        self.failed_callbacks = 0
        self.overflows = 0
        self.disconnected = 0
        self.processing = Histogram()
        """From the moment a subscriber is given a message to the moment it asks for the next."""
        self.backlog: dict[Mailbox, None] = {}
        self.news: list[Mailbox] = []
        """Mailboxes that have passed a bound, of which nobody was told yet."""

    def weigh(self, message: Message) -> int:
        """The bytes of a message; looked at once for all mailboxes that it goes to."""
        if self._weighed is None or self._weighed[0] is not message:
            self._weighed = (message, weight_of(message.body))
        return self._weighed[1]


class Mailbox:
    """The queue of one subscriber; it belongs to the event loop."""

    __slots__ = (
        "_bound",
        "_hard_bound",
        "_ledger",
        "_limit",
        "_overflow",
        "_taken_before",
        "_timed_since",
        "_waiter",
        "_waiting_bytes",
        "_weights",
        "delivered",
        "dropped",
        "failure",
        "high_water",
        "is_open",
        "must_time",
        "pattern",
        "queue",
    )

    def __init__(self, pattern: str, bound: int, overflow: Overflow, ledger: Ledger) -> None:
        self.pattern = pattern
        self.queue: deque[Message] = deque()
        self.is_open = True
        """Whether more may come."""
        self.failure: OverloadedError | None = None
        """Why nothing more comes, when that is not what the subscriber wanted."""
        self.delivered = 0
        self.dropped = 0
        self.high_water = 0
        self.must_time = True
        """Whether to look at the clock when the next message is taken; each time would cost too much."""
        self._timed_since = 0.0
        self._taken_before = 0
        self._bound = bound
        self._hard_bound = bound * HARD_BOUND_FACTOR
        self._overflow = overflow
        self._limit = bound
        """The depth at which something is to be done before the next message: it depends on what was done before."""
        self._ledger = ledger
        self._weights: deque[int] = deque()
        """Of each message that waits; 0 for one that came when nothing waited."""
        self._waiting_bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    def put(self, message: Message) -> bool:
        """Keep a message and wake its waiting reader; False when it was not taken, as the mailbox is closed (now)."""
        queue = self.queue
        if not self.is_open or (len(queue) >= self._limit and not self._make_room()):
            return False
        weight = 0
        if queue:
            weight = self._ledger.weigh(message)
            if not self._ledger.share.take(weight) and not self._find_room(weight):
                return False
            self._waiting_bytes += weight
        self._weights.append(weight)
        queue.append(message)
        self.delivered += 1
        depth = len(queue)
        if depth > self.high_water:
            self.high_water = depth
        if depth == 1:
            self._ledger.backlog[self] = None
        if self._waiter is not None:
            self._wake()
        return True

    def _make_room(self) -> bool:
        ledger = self._ledger
        if self._overflow is Overflow.DROP_OLDEST:
            self._drop_oldest()
            return True
        ledger.news.append(self)
        if len(self.queue) < self._hard_bound:
            self._limit = self._hard_bound
            ledger.overflows += 1
            return True
        self._give_up(self._hard_bound)
        return False

    def _find_room(self, weight: int) -> bool:
        """Make room in the share of messages as the policy says; False when this message is not kept."""
        ledger = self._ledger
        if self._overflow is not Overflow.DROP_OLDEST:
            ledger.news.append(self)
            self._give_up(ledger.share.limit)
            return False
        while self.queue:
            self._drop_oldest()
            if ledger.share.take(weight):
                return True
        self.dropped += 1
        self.delivered += 1
        ledger.dropped += 1
        return False

    def _drop_oldest(self) -> None:
        self.queue.popleft()
        self._give_back(self._weights.popleft())
        self.dropped += 1
        self._ledger.dropped += 1
        if not self.queue:
            self._ledger.backlog.pop(self, None)

    def _give_up(self, limit: int) -> None:
        """Disconnect the subscriber: it reads what waits, and then is told."""
        self.failure = OverloadedError(f"subscription to {self.pattern}", limit)
        self._ledger.disconnected += 1
        self.end()

    def _give_back(self, weight: int) -> None:
        self._waiting_bytes -= weight
        self._ledger.share.give_back(weight)

    def pop(self) -> Message:
        """The oldest message, which must be there."""
        if self.must_time:
            self._begin_timing()
        message = self.queue.popleft()
        if weight := self._weights.popleft():
            self._give_back(weight)
        if not self.queue:
            self._caught_up()
        return message

    def take(self) -> list[Message]:
        """All that waits, oldest first."""
        if self.must_time:
            self._begin_timing()
        messages = list(self.queue)
        self.queue.clear()
        self._caught_up()
        return messages

    def take_page(self, most: int, most_bytes: int) -> list[Message]:
        """The oldest that wait: at most so many, up to the one with which they weigh so much. The others stay."""
        queue, weights = self.queue, self._weights
        if len(queue) < 2:
            return self.take()
        first = weights[0] or weight_of(queue[0].body)
        if len(queue) <= most and self._waiting_bytes - weights[0] + first <= most_bytes:
            return self.take()
        page, size = [self.pop()], first
        while queue and len(page) < most and size < most_bytes:
            size += weights[0]
            page.append(self.pop())
        return page

    def _caught_up(self) -> None:
        self._weights.clear()
        if self._waiting_bytes:
            self._give_back(self._waiting_bytes)
        self._ledger.backlog.pop(self, None)
        self._limit = self._bound

    def _begin_timing(self) -> None:
        """Count the messages taken since the clock was looked at, if any, as worked on, and begin with the next."""
        self._end_timing()
        self.must_time = False
        self._timed_since = perf_counter()

    def _end_timing(self) -> None:
        """Count the messages taken since the clock was looked at as worked on, all for the same time."""
        taken = self.delivered - self.dropped - len(self.queue)
        count, self._taken_before = taken - self._taken_before, taken
        if count:
            self._ledger.processing.observe((perf_counter() - self._timed_since) / count, count)
        self.must_time = True

    async def wait(self) -> bool:
        """Return True when a message waits, False when none will come; raises `failure` when that is why.

        One task waits at a time: InvalidArgumentError for another.
        """
        self._end_timing()
        while not self.queue:
            if self.failure is not None:
                raise self.failure.again()
            if not self.is_open:
                return False
            if self._waiter is not None:
                raise InvalidArgumentError("subscription", "another task waits for its messages")
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        return True

    def end(self) -> None:
        """Take no more; what waits can still be read."""
        self.is_open = False
        self._wake()

    def close(self) -> None:
        """Take no more and let go of what waits."""
        self.failure = None
        self._taken_before += len(self.queue)
        self.queue.clear()
        self._caught_up()
        self.end()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            # Only a loop that was closed over its tasks raises: then there is nobody to wake.
            with suppress(RuntimeError):
                waiter.set_result(None)
