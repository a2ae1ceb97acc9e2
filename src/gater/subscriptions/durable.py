"""A durable subscription at work: reads for its consumer group, gives to consumers, keeps what must not be lost.

The group decides; this moves. It has no task of its own: it is driven by what consumers ask for, by new events, and by
one timer, all on the event loop. While nobody consumes it reads nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from gater.model.errors import GaterError, InternalError, StoreUnavailableError, SubscriptionNotFoundError
from gater.model.events import CREATED, POSITION, EventRow
from gater.model.limits import PAGE_BYTES
from gater.model.subscriptions import NackAction, SubscriptionConfig, SubscriptionInfo
from gater.store.hidden import Hidden
from gater.store.store import Store
from gater.store.subscription_reader import SavedSubscription
from gater.subscriptions.alarm import Alarm
from gater.subscriptions.consumer import Consumer
from gater.subscriptions.crash_guard import CrashGuard
from gater.subscriptions.feeder import Feeder
from gater.subscriptions.group import Group
from gater.subscriptions.group_budget import GroupBudget
from gater.subscriptions.group_outcome import Outcome
from gater.subscriptions.keeper import Keeper
from gater.subscriptions.observer import Observer
from gater.subscriptions.pulling import Pulling
from gater.subscriptions.streaming import Streaming

Delivery = tuple[EventRow, int, int]
"""An event, its attempt and its receipt: model.subscriptions.Delivered in its field order."""
Clock = Callable[[], float]
FAILED_BY: Final = frozenset({"retry", "park", "unknown"})
"""What is said of an event whose processing failed."""

log = logging.getLogger(__name__)


class Counts(NamedTuple):
    """The counts before the subscription was moved the last time."""

    delivered: int = 0
    redelivered: int = 0
    acked: int = 0


class DurableSubscription:
    """One durable subscription of a store that is open on this node."""

    def __init__(
        self,
        store: Store,
        saved: SavedSubscription,
        observer: Observer,
        memory: GroupBudget,
        *,
        is_local: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        """With `is_local`, its consumers are in this process."""
        self.config = saved.config
        self._is_local = is_local
        self._store = store
        self._observer = observer
        self._memory = memory
        self._failing = False
        """Whether deliveries have failed since one was acknowledged."""
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._consumers: list[Consumer] = []
        self._pulling = Pulling(self)
        self._streaming = Streaming(self)
        self._failure: GaterError | None = None
        self._alarm = Alarm(self._loop, self._work_soon)
        self._working = self._full = False
        self.is_closed, self._before = False, Counts()
        self._begin(saved)

    def _begin(self, saved: SavedSubscription) -> None:
        """Begin a run where the file says."""
        store, config = self._store, saved.config
        self.made, self.run = saved.made, saved.run
        parked = store.subscriptions.parked_streams(config.name)
        self._group = Group(
            config.settings,
            checkpoint=saved.checkpoint,
            ahead=saved.ahead,
            blocked=[(stream, position) for stream, position, _ in parked],
            run=saved.run,
            numbers=store.subscriptions.numbers(),
        )
        ended = partial(self._observer.run_ended, self)
        self._guard = CrashGuard(self._consumers, self._work_soon, self._is_local, saved.ahead.at_work)
        self.keeper = Keeper(
            store, saved, self._group, self._guard, changed=self._work_soon, forgotten=self.discarded, ended=ended
        )
        self._feeder = Feeder(store, saved, self._group, self._consumers, self._work_soon)
        self._feeder.replay_on((stream, position) for stream, position, replaying in parked if replaying)

    # --- consumers ---

    @property
    def consumers(self) -> int:
        """The number of attached consumers."""
        return len(self._consumers)

    def consume(self, prefetch: int, number: int = 0) -> AsyncGenerator[list[Delivery], None]:
        """Pages of deliveries to one consumer, which may hold `prefetch` unsettled events, for ever.

        One that has a number reports under it. Ends when the consumer says `stop`, or that it leaves. Raises
        OverloadedError when there are too many consumers, SubscriptionNotFoundError when the subscription is removed,
        StoreUnavailableError when the store is closed.
        """
        return self._streaming.consume(prefetch, number)

    def report(self, number: int, begun: int, *, leaves: bool) -> tuple[int, list[int]]:
        """Note what a consumer has begun; returns what it does not have any more (see Group.report)."""
        self._feeder.drop_hidden()
        return self._streaming.report(self._group, number, begun, self._clock(), leaves=leaves)

    async def pull(self, count: int, wait: float) -> list[Delivery]:
        """Up to `count` deliveries, for the first of which `wait` seconds are waited; held until they are settled."""
        page = await self._pulling.pull(count, wait, self.keeper)
        self._work_soon()
        return page

    def holds(self, consumer: Consumer) -> int:
        """The number of unsettled events that a consumer has."""
        return self._group.in_flight_of(consumer)

    def attach(self, consumer: Consumer) -> None:
        """Let a consumer have events; raises OverloadedError when there are too many."""
        if self.is_closed:
            raise StoreUnavailableError(self._store.id, "the store is closed")
        self._take_in(consumer)
        self._consumers.append(consumer)
        self._observer.consumers_changed(self)
        self._memory.join(self._feeder)
        self._failure = None
        self._work()

    def _take_in(self, one: Consumer) -> None:
        self._group.attach(one, one.prefetch, is_shared=one.is_shared, is_patient=one.is_patient)

    def detach(self, consumer: Consumer) -> None:
        """Take back what a consumer holds; detaching twice is detaching once."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)
            self._observer.consumers_changed(self)
            self._group.detach(consumer, self._clock())
            if not self._consumers:
                self._feeder.leave()
                self._memory.leave(self._feeder)
            self._work_soon()

    def take(self, consumer: Consumer, limit: int) -> list[Delivery]:
        """The deliveries that a consumer gets now: up to `limit` of them, and a page's bytes."""
        self._feeder.drop_hidden()
        now = self._clock()
        page = self._group.take(consumer, now, self._guard.allowed(self._group, limit), PAGE_BYTES)
        if page:
            self.keeper.delivered(page[-1][POSITION], now)
        if page or self._group.refill.loading:
            self._work_soon()
        return page

    # --- settling ---

    def ack(self, position: int, receipt: int | None) -> Outcome:
        """An event was processed."""
        if self._is_outdated(position, receipt):
            return Outcome.STALE
        now = self._clock()
        if receipt is not None:
            self.keeper.settled(receipt, now)
        outcome = self._group.ack(position, receipt, now)
        if self._failing and outcome is Outcome.SETTLED:
            self._failing = False
            self._observer.delivery_succeeded(self)
        return outcome

    def nack(self, position: int, receipt: int | None, action: NackAction, delay: float | None, reason: str) -> Outcome:
        """An event was not processed."""
        if self._is_outdated(position, receipt):
            return Outcome.STALE
        outcome = self._group.nack(position, receipt, action, self._clock(), delay, reason)
        if outcome is Outcome.SETTLED and action in FAILED_BY:
            self._has_failed(reason or action)
        return outcome

    def _has_failed(self, reason: str) -> None:
        self._failing = True
        self._observer.delivery_failed(self, reason)

    def _is_outdated(self, position: int, receipt: int | None) -> bool:
        """Whether a receipt is of before this run; the event of another one is read if it is not here."""
        if receipt is None or position <= self._group.reached:
            return receipt is not None and receipt < self.run
        if receipt >= self.run:  # delivered before the store was opened: it is read, so that it can be settled at once
            self._read(lambda: self._feeder.read_up_to(position, waits=bool(self._consumers)))
        return receipt < self.run and position <= self._store.tail.position

    def _read(self, read: Callable[[], object]) -> None:
        """Read something from the store; when that is not possible, the consumers are told."""
        try:
            with self._store.reading():
                read()
        except GaterError as error:
            self.failed(error)

    def after_settling(self) -> None:
        """To be called when some events were settled."""
        stopped = set(self._group.stopped())
        for consumer in [consumer for consumer in self._consumers if consumer in stopped]:
            consumer.end(None)
        self._work()

    # --- work ---

    def _work_soon(self) -> None:
        """Work when this turn of the event loop ends."""
        if not self._working and not self.is_closed:
            self._working = True
            self._memory.turns.add(self._work)

    def _work(self) -> None:
        """Read events for which there is room, write what must be kept, wake consumers that can have events, set the
        timer.
        """
        self._working = False
        if self.is_closed:
            return
        try:
            self._feeder.drop_hidden()
            self._group.refill.limit(self._memory.part)
            self._tick()
            with self._store.reading():
                self.keeper.forget(self._feeder.replay_more(self._clock()))
                if self._consumers and self._feeder.fill():
                    self._work_soon()
            if self._consumers:
                self.keeper.claim()
            self.keeper.keep()
            self._pulling.let_go()
        except GaterError as error:
            self.failed(error)
        except Exception as defect:
            log.exception("a subscription failed", extra={"store": self._store.id, "subscription": self.config.name})
            self.failed(InternalError(message=f"{type(defect).__name__}: {defect}"))
        self._count()
        self._tell_if_full()
        self._wake_consumers()
        self._set_timer()

    def _count(self) -> None:
        """Have what is in memory counted, and found when events are hidden."""
        self._memory.count(self._feeder)
        if self._group.refill.keeps_events:
            self._observer.holds_events(self)

    def _tell_if_full(self) -> None:
        """Tell when the group stops reading, with the event that it waits for."""
        was_full, self._full = self._full, self._group.is_full
        if self._full > was_full:
            self._observer.full(self, self._group.full_reason)

    def _tick(self) -> None:
        """Take back what was not acknowledged in time, and let go on what has waited long enough."""
        if self._group.tick(self._clock()):
            self._has_failed("not acknowledged in time")

    def _wake_consumers(self) -> None:
        if self._group.has_ready and self._consumers:
            for consumer in self._consumers:
                consumer.wake()
            self._consumers.append(self._consumers.pop(0))  # another is the first to take next time

    def failed(self, error: GaterError) -> None:
        """Let the consumers know; who comes back may find that it has passed."""
        self._failure = error
        self._observer.crashed(self, error)
        for consumer in self._consumers:
            consumer.end(error)

    def _set_timer(self) -> None:
        """Have the work go on when something is due."""
        now = self._clock()
        due = [when for when in (self._group.next_due, self.keeper.next_due) if when is not None]
        if due:
            self._alarm.set(max(min(due) - now, 0.0))

    # --- changes from outside ---

    def reconfigure(self, config: SubscriptionConfig) -> None:
        """It was saved again, with other settings."""
        self.config = config
        self._group.configure(config.settings, self._clock())
        self._work_soon()

    def begin_again(self, saved: SavedSubscription) -> None:
        """It was moved: what is in flight is taken back, and consumers get what comes at the new place."""
        self._feeder.leave()
        self._memory.forget(self._feeder)
        self.config = saved.config
        group, before = self._group, self._before
        redelivered = before.redelivered + group.redelivered
        self._before = Counts(before.delivered + group.delivered, redelivered, before.acked + group.acked)
        self._begin(saved)
        for consumer in self._consumers:
            self._take_in(consumer)
            self._memory.join(self._feeder)
        self._work_soon()

    def replay(self, positions: Sequence[int]) -> None:
        """These parked events are to be delivered again."""
        self._read(lambda: self._feeder.replay(positions))
        self._work_soon()

    def discarded(self, positions: Sequence[int]) -> None:
        """These parked events are gone: streams without any go on."""
        self._group.unparked(positions)
        self._work_soon()

    def hidden(self, hidden: Hidden) -> bool:
        """Events were hidden: they are neither delivered nor retried any more. Whether it holds any events."""
        if not self._group.refill.keeps_events:
            return False
        self._read(lambda: self._feeder.hidden(hidden))
        if self._consumers:
            self._work_soon()
        return True

    def stop_waiting(self) -> None:
        """Nothing is to be waited for any more: those who pull are told."""
        self._pulling.end(StoreUnavailableError(self._store.id, "the store was closed"))

    def remove(self) -> None:
        """It was removed: its consumers are told."""
        self._stop(SubscriptionNotFoundError(self._store.id, self.config.name))

    async def close(self) -> None:
        """The store closes: keep how far it has come, and tell the consumers."""
        if not self.is_closed:
            self._stop(StoreUnavailableError(self._store.id, "the store was closed"))
            await self.keeper.close()

    def _stop(self, error: GaterError) -> None:
        self.is_closed = True
        self._feeder.leave()
        self._memory.forget(self._feeder)
        self._alarm.cancel()
        for consumer in self._consumers:
            consumer.end(error)

    # --- facts ---

    def info(self, *, counts: bool = False) -> SubscriptionInfo:
        """The state of the subscription; with `counts`, unread events are counted on, for one turn at most."""
        self._feeder.drop_hidden()
        group, config = self._group, self.config
        if not (self._consumers or self.is_closed or self._failure):
            self._read(self._feeder.look_ahead)
            self._count()
        if counts and not (self.is_closed or self._failure):
            self._read(self._feeder.count_unread)
        behind = self._feeder.behind
        if not self._consumers:
            self._feeder.leave()
        oldest = group.oldest
        return SubscriptionInfo(
            **{name: getattr(config, name) for name in SubscriptionConfig.__struct_fields__},
            state=self._state(behind),
            checkpoint=self.keeper.position,
            lag=group.unsettled + behind,
            lag_seconds=0.0 if oldest is None else max(time.time() - oldest[CREATED] / 1e6, 0.0),
            consumers=len(self._consumers),
            in_flight=group.in_flight,
            retrying=group.retrying,
            parked=self._store.subscriptions.count_parked(config.name),
            delivered=self._before.delivered + group.delivered,
            redelivered=self._before.redelivered + group.redelivered,
            acked=self._before.acked + group.acked,
            delivery_seconds=self.keeper.delivery_seconds,
            reason=self._group.full_reason if self._failure is None else str(self._failure),
        )

    def _state(self, behind: int) -> str:
        if self._failure is not None:
            return "failed"
        if not self._consumers and (self._group.unsettled or not behind):
            return "stranded" if self._group.unsettled else "idle"
        if self._group.is_full:
            return "full"
        return "catching_up" if behind else "live"
