"""The durable subscriptions of one store, and its emitters: made, changed and removed by name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from gater.model import commands as c
from gater.model.errors import GaterError, InvalidArgumentError, NotFoundError, SubscriptionNotFoundError
from gater.model.events import POSITION
from gater.model.limits import MOST_POSITIONS, check_number
from gater.model.selectors import Selector, parse_selector
from gater.model.subscriptions import (
    TRANSIENT,
    GroupSettings,
    ParkedEvent,
    SubscriptionConfig,
    SubscriptionHealth,
    SubscriptionInfo,
)
from gater.store.hidden import Hidden
from gater.store.store import Store
from gater.store.subscription_reader import ParkedRow, SavedSubscription, selector_json
from gater.subscriptions.channels import Channels
from gater.subscriptions.confinement import confined_to
from gater.subscriptions.durable import DurableSubscription
from gater.subscriptions.emitters import Emitter
from gater.subscriptions.figures import Figures
from gater.subscriptions.group_budget import GroupBudget
from gater.subscriptions.reporting import SOME, Reporter
from gater.subscriptions.times import first_since
from gater.subscriptions.topics import ALL_EVENTS, delivery_topic

PARKED_STEP: Final = 1_000
"""Parked events that one command changes."""
EVERYTHING: Final = parse_selector("by_stream", "$all")


class Durables:
    """Every subscription that is saved in a store which is open on this node."""

    def __init__(
        self, store: Store, channels: Channels, memory: GroupBudget | None = None, *, is_local: bool = False
    ) -> None:
        """`memory`: what the groups of all stores may hold together; with `is_local`, consumers are in this process."""
        self._store = store
        self._is_local = is_local
        self._bus = channels.events
        self._memory = memory or GroupBudget()
        self._reporter = Reporter(store.id, channels, self.at_work, self.check, self._status_changed)
        self._running: dict[str, DurableSubscription] = {}
        self.figures = Figures()
        """What was found last of them."""
        self._emitters: dict[str, Emitter] = {}
        """Of saved subscriptions, by topic."""
        self._shared: dict[str, Emitter] = {}
        """Of transient ones, by topic; a saved subscription may have the same."""
        self._users: dict[str, int] = {}
        """How many connections share a transient emitter, by topic."""
        self._default_topic = delivery_topic(store.id, EVERYTHING, ALL_EVENTS)
        self._emit(EVERYTHING, ALL_EVENTS)
        for saved in store.subscriptions.all():
            self._emit(saved.config.selector, saved.config.name)
        store.tail.on_hidden.append(self._hidden)

    def _hidden(self, hidden: Hidden) -> None:
        for running in self._running.values():
            running.hidden(hidden)

    # --- looking ---

    def config(self, name: str) -> SubscriptionConfig:
        """A subscription as it was saved; SubscriptionNotFoundError when there is none."""
        running = self._running.get(name)
        return self._saved(name).config if running is None else running.config

    def _saved(self, name: str) -> SavedSubscription:
        with self._store.reading():
            saved = self._store.subscriptions.get(name)
        if saved is None:
            raise SubscriptionNotFoundError(self._store.id, name)
        return saved

    def get(self, name: str) -> DurableSubscription:
        """A subscription at work; SubscriptionNotFoundError when there is none."""
        running = self._running.get(name)
        if running is None:
            saved = self._saved(name)
            with self._store.reading():
                running = DurableSubscription(self._store, saved, self, self._memory, is_local=self._is_local)
                self._running[name] = running
            self.figures.add(name)
            self._reporter.note(name, "proxy_started")
        return running

    def names(self) -> list[str]:
        """The names of all, in order."""
        return [saved.config.name for saved in self._store.subscriptions.all()]

    def info(self, name: str) -> SubscriptionInfo:
        """How a subscription is doing."""
        found = self.get(name).info()
        self.figures.note(found)
        return found

    def health(self, name: str) -> SubscriptionHealth:
        """What has happened to a subscription lately; NotFoundError when nothing has."""
        return self._reporter.tracker.get(name)

    async def parks_written(self, name: str) -> None:
        """Return when events that a subscription parks now are parked, or could not be."""
        if (running := self._running.get(name)) is not None:
            await running.keeper.parks_written()

    def at_work(self) -> Iterator[SubscriptionInfo]:
        """How those are doing that were asked for since the store was opened, each as it is when it is its turn."""
        for name, running in list(self._running.items()):
            if self._running.get(name) is running:
                yield self.info(name)
        self.figures.choose()

    def parked(self, name: str, after: int, limit: int) -> list[ParkedEvent]:
        """Up to `limit` parked events behind position `after`, or a page's bytes; none: there are no more."""
        self.config(name)
        rows = self._store.subscriptions.parked(name, after, limit)
        found, looked_at = self._store.reader.at_positions([row.position for row in rows])
        events: dict[int, Any] = {event[POSITION]: event for event in found}
        return [ParkedEvent(*row, events.get(row.position)) for row in rows[:looked_at]]

    # --- changing ---

    async def save(
        self, selector: Selector, name: str, start_from: int | None, settings: Mapping[str, Any]
    ) -> SubscriptionConfig:
        """Make a subscription or change what is said of it; one named `transient` only emits, until it is released."""
        now = time.time_ns() // 1_000
        as_new = SubscriptionConfig(name, selector, start_from or 0, GroupSettings(**settings), now, now)
        if name == TRANSIENT:
            self._share(delivery_topic(self._store.id, selector), selector)
            return as_new
        await self._write(selector, name, start_from, settings, now)
        saved = self._follow(name)
        was_removed = saved is None or saved.config.selector != selector
        return as_new if saved is None or was_removed else saved.config

    def _follow(self, name: str) -> SavedSubscription | None:
        """Have what is at work follow what the file says, whichever changes in whatever order have led there."""
        with self._store.reading():
            saved = self._store.subscriptions.get(name)
            running = self._running.get(name)
            if running is not None and (saved is None or saved.made > running.run):
                del self._running[name]
                running.remove()
                self.figures.forget(name)
                self._silence(delivery_topic(self._store.id, running.config.selector, name))
            elif running is not None and saved is not None:
                if saved.run != running.run:
                    running.begin_again(saved)
                elif saved.config != running.config:
                    running.reconfigure(saved.config)
        if saved is not None:
            self._emit(saved.config.selector, name)
        return saved

    async def _write(
        self, selector: Selector, name: str, start_from: int | None, settings: Mapping[str, Any], now: int
    ) -> None:
        """Have a subscription kept, and tell about it."""
        self._reporter.note(name, "registration_started")
        begun = time.perf_counter()
        one_stream, wanted = selector.stream_id is not None, selector_json(selector)
        encoded = msgspec.json.encode(settings)
        try:
            command = c.SaveSubscription(name, wanted, one_stream, start_from, encoded, now, confined_to.get())
            await self._store.run(command, len(wanted) + len(encoded))
        except GaterError as error:
            self._reporter.note(name, "registration_failed", {"reason": str(error)})
            self._attempted(name, error.code, begun)
            if self._store.subscriptions.get(name) is None:
                self._reporter.forget(name)
            else:  # what is saved under the name goes on as before
                self._reporter.note(name, "periodic_heartbeat")
            raise
        proxy = f"{self._store.id}/{name}"
        registered = {"proxy_pid": proxy, "subscriber_pid": None, "registration_time": now // 1_000}
        self._reporter.note(name, "registration_success", registered)
        self._attempted(name, "success", begun)

    def _attempted(self, name: str, result: str, begun: float) -> None:
        taken = round((time.perf_counter() - begun) * 1_000, 3)
        facts = {"result": result, "source": "subscription_metrics", "processing_time_ms": taken}
        self._reporter.measure(name, "registration_attempt", facts)

    def _share(self, topic: str, selector: Selector) -> None:
        self._users[topic] = self._users.get(topic, 0) + 1
        if topic not in self._shared and topic != self._default_topic:
            self._shared[topic] = Emitter(self._store, selector, topic, self._bus, self._memory.turns)

    def release(self, selector: Selector) -> None:
        """Somebody who saved a transient subscription is gone; the last one ends it."""
        topic = delivery_topic(self._store.id, selector)
        left = self._users.get(topic, 0) - 1
        if left > 0:
            self._users[topic] = left
        elif self._users.pop(topic, None) is not None and topic in self._shared:
            self._shared.pop(topic).close()

    async def remove(self, selector: Selector, name: str) -> bool:
        """Forget a subscription with all that is parked of it; whether there was one of that selector."""
        if name == TRANSIENT:
            found = delivery_topic(self._store.id, selector) in self._users
            self.release(selector)
            return found
        saved = self._store.subscriptions.get(name)
        if saved is None or saved.config.selector != selector:
            return False
        if not await self._store.run(c.RemoveSubscription(name, selector_json(selector))):
            return False
        self._reporter.note(name, "proxy_stopped")
        self._reporter.forget(name)
        saved = self._follow(name)
        if saved is None or saved.config.selector != selector:
            self._silence(delivery_topic(self._store.id, selector, name))
        return True

    async def rewind(self, name: str, position: int | None, epoch: int | None) -> int:
        """Let a subscription begin again at a position, or at the first event since a time; returns the position."""
        self.config(name)
        head = self._store.tail.position
        if position is None:
            if epoch is None:
                raise InvalidArgumentError("position", "a position, or a time")
            position = await first_since(self._store, epoch, head)
        position = max(min(position, head + 1), 1)
        await self._store.run(c.RewindSubscription(name, position - 1))
        self._follow(name)
        return position

    async def replay(self, name: str, positions: tuple[int, ...] | None, *, again: bool = False) -> int:
        """Deliver parked events again (None: all); returns how many.

        NotFoundError for one that is not parked, unless this is asked `again` and may have been done.
        """
        run = self._check_parked(name, positions, again)
        total = 0
        for chosen in self._steps(name, positions):
            replayed = await self._store.run(c.ReplayParked(name, run, chosen, len(chosen)))
            if (running := self.get(name)).made <= run:
                running.replay(replayed)
            total += len(replayed)
        return total

    async def discard(self, name: str, positions: tuple[int, ...] | None, *, again: bool = False) -> int:
        """Forget parked events (None: all); returns how many. NotFoundError as of `replay`."""
        run = self._check_parked(name, positions, again)
        total = 0
        for chosen in self._steps(name, positions):
            discarded = await self._store.run(c.DiscardParked(name, run, chosen, len(chosen)))
            if (running := self._running.get(name)) is not None:
                running.discarded(discarded)
            total += len(discarded)
        return total

    def _steps(self, name: str, positions: Sequence[int] | None) -> Iterator[tuple[int, ...]]:
        """The positions in portions, those of all parked events when none are named."""
        if positions is not None:
            for begin in range(0, len(positions), PARKED_STEP):
                yield tuple(positions[begin : begin + PARKED_STEP])
            return
        after = 0
        while rows := self._parked_behind(name, after):
            waiting = tuple([row.position for row in rows if not row.replaying])
            if waiting:
                yield waiting
            after = rows[-1].position

    def _parked_behind(self, name: str, after: int) -> list[ParkedRow]:
        with self._store.reading():
            return self._store.subscriptions.parked(name, after, PARKED_STEP)

    def _check_parked(self, name: str, positions: Sequence[int] | None, again: bool) -> int:
        """The run in which these events are parked."""
        run = self._saved(name).run
        if positions is None:
            return run
        check_number("positions", len(positions), MOST_POSITIONS)
        if again:
            return run
        with self._store.reading():
            missing = self._store.subscriptions.not_parked(name, positions)
        if missing is not None:
            raise NotFoundError("parked event", missing)
        return run

    # --- emitters ---

    def _emit(self, selector: Selector, name: str) -> None:
        topic = delivery_topic(self._store.id, selector, name)
        if topic not in self._emitters:
            self._emitters[topic] = Emitter(self._store, selector, topic, self._bus, self._memory.turns)
            self._status_changed(name)

    def _silence(self, topic: str) -> None:
        if topic != self._default_topic and (emitter := self._emitters.pop(topic, None)) is not None:
            emitter.close()

    def check(self, *, cleanup: bool = True) -> dict[str, Any]:
        """Whether emitters and subscriptions fit together; what does not is mended, unless told otherwise."""
        begun, store = time.perf_counter(), self._store.id
        saved = {saved.config.name: saved.config for saved in self._store.subscriptions.all()}
        wanted = {delivery_topic(store, config.selector, name): config for name, config in saved.items()}
        orphaned = sorted(set(self._emitters) - set(wanted) - {self._default_topic})
        missing = sorted(set(wanted) - set(self._emitters))
        for _ in islice(self.at_work(), SOME):  # of more than these, what was found last is told
            pass
        stranded = self.figures.in_state("stranded")
        if cleanup:
            for topic in orphaned:
                self._silence(topic)
            for topic in missing:
                self._emit(wanted[topic].selector, wanted[topic].name)
        issues = {"stale_subscriptions": stranded, "orphaned_pools": orphaned, "missing_pools": missing}
        counts = {name: len(found) for name, found in issues.items()}
        return {
            "timestamp": time.time_ns() // 1_000_000,
            "store_id": store,
            "is_leader": True,
            "check_duration_ms": round((time.perf_counter() - begun) * 1_000, 3),
            "total_subscriptions": len(saved),
            "total_emitter_pools": len(self._emitters) + len(self._shared),
            "issues": issues,
            "summary": {**counts, "total_issues": sum(counts.values())},
        }

    # --- what happens to them (durable.Observer) ---

    def consumers_changed(self, durable: DurableSubscription) -> None:
        """While somebody consumes a subscription, its events are not broadcast."""
        self._pause(durable)

    def delivery_failed(self, durable: DurableSubscription, reason: str) -> None:
        """A delivery was not acknowledged."""
        self._reporter.delivery_failed(durable.config.name, {"reason": reason})

    def delivery_succeeded(self, durable: DurableSubscription) -> None:
        """A delivery was acknowledged, for the first time since one failed."""
        self._reporter.delivery_succeeded(durable.config.name)

    def full(self, durable: DurableSubscription, reason: str) -> None:
        """So much waits that nothing more is read."""
        self.figures.became_full(durable.config.name)
        self._reporter.note(durable.config.name, "subscription_full", {"reason": reason})

    def crashed(self, durable: DurableSubscription, error: GaterError) -> None:
        """A subscription cannot go on for now."""
        self._reporter.note(durable.config.name, "proxy_crashed", {"reason": str(error)})

    def run_ended(self, durable: DurableSubscription) -> None:
        """The store refused what was written for a run: it is another now, or none."""
        if self._running.get(durable.config.name) is not durable or durable.is_closed:
            return
        try:
            self._follow(durable.config.name)
        except GaterError as error:
            durable.failed(error)

    def _status_changed(self, name: str) -> None:
        if (running := self._running.get(name)) is not None:
            self._pause(running)

    def _pause(self, durable: DurableSubscription) -> None:
        """Have its events broadcast, or not: not while somebody consumes it, nor while it is not well."""
        config = durable.config
        emitter = self._emitters.get(delivery_topic(self._store.id, config.selector, config.name))
        if emitter is not None:
            emitter.paused = durable.consumers > 0 or self._reporter.is_bad(config.name)

    def stop_waiting(self) -> None:
        """Nothing is to be waited for any more."""
        for running in self._running.values():
            running.stop_waiting()

    async def close(self) -> None:
        """The store closes: keep how far each has come, end the consumers."""
        self._reporter.close()
        for emitter in (*self._emitters.values(), *self._shared.values()):
            emitter.close()
        await asyncio.gather(*[running.close() for running in self._running.values()])
