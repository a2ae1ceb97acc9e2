"""The durable subscriptions of one store, and its emitters: made, changed and removed by name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from gater.model import commands as c
from gater.model.errors import GaterError, InvalidArgumentError, NotFoundError, SubscriptionNotFoundError
from gater.model.events import POSITION
from gater.model.limits import MOST_POSITIONS, check_number
from gater.model.selectors import Selector
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
from gater.subscriptions.emitter_pool import EmitterPool
from gater.subscriptions.figures import Figures
from gater.subscriptions.group_budget import GroupBudget
from gater.subscriptions.holding_groups import HoldingGroups
from gater.subscriptions.reporting import SOME, Reporter
from gater.subscriptions.times import first_since

PARKED_STEP: Final = 1_000
"""Parked events that one command changes."""


class Durables:
    """Every subscription that is saved in a store which is open on this node."""

    def __init__(
        self, store: Store, channels: Channels, memory: GroupBudget | None = None, *, is_local: bool = False
    ) -> None:
        """`memory`: what the groups of all stores may hold together; with `is_local`, consumers are in this process."""
        self._store = store
        self._is_local = is_local
        self._memory = memory or GroupBudget()
        self._reporter = Reporter(store.id, channels, self.at_work, self.check, self._status_changed)
        self._running: dict[str, DurableSubscription] = {}
        self.figures = Figures()
        """What was found last of them."""
        self._holding = HoldingGroups[DurableSubscription]()
        """Those at work that may hold events; one that holds none any more is met once, and leaves."""
        self._emitters = EmitterPool(store, channels.events, self._memory.turns, self._status_changed)
        for saved in store.subscriptions.all():
            self._emit(saved)
        store.tail.on_hidden.append(self._hidden)

    def _hidden(self, hidden: Hidden) -> None:
        """Tell those that may hold events which were hidden."""
        found: Mapping[DurableSubscription, Hidden]
        found = dict.fromkeys(self._holding.all()) if hidden is None else self._holding.of(hidden)
        for running, of_its_streams in found.items():
            if not running.hidden(of_its_streams):
                self._holding.discard(running, running.config.selector)

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

    def names(self, after: str, limit: int) -> list[str]:
        """Up to `limit` names behind `after`, in order."""
        with self._store.reading():
            return [name for name, _ in self._store.subscriptions.names(after, limit)]

    def info(self, name: str, *, counts: bool = False) -> SubscriptionInfo:
        """The state of a subscription; with `counts`, its lag is found out further."""
        found = self.get(name).info(counts=counts)
        self.figures.note(found)
        return found

    def health(self, name: str) -> SubscriptionHealth:
        """The recent health of a subscription; NotFoundError when there is none."""
        return self._reporter.tracker.get(name)

    async def parks_written(self, name: str) -> None:
        """Return when events that a subscription parks now are parked, or could not be."""
        if (running := self._running.get(name)) is not None:
            await running.keeper.parks_written()

    def at_work(self) -> Iterator[SubscriptionInfo]:
        """The state of the subscriptions that were asked for since the store was opened, each as it is in its turn."""
        for name, running in list(self._running.items()):
            if self._running.get(name) is running:
                yield self.info(name)
        self.figures.choose()

    def parked(self, name: str, after: int, limit: int) -> list[ParkedEvent]:
        """Up to `limit` parked events after position `after`, or a page's bytes; none: there are no more."""
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
            self._emitters.share(selector)
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
                self._holding.discard(running, running.config.selector)
                self.figures.forget(name)
                self._emitters.silence(running.config.selector, name)
            elif running is not None and saved is not None:
                if saved.run != running.run:
                    running.begin_again(saved)
                elif saved.config != running.config:
                    running.reconfigure(saved.config)
        if saved is not None:
            self._emit(saved)
        return saved

    def _emit(self, saved: SavedSubscription) -> None:
        self._emitters.emit(saved.config.selector, saved.config.name, saved.made)

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

    def release(self, selector: Selector) -> None:
        """The connection that saved a transient subscription is gone; the last one ends it."""
        self._emitters.release(selector)

    async def remove(self, selector: Selector, name: str) -> bool:
        """Forget a subscription with all that is parked of it; whether there was one of that selector."""
        if name == TRANSIENT:
            found = self._emitters.is_shared(selector)
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
            self._emitters.silence(selector, name)
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

    # --- the check ---

    def check(self, *, cleanup: bool = True) -> Generator[None, None, dict[str, Any]]:
        """Whether emitters and subscriptions fit together, in steps; what does not is mended, unless told otherwise.

        Each step looks at a few, and decodes only what does not fit.
        """
        begun = time.perf_counter()
        for _ in islice(self.at_work(), SOME):  # of more than these, what was found last is told
            pass
        yield
        found = yield from self._emitters.check(cleanup=cleanup)
        stranded = self.figures.in_state("stranded")
        issues = {
            "stale_subscriptions": stranded,
            "orphaned_pools": sorted(found.orphaned),
            "missing_pools": sorted(found.missing),
        }
        counts = {name: len(listed) for name, listed in issues.items()}
        return {
            "timestamp": time.time_ns() // 1_000_000,
            "store_id": self._store.id,
            "is_leader": True,
            "check_duration_ms": round((time.perf_counter() - begun) * 1_000, 3),
            "total_subscriptions": found.subscriptions,
            "total_emitter_pools": len(self._emitters),
            "issues": issues,
            "summary": {**counts, "total_issues": sum(counts.values())},
        }

    # --- what happens to them (durable.Observer) ---

    def holds_events(self, durable: DurableSubscription) -> None:
        """It is to be told when events of its streams are hidden."""
        self._holding.add(durable, durable.config.selector)

    def consumers_changed(self, durable: DurableSubscription) -> None:
        """Pause the broadcasts of a subscription's events while it has consumers."""
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
        """Have its events broadcast, or not: not while it has consumers, nor while it is not well."""
        config = durable.config
        paused = durable.consumers > 0 or self._reporter.is_bad(config.name)
        self._emitters.pause(config.selector, config.name, paused=paused)

    def stop_waiting(self) -> None:
        """Nothing is to be waited for any more."""
        for running in self._running.values():
            running.stop_waiting()

    async def close(self) -> None:
        """The store closes: keep how far each has come, end the consumers."""
        self._reporter.close()
        self._emitters.close()
        await asyncio.gather(*[running.close() for running in self._running.values()])
