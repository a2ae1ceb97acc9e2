"""The part of the API that is about subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeVar, Unpack, overload

import msgspec

from gater.api import subscription_operations as op
from gater.api.arguments import check_begin, check_count, check_history, check_position, check_wait
from gater.api.caller import Caller
from gater.api.consumer import Consumer
from gater.api.delivery import Delivery
from gater.api.notices import Notice
from gater.api.settling import DirectSettling, settle
from gater.api.subscription import Subscription
from gater.model.errors import InvalidArgumentError, SubscriptionNotFoundError
from gater.model.events import Event, check_gave, epoch_of
from gater.model.identifiers import check_name, check_store_id
from gater.model.limits import MOST_POSITIONS, check_number
from gater.model.selectors import Selector, parse_selector
from gater.model.subscriptions import (
    TRANSIENT,
    GivenSettings,
    NackAction,
    ParkedEvent,
    SubscriptionConfig,
    SubscriptionHealth,
    SubscriptionInfo,
    check_nack,
    given_settings,
)

PAGE: Final = 500
"""Entries of a listing that are asked for at once."""

Kind = str | Selector | Mapping[str, Any]
"""A selector, or the kind of one whose value is the next argument."""
Saved = TypeVar("Saved", SubscriptionConfig, SubscriptionInfo)
Settled = Delivery | Event | int
"""What names a delivery: itself; or the event, or its position, whichever delivery of it is in flight."""


class SubscriptionApi:
    """Following events, and consuming them in groups."""

    _caller: Caller

    # --- subscriptions ---

    @overload
    def subscribe(
        self,
        store: str,
        type: Kind = "by_stream",
        selector: Any = None,
        start_from: int = 0,
        *,
        notices: Literal[False] = False,
        history: str | None = None,
    ) -> Subscription[Event]: ...

    @overload
    def subscribe(
        self,
        store: str,
        type: Kind = "by_stream",
        selector: Any = None,
        start_from: int = 0,
        *,
        notices: bool,
        history: str | None = None,
    ) -> Subscription[Event | Notice]: ...

    def subscribe(
        self,
        store: str,
        type: Kind = "by_stream",
        selector: Any = None,
        start_from: int = 0,
        *,
        notices: bool = False,
        history: str | None = None,
    ) -> Subscription[Any]:
        """Every matching event from `start_from` on, then the new ones as they are committed: no gap, no repeat.

        `type` and `selector` say what matches: `by_stream` with `$all` (the default) or a stream id, `by_event_type`
        with a type, `by_event_pattern` with a map over the event's fields, `by_event_payload` with a map over its
        data, `stream_prefix` with the beginning of stream ids, `all_of` and `any_of` with a list of selectors; or
        `type` is a selector as `gater.by_event_type("OrderPlaced") & gater.stream_prefix("order-")` makes it.
        `start_from` is a version when one stream is followed, otherwise a position, or LIVE for what is committed
        from now on. With `notices` it also yields CAUGHT_UP when there is nothing stored left to read, and
        FELL_BEHIND when it must read from the file again. A slow reader holds nothing up. After a lost connection it
        resumes behind the last event. It ends with `stop` (see Subscription).

        `history` is that of the store which `start_from` was reached in (StoreStatus.history, kept beside it): raises
        HistoryChangedError when the store was restored or made anew since, or has not come so far. It is raised, too,
        when that happens while it is followed. What was made of the events must be made anew then.
        """
        wanted = parse_kind(type, selector)
        operation = op.SubscribeOperation(
            check_store_id(store), wanted, check_begin(start_from), check_history(history)
        )
        return Subscription(self._caller, operation, notices=notices)

    async def save_subscription(
        self,
        store: str,
        type: Kind | None = None,
        selector: Any = None,
        name: str = "",
        start_from: int | None = None,
        **settings: Unpack[GivenSettings],
    ) -> SubscriptionConfig:
        """Make a durable subscription under a name of its own, or change it; what is not said of one stays as it is.

        A new one has the whole store, its beginning and the defaults of GroupSettings where nothing else is said:
        `ack_timeout`, `max_retries`, `backoff`, `max_in_flight`, `checkpoint_every`, `checkpoint_interval`,
        `ordering`, `max_consumers`, `after_park`. Another `start_from` than before also moves the checkpoint there.
        The name with another selector raises AlreadyExistsError. While nobody consumes it, its new events are
        broadcast on its delivery topic. Raises InvalidArgumentError without a name: see
        `add_transient_subscription` for what is not kept.
        """
        name, begin = _durable_name(name), None if start_from is None else check_begin(start_from)
        given = given_settings(settings)
        there = await self._selector_of(store, name) if type is None and selector is None else None
        wanted = there or parse_kind("by_stream" if type is None else type, selector)
        return await self._save(store, wanted, name, begin, given)

    async def remove_subscription(
        self, store: str, type: Kind | None = None, selector: Any = None, name: str = ""
    ) -> None:
        """Forget a durable subscription with its checkpoint and what is parked; its consumers end with an error.

        With a selector it is only forgotten if it has that one. Nothing happens when there is none. Raises
        InvalidArgumentError without a name.
        """
        name = _durable_name(name)
        wanted: Selector | None
        if type is None and selector is None:
            wanted = await self._selector_of(store, name)
        else:
            wanted = parse_kind("by_stream" if type is None else type, selector)
        if wanted is not None:
            await self._caller.call(op.RemoveSubscriptionOperation(check_store_id(store), wanted, name))

    async def _selector_of(self, store: str, name: str) -> Selector | None:
        """The selector of a durable subscription; None when there is no subscription of that name."""
        try:
            return (await self.get_subscription(store, name)).selector
        except SubscriptionNotFoundError:
            return None

    async def _save(
        self, store: str, selector: Selector, name: str, begin: int | None, settings: dict[str, Any]
    ) -> SubscriptionConfig:
        store = check_store_id(store)
        saved = await self._caller.call(op.SaveSubscriptionOperation(store, selector, name, begin, settings))
        return _with_whole_selector(saved)

    async def add_transient_subscription(
        self, store: str, type: Kind = "by_stream", selector: Any = None
    ) -> SubscriptionConfig:
        """Broadcast matching new events on their delivery topic for as long as this connection lasts.

        Nothing is kept of it, and it has no consumers: listeners of the events instance get its events (see
        `pubsub`). Adding the same again needs as many removals.
        """
        return await self._save(store, parse_kind(type, selector), TRANSIENT, None, {})

    async def remove_transient_subscription(self, store: str, type: Kind = "by_stream", selector: Any = None) -> None:
        """Broadcast no longer what `add_transient_subscription` began; nothing happens when there is nothing to end."""
        operation = op.RemoveSubscriptionOperation(check_store_id(store), parse_kind(type, selector), TRANSIENT)
        await self._caller.call(operation)

    async def get_subscriptions(self, store: str) -> list[SubscriptionInfo]:
        """Every durable subscription, ordered by name, and how each is doing."""
        store, found = check_store_id(store), list[SubscriptionInfo]()
        while True:
            page = await self._caller.call(op.GetSubscriptions(store, found[-1].name if found else "", PAGE))
            found += map(_with_whole_selector, page)
            if not page:
                return found

    async def get_subscription(self, store: str, name: str) -> SubscriptionInfo:
        """One durable subscription and how it is doing; SubscriptionNotFoundError when there is none."""
        found = await self._caller.call(op.GetSubscription(check_store_id(store), check_name(name, "name")))
        return _with_whole_selector(found)

    async def get_subscription_health(self, store: str, name: str) -> SubscriptionHealth:
        """The counted events of a durable subscription since the node began, and the status that follows from them.

        Raises NotFoundError for one that nothing has happened to.
        """
        return await self._caller.call(op.GetSubscriptionHealth(check_store_id(store), check_name(name, "name")))

    def consumer(self, store: str, name: str, *, prefetch: int = 100) -> Consumer:
        """A consumer of a durable subscription: deliveries to be settled one by one (see Consumer).

        Each event comes at least once, to one consumer at a time; unless the subscription says otherwise, in order
        within each stream. At most `prefetch` unsettled events are held here. What a consumer holds when it ends, or
        when its connection is lost, goes to the others. Iterating raises SubscriptionNotFoundError, also when the
        subscription is removed meanwhile, and OverloadedError when it has too many consumers.
        """
        operation = op.Consume(check_store_id(store), check_name(name, "name"), check_count(prefetch))
        return Consumer(self._caller, operation)

    def consume(self, store: str, name: str, *, prefetch: int = 100) -> Consumer:
        """The same, for a loop that is left as it likes: `async for delivery in api.consume(store, name)`."""
        return self.consumer(store, name, prefetch=prefetch)

    async def pull_events(self, store: str, name: str, count: int = 100, *, wait: float = 0.0) -> list[Delivery]:
        """Up to `count` deliveries of a durable subscription, for the first of which up to `wait` seconds are waited.

        They are held for nobody in particular: whoever has their receipt settles them (`ack_event`, `nack_event`)
        before the ack timeout.
        """
        store, name = check_store_id(store), check_name(name, "name")
        pulled = await self._caller.call(op.Pull(store, name, check_count(count), check_wait(wait)))
        settling = DirectSettling(self._caller, store, name)
        return [Delivery(delivered, settling) for delivered in pulled]

    async def ack_event(self, store: str, name: str, event: Settled) -> None:
        """Acknowledge an event, and wait until that is noted; acknowledging twice is acknowledging once.

        Raises NotFoundError when the event is not in flight: it was never delivered, or it was taken back and
        delivered again since.
        """
        await settle(self._caller, check_store_id(store), check_name(name, "name"), acks=(op.Ack(*_named(event)),))

    async def nack_event(
        self,
        store: str,
        name: str,
        event: Settled,
        action: NackAction | int = "retry",
        *,
        delay: float | None = None,
        reason: str | None = None,
    ) -> None:
        """Say that an event was not processed (see Delivery.nack), and wait until that is noted.

        Raises NotFoundError when the event is not in flight.
        """
        position, receipt = _named(event)
        nack = op.Nack(position, receipt, *check_nack(action, delay, reason))
        await settle(self._caller, check_store_id(store), check_name(name, "name"), nacks=(nack,))

    async def list_parked(self, store: str, name: str, after: int = 0, limit: int | None = None) -> list[ParkedEvent]:
        """The parked events of a durable subscription, in order, after position `after`."""
        store, name = check_store_id(store), check_name(name, "name")
        left, cursor = None if limit is None else check_count(limit), check_position(after, "after")
        found: list[ParkedEvent] = []
        while True:
            wanted = PAGE if left is None else min(left - len(found), PAGE)
            page = await self._caller.call(op.ListParked(store, name, cursor, wanted))
            found += page
            if not page or len(found) == left:
                return found
            cursor = page[-1].position

    async def replay_parked(self, store: str, name: str, positions: Iterable[int] | int | None = None) -> int:
        """Deliver parked events again, all or those at some positions; returns how many.

        They stay parked until they are settled. Raises NotFoundError for a position that is not parked.
        """
        return await self._caller.call(
            op.ReplayParkedOperation(check_store_id(store), check_name(name, "name"), _positions(positions))
        )

    async def discard_parked(self, store: str, name: str, positions: Iterable[int] | int | None = None) -> int:
        """Forget parked events, all or those at some positions, for good; returns how many."""
        return await self._caller.call(
            op.DiscardParkedOperation(check_store_id(store), check_name(name, "name"), _positions(positions))
        )

    async def rewind_subscription(
        self, store: str, name: str, position: int | None = None, *, time: datetime | int | None = None
    ) -> int:
        """Let a durable subscription begin again at a position, or at the first event since a time; returns where.

        `time` is a datetime (UTC when it has no zone) or microseconds since 1970. What is in flight is taken back.
        It may also lead forward. Parked events stay parked.
        """
        if (position is None) == (time is None):
            raise InvalidArgumentError("position", "either a position or a time")
        epoch = None if time is None else epoch_of(time)
        begin = None if position is None else check_position(position, "position")
        return await self._caller.call(
            op.RewindSubscriptionOperation(check_store_id(store), check_name(name, "name"), begin, epoch)
        )


def _durable_name(value: Any) -> str:
    if value == "":
        raise InvalidArgumentError("name", "a name: a durable subscription is kept under one of its own")
    if value == TRANSIENT:
        raise InvalidArgumentError("name", f"not {TRANSIENT}, which names what is not kept")
    return check_name(value, "name")


def parse_kind(type: Any, selector: Any) -> Selector:
    """The selector that the two arguments `type` and `selector` name; `by_stream` alone is the whole store."""
    if selector is None:
        return parse_selector("by_stream", "$all") if type == "by_stream" else parse_selector(type)
    return parse_selector(type, selector)


def _with_whole_selector(saved: Saved) -> Saved:
    """A subscription whose selector may have come from a wire, where the parts of a join are lists."""
    return msgspec.structs.replace(saved, selector=parse_selector(saved.selector))


def _named(event: Any) -> tuple[int, int]:
    """The position and the receipt that name a delivery; receipt 0: whichever it is."""
    if isinstance(event, Event):
        return event.position, 0
    if type(event) is int:
        return check_position(event, "event"), 0
    try:
        return event.event.position, event.receipt
    except AttributeError:
        raise InvalidArgumentError("event", f"a delivery, an event or a position, not {event!r}") from None


def _positions(positions: Any) -> tuple[int, ...] | None:
    if positions is None:
        return None
    if type(positions) is int:
        positions = (positions,)
    if isinstance(positions, str | bytes | Mapping) or not isinstance(positions, Iterable):
        raise InvalidArgumentError("positions", f"positions, not {positions!r}")
    checked = tuple([check_position(position, "positions") for position in positions])
    check_number("positions", len(checked), MOST_POSITIONS)
    return check_gave("positions", positions, checked)
