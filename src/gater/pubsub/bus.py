"""One instance of pub/sub: gives each message to those who subscribed to its topic."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from gater.model.errors import InvalidArgumentError, NotFoundError, RequestTooLargeError
from gater.model.memory_budget import Share, messages_share
from gater.pubsub.callbacks import Callback, CallbackSubscription, check_callback
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.mailbox import Ledger, Mailbox, Message
from gater.pubsub.subscription import Subscription
from gater.pubsub.topics import TopicIndex, check_pattern, check_topic
from gater.telemetry.histogram import Histogram
from gater.telemetry.tally import Tally

log = logging.getLogger(__name__)

MOST_CARRIED_BYTES: Final = 1 << 20
"""The largest message that is carried to other processes, as msgpack."""

_encode = msgspec.msgpack.Encoder().encode


class SlowSubscriber(msgspec.Struct, frozen=True):
    """A subscriber that does not keep up with an instance that never drops."""

    instance: Instance
    pattern: str
    depth: int
    """Messages that wait for it."""
    is_disconnected: bool
    """Whether it is at the hard bound, and gets no more."""


SlowHook: TypeAlias = Callable[[SlowSubscriber], object]
Carry: TypeAlias = Callable[[Instance, str, bytes], object]
"""Gives a message to the other processes, without waiting and without raising: the instance, the topic, the body."""


class InstanceStats(msgspec.Struct, frozen=True):
    """The figures of an instance since it began, and its present state."""

    published: int
    """Messages given to it, in this process or in others."""
    delivered: int
    """Messages given to subscribers, each counted once for each of them."""
    dropped: int
    """Of those delivered, messages dropped before a slow subscriber read them."""
    failed_callbacks: int
    not_carried: int
    """Messages published here that other processes could not be given, as they are no plain data or too large."""
    overflows: int
    """How often a subscriber passed the bound of an instance that never drops."""
    disconnected: int
    """Subscribers disconnected at the hard bound."""
    subscribers: int
    depth: int
    """Messages that wait for all subscribers together."""
    max_lag: int
    """Messages that wait for the slowest subscriber."""
    processing: Histogram
    """From the moment a subscriber is given a message to the moment it asks for the next."""
    is_open: bool

    @property
    def failed(self) -> int:
        """Messages that subscribers should have got and did not get, other than by being dropped."""
        return self.failed_callbacks + self.not_carried + self.disconnected


class Bus:
    """The broadcaster of one instance; it belongs to the event loop and shares nothing with the other instances."""

    def __init__(self, instance: Instance, slow_hooks: Sequence[SlowHook] = (), share: Share | None = None) -> None:
        self.instance = instance
        self.is_open = True
        self.is_heard = False
        """Whether anybody listens to any topic, as far as this process can know."""
        self.on_heard: list[Callable[[], object]] = []
        """Called when somebody begins to listen where nobody did; who adds one takes it out again."""
        self.topics = Tally()
        """Messages by topic."""
        self._policy = POLICIES[instance]
        self._slow_hooks = slow_hooks
        self._carrier: Carry | None = None
        self._not_carried = 0
        self._cannot_carry = False
        self._mailboxes: TopicIndex[Mailbox] = TopicIndex()
        self._callbacks: TopicIndex[CallbackSubscription] = TopicIndex()
        self._ledger = Ledger(share or messages_share())
        self._abandoned: deque[Mailbox] = deque()
        """Of subscriptions that were forgotten; filled by the garbage collector, in any thread."""

    def hears(self, topic: str) -> bool:
        """Whether a topic has subscribers, as far as this process can know."""
        if not self.is_heard:
            return False
        return self._carrier is not None or bool(self._mailboxes.match(topic) or self._callbacks.match(topic))

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
        self._note_listeners()
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
        self._note_listeners()
        return subscription

    def unsubscribe(self, subscription: Subscription | CallbackSubscription) -> None:
        """The same as closing the subscription."""
        subscription.close()

    def broadcast(self, topic: str, body: Any) -> int:
        """Give a message to all subscribers of its topic, without waiting for any; returns how many took it.

        Subscribers in trouble are counted and logged, and are no trouble of the caller. When the instance has ended,
        nobody is reached. Other processes are given it as well; those who take it there are not counted. Raises only
        InvalidArgumentError, for what is no topic.
        """
        topic = check_topic(topic)
        if not self.is_open:
            return 0
        if self._carrier is not None:
            self._carry(self._carrier, topic, body)
        return self._give(topic, body)

    def broadcast_here(self, topic: str, body: Any) -> int:
        """The same, to subscribers of this process only."""
        topic = check_topic(topic)
        return self._give(topic, body) if self.is_open else 0

    def _give(self, topic: str, body: Any) -> int:
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
        self.topics.add(topic)
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

    def _carry(self, carry: Carry, topic: str, body: Any) -> None:
        """Logs the first failure of an episode: log lines can be messages themselves."""
        try:
            encoded = _encode(body)
            if len(encoded) > MOST_CARRIED_BYTES:
                raise RequestTooLargeError(len(encoded), MOST_CARRIED_BYTES)
        except (TypeError, ValueError, OverflowError, RecursionError, RequestTooLargeError) as error:
            self._not_carried += 1
            if not self._cannot_carry:
                self._cannot_carry = True
                facts = {"instance": self.instance.value, "topic": topic, "reason": str(error)}
                log.warning("a message cannot be given to other processes", extra=facts)
        else:
            self._cannot_carry = False
            carry(self.instance, topic, encoded)

    def _tell_news(self) -> None:
        """Tell of overflows once all queues have the message: those who are told may publish in turn."""
        news, self._ledger.news = self._ledger.news, []
        for mailbox in news:
            slow = SlowSubscriber(self.instance, mailbox.pattern, len(mailbox.queue), mailbox.failure is not None)
            facts = {"instance": self.instance.value, "pattern": slow.pattern, "depth": slow.depth}
            if slow.is_disconnected:
                self._leave(mailbox)
                log.warning("a slow subscriber was disconnected", extra=facts)
            else:
                log.warning("a subscriber is slow", extra=facts)
            self._call_slow_hooks(slow)

    def _call_slow_hooks(self, slow: SlowSubscriber) -> None:
        for hook in tuple(self._slow_hooks):
            try:
                hook(slow)
            except (Exception, asyncio.CancelledError) as error:
                facts = {"instance": self.instance.value, "pattern": slow.pattern}
                log.warning("telling of a slow subscriber failed", extra=facts, exc_info=error)

    def stats(self) -> InstanceStats:
        """The state of the instance; costs one step for each subscriber that has messages waiting."""
        self._forget_abandoned()
        ledger = self._ledger
        depths = []
        for mailbox in ledger.backlog:
            depths.append(len(mailbox.queue))
            mailbox.must_time = True  # one that is never through with what waits is to be timed, too
        return InstanceStats(
            published=ledger.published,
            delivered=ledger.delivered,
            dropped=ledger.dropped,
            failed_callbacks=ledger.failed_callbacks,
            not_carried=self._not_carried,
            overflows=ledger.overflows,
            disconnected=ledger.disconnected,
            subscribers=len(self._mailboxes) + len(self._callbacks),
            depth=sum(depths),
            max_lag=max(depths, default=0),
            processing=ledger.processing,
            is_open=self.is_open,
        )

    def carry_by(self, carry: Carry | None) -> None:
        """Have messages taken to other processes by this, or by nothing: then there are none."""
        self._carrier = carry
        self._note_listeners()

    def reopen(self) -> None:
        """Take subscribers again after `close`; nothing happens when it is open."""
        self.is_open = True

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
        self._note_listeners()

    def _leave_callback(self, subscription: CallbackSubscription) -> None:
        self._callbacks.unsubscribe(subscription.pattern, subscription)
        self._note_listeners()

    def _note_listeners(self) -> None:
        """Keep `is_heard` right: it is asked for each event, and changes rarely."""
        was_heard = self.is_heard
        self.is_heard = bool(self._mailboxes or self._callbacks) or self._carrier is not None
        if self.is_heard and not was_heard:
            for begin in tuple(self.on_heard):
                begin()

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
