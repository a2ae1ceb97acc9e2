"""The operations on subscriptions as values: following, saving, consuming, settling, and what is parked."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gater.api.operation import Operation, Seen, StreamingOperation
from gater.model.events import Event
from gater.model.selectors import Selector
from gater.model.subscriptions import (
    TRANSIENT,
    Delivered,
    NackAction,
    ParkedEvent,
    SubscriptionConfig,
    SubscriptionHealth,
    SubscriptionInfo,
)

LONGEST_WAIT: Final = 60.0
"""Seconds that a pull may wait."""


class SubscriptionPage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some events of a subscription, perhaps none."""

    events: list[Event]
    live: bool
    """Whether the subscription has caught up with the writers."""
    next: int
    """The `start_from` that goes on behind what was looked at."""
    history: str = ""
    """The store's history (see StoreStatus.history); empty while the store has yet to come to where it begins."""


class Unsettled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A delivery that could not be settled."""

    position: int
    why: str
    """`stale`: the event was delivered again since; `unknown`: it is not in flight."""


class SubscribeOperation(StreamingOperation[SubscriptionPage], frozen=True, array_like=True):
    """Matching events from `start_from` on, then the new ones as they are committed.

    `start_from` is a version when the selector is confined to one stream, otherwise a position, or LIVE.
    """

    name = "subscribe"
    answer = SubscriptionPage
    store: str
    selector: Selector
    start_from: int = 0
    history: str = ""
    """The history that it goes on from; HistoryChangedError when the store has another. Empty: whichever it has."""
    seen: Seen | None = None
    """The last event of what it goes on from; HistoryChangedError when another is stored there."""


class SaveSubscriptionOperation(Operation[SubscriptionConfig], frozen=True, array_like=True):
    """Make a subscription, or change the one of that name and selector; what is not said of it stays.

    The name `transient` makes one that only broadcasts, as long as the connection lasts.
    """

    name = "save_subscription"
    effect = "admin"
    answer = SubscriptionConfig
    store: str
    selector: Selector
    subscription: str = TRANSIENT
    start_from: int | None = None
    """None: where it is, or the beginning."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """Some of GroupSettings, by their names."""


class RemoveSubscriptionOperation(Operation[None], frozen=True, array_like=True):
    """Forget a subscription; nothing happens when there is none."""

    name = "remove_subscription"
    effect = "admin"
    answer = None
    store: str
    selector: Selector
    subscription: str = TRANSIENT


class GetSubscriptions(Operation[list[SubscriptionInfo]], frozen=True, array_like=True):
    """The durable subscriptions of a store, and how each is doing; up to `limit` of them, after the name `after`."""

    name = "get_subscriptions"
    answer = list[SubscriptionInfo]
    store: str
    after: str = ""
    limit: int = 100


class GetSubscription(Operation[SubscriptionInfo], frozen=True, array_like=True):
    """One durable subscription, and how it is doing."""

    name = "get_subscription"
    answer = SubscriptionInfo
    store: str
    subscription: str


class GetSubscriptionHealth(Operation[SubscriptionHealth], frozen=True, array_like=True):
    """The recent events of a subscription, as its health."""

    name = "get_subscription_health"
    answer = SubscriptionHealth
    store: str
    subscription: str


class Consume(StreamingOperation[list[Delivered]], frozen=True, array_like=True):
    """Deliveries to one consumer of a durable subscription, which may hold `prefetch` unsettled events."""

    name = "consume"
    effect = "write"
    answer = list[Delivered]
    lapses = True
    store: str
    subscription: str
    prefetch: int = 100
    number: int = 0
    """Chosen at random by a consumer that reports (see Report); 0: the ack timeout runs from the delivery on."""


class Pull(Operation[list[Delivered]], frozen=True, array_like=True):
    """Up to `count` deliveries, for which `wait` seconds are waited; they are held until they are settled."""

    name = "pull"
    effect = "write"
    answer = list[Delivered]
    timeout = None
    repeatable = False
    store: str
    subscription: str
    count: int = 100
    wait: float = 0.0


class Ack(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event was processed."""

    position: int
    receipt: int = 0
    """Of the delivery; 0: whichever it was."""


class Nack(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event was not processed."""

    position: int
    receipt: int = 0
    action: NackAction = "retry"
    delay: float | None = None
    reason: str = ""


class Settle(Operation[list[Unsettled]], frozen=True, array_like=True):
    """Settle deliveries; answers those that could not be, and why."""

    name = "settle"
    effect = "write"
    goes_ahead = True
    answer = list[Unsettled]
    store: str
    subscription: str
    acks: tuple[Ack, ...] = ()
    nacks: tuple[Nack, ...] = ()


class Reported(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to a consumer's report."""

    unsettled: list[Unsettled]
    """Those of the deliveries settled with the report that could not be."""
    lost: int
    """The deliveries up to this receipt that it has not begun are not its own any more."""
    seconds: float
    """How long after the report the others are its own: the ack timeout."""
    hidden: list[int] = []
    """Receipts of deliveries that it had not begun, and has no more: their events were hidden."""


class Report(Operation[Reported], frozen=True, array_like=True):
    """Settle deliveries of a consumer, and say which it has begun to process."""

    name = "report"
    effect = "write"
    goes_ahead = True
    answer = Reported
    store: str
    subscription: str
    acks: tuple[Ack, ...] = ()
    nacks: tuple[Nack, ...] = ()
    number: int = 0
    """Of the consumer."""
    begun: int = 0
    """The greatest receipt of a delivery that it has begun to process."""
    leaves: bool = False
    """Whether it leaves: what it has not begun goes to others, and has not failed."""


class ListParked(Operation[list[ParkedEvent]], frozen=True, array_like=True):
    """Up to `limit` parked events of a durable subscription, after position `after`; none: there are no more."""

    name = "list_parked"
    answer = list[ParkedEvent]
    store: str
    subscription: str
    after: int = 0
    limit: int = 100


class ReplayParkedOperation(Operation[int], frozen=True, array_like=True):
    """Deliver parked events again (None: all of them); answers how many."""

    name = "replay_parked"
    effect = "admin"
    answer = int
    timeout = 60.0
    store: str
    subscription: str
    positions: tuple[int, ...] | None = None
    again: bool = False
    """Sent again by a client that lost the answer: what it may have done itself is not refused."""


class DiscardParkedOperation(Operation[int], frozen=True, array_like=True):
    """Forget parked events (None: all of them); answers how many."""

    name = "discard_parked"
    effect = "admin"
    answer = int
    timeout = 60.0
    store: str
    subscription: str
    positions: tuple[int, ...] | None = None
    again: bool = False
    """Sent again by a client that lost the answer: what it may have done itself is not refused."""


class RewindSubscriptionOperation(Operation[int], frozen=True, array_like=True):
    """Let a durable subscription begin again at a position, or at the first event since a time; answers the position.

    The time is in microseconds since 1970.
    """

    name = "rewind_subscription"
    effect = "admin"
    answer = int
    store: str
    subscription: str
    position: int | None = None
    epoch: int | None = None
