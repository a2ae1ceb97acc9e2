"""One instance of pub/sub: gives each message to those who subscribed to its topic."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from gater.model.errors import InvalidArgumentError, NotFoundError
from gater.pubsub.callbacks import Callback, CallbackSubscription, check_callback
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.mailbox import Ledger, Mailbox, Message
from gater.pubsub.subscription import Subscription
from gater.pubsub.topics import TopicIndex, check_pattern, check_topic

log = logging.getLogger(__name__)

OverflowHook: TypeAlias = Callable[[Instance, str, int], object]
"""Told of a subscriber that is too slow for an instance that never drops: the instance, its pattern, what waits."""


class InstanceStats(msgspec.Struct, frozen=True):
    """What an instance has done since it began, and how it stands."""

    published: int
    delivered: int
    """Messages given to subscribers, each counted once for each of them."""
    dropped: int
    """Of those delivered, messages dropped before a slow subscriber read them."""
    failed_callbacks: int
    overflows: int
    """How often a subscriber passed the bound of an instance that never drops."""
    disconnected: int
    """Subscribers disconnected at the hard bound."""
    subscribers: int
    depth: int
    """Messages that wait for all subscribers together."""
    max_lag: int
    """Messages that wait for the slowest subscriber."""
    is_open: bool


class Bus:
    """The broadcaster of one instance; it belongs to the event loop and shares nothing with the other instances."""

    def __init__(self, instance: Instance, overflow_hooks: Sequence[OverflowHook] = ()) -> None:
        self.instance = instance
        self.is_open = True
        self._policy = POLICIES[instance]
        self._overflow_hooks = overflow_hooks
        self._mailboxes: TopicIndex[Mailbox] = TopicIndex()
        self._callbacks: TopicIndex[CallbackSubscription] = TopicIndex()
        self._ledger = Ledger()
        self._abandoned: deque[Mailbox] = deque()
        """Of subscriptions that were forgotten; filled by the garbage collector, in any thread."""

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens to any topic."""
        return bool(self._mailboxes or self._callbacks)

    def subscribe(self, pattern: str, *, buffer: int | None = None) -> Subscription:
        """The messages published from now on under the topics that a pattern fits.

        `buffer` takes the place of the instance's bound on what may wait. Raises InvalidArgumentError for what is no
        pattern or no buffer, and NotFoundError when the instance has ended.
        """
        pattern = check_pattern(pattern)
        bound = self._policy.bound if buffer is None else _check_buffer(buffer)
        self._check_open()
        self._forget_abandoned()
        mailbox = Mailbox(pattern, bound, self._policy.overflow, self._ledger)
        self._mailboxes.subscribe(pattern, mailbox)
        return Subscription(mailbox, leave=self._leave, abandon=self._abandoned.append)

    def subscribe_callback(self, pattern: str, callback: Callback) -> CallbackSubscription:
        """Have a function called for each message, within `broadcast`, until what is returned is closed.

        For short work that needs no task. What the function publishes reaches the others before they are given the
        message it was called for, unless they have a queue. Raises as `subscribe` does.
        """
        pattern = check_pattern(pattern)
        check_callback(callback)
        self._check_open()
        subscription = CallbackSubscription(pattern, callback, self._ledger, leave=self._leave_callback)
        self._callbacks.subscribe(pattern, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription | CallbackSubscription) -> None:
        """The same as closing the subscription."""
        subscription.close()

    def broadcast(self, topic: str, body: Any) -> int:
        """Give a message to all who subscribed to its topic, without waiting for any; returns how many took it.

        Subscribers in trouble are counted and logged, and are no trouble of the caller. When the instance has ended,
        nobody is reached. Raises only InvalidArgumentError, for what is no topic.
        """
        topic = check_topic(topic)
        if not self.is_open:
            return 0
        if self._abandoned:
            self._forget_abandoned()
        message = Message(topic, body, self.instance)
        receivers = 0
        for mailbox in self._mailboxes.match(topic):
            if mailbox.put(message):
                receivers += 1
        ledger = self._ledger
        ledger.published += 1
        ledger.delivered += receivers
        if ledger.news:
            self._tell_news()
        if self._callbacks:
            receivers += self._call(message)
        return receivers

    def _call(self, message: Message) -> int:
        receivers = 0
        for subscription in self._callbacks.match(message.topic):
            if subscription.call(message):
                receivers += 1
        self._ledger.delivered += receivers
        return receivers

    def _tell_news(self) -> None:
        """Tell of overflows once all queues have the message: those who are told may publish in turn."""
        news, self._ledger.news = self._ledger.news, []
        for mailbox in news:
            facts = {"instance": self.instance.value, "pattern": mailbox.pattern, "depth": len(mailbox.queue)}
            if mailbox.failure is not None:
                self._leave(mailbox)
                log.warning("a slow subscriber was disconnected", extra=facts)
            else:
                log.warning("a subscriber is slow", extra=facts)
                self._call_overflow_hooks(mailbox)

    def _call_overflow_hooks(self, mailbox: Mailbox) -> None:
        for hook in tuple(self._overflow_hooks):
            try:
                hook(self.instance, mailbox.pattern, len(mailbox.queue))
            except (Exception, asyncio.CancelledError) as error:
                facts = {"instance": self.instance.value, "pattern": mailbox.pattern}
                log.warning("telling of a slow subscriber failed", extra=facts, exc_info=error)

    def stats(self) -> InstanceStats:
        """How the instance stands; costs one step for each subscriber that has messages waiting."""
        self._forget_abandoned()
        ledger = self._ledger
        depths = [len(mailbox.queue) for mailbox in ledger.backlog]
        return InstanceStats(
            published=ledger.published,
            delivered=ledger.delivered,
            dropped=ledger.dropped,
            failed_callbacks=ledger.failed_callbacks,
            overflows=ledger.overflows,
            disconnected=ledger.disconnected,
            subscribers=len(self._mailboxes) + len(self._callbacks),
            depth=sum(depths),
            max_lag=max(depths, default=0),
            is_open=self.is_open,
        )

    def close(self) -> None:
        """End all subscriptions: what waits can still be read, nothing more comes."""
        self.is_open = False
        self._forget_abandoned()
        for mailbox in list(self._mailboxes):
            mailbox.end()
            self._leave(mailbox)
        for subscription in list(self._callbacks):
            subscription.close()

    def _leave(self, mailbox: Mailbox) -> None:
        self._mailboxes.unsubscribe(mailbox.pattern, mailbox)

    def _leave_callback(self, subscription: CallbackSubscription) -> None:
        self._callbacks.unsubscribe(subscription.pattern, subscription)

    def _forget_abandoned(self) -> None:
        while self._abandoned:
            mailbox = self._abandoned.popleft()
            self._leave(mailbox)
            mailbox.close()

    def _check_open(self) -> None:
        if not self.is_open:
            raise NotFoundError("instance", self.instance.value, message="The pub/sub system has ended")


def _check_buffer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgumentError("buffer", f"a whole number, 1 or more, not {value!r}")
    return value
