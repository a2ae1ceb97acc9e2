"""Durable state of a run of a durable subscription: its checkpoint, its parked events, its receipts.

They are written as commands of the store, which name the run: when that has ended, the store refuses them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from gater.model import commands as c
from gater.model.errors import GaterError, SubscriptionNotFoundError
from gater.model.events import EVENT_WEIGHT
from gater.model.outcome import Done
from gater.store.store import Store
from gater.store.subscription_reader import SavedSubscription
from gater.subscriptions.crash_guard import CrashGuard
from gater.subscriptions.group import Group

RECEIPTS: Final = 1 << 20
"""Receipts that are claimed at once."""
LEAST_RECEIPTS: Final = RECEIPTS // 4
"""When a group has fewer left, further ones are claimed."""
QUIET_POSITIONS: Final = 10_000
"""Positions without a match after which the checkpoint moves although nothing was settled."""
RETRY_SECONDS: Final = 1.0
"""How long a checkpoint that could not be written waits for another try, and so receipts."""
CLOSE_SECONDS: Final = 5.0
SAMPLES: Final = 64
"""Deliveries whose time to their acknowledgement is being measured."""
SMOOTHING: Final = 0.1
"""How much one measured delivery counts in the mean."""

_encode: Final = msgspec.msgpack.Encoder().encode

log = logging.getLogger(__name__)


class Keeper:
    """Writes what a group has decided; one checkpoint at a time, and a park before the events behind it go on."""

    def __init__(
        self,
        store: Store,
        saved: SavedSubscription,
        group: Group,
        guard: CrashGuard,
        *,
        changed: Callable[[], None],
        forgotten: Callable[[Sequence[int]], None],
        ended: Callable[[], None],
    ) -> None:
        """`changed` is called when something was written that lets the group go on, `forgotten` when parked events
        are gone, `ended` when the store has refused to write something of a run that has ended.
        """
        self.position = saved.checkpoint
        """The checkpoint that is durable."""
        self.delivery_seconds = 0.0
        """Mean time from delivery to acknowledgement, lately."""
        self._store = store
        self._name = saved.config.name
        self._run = saved.run
        self._group = group
        self._guard = guard
        self._changed = changed
        self._forgotten = forgotten
        self._ended = ended
        self._has_ended = False
        self.claimed = asyncio.Event()
        """Set unless receipts are being claimed."""
        self.claimed.set()
        self._claim_at: float | None = None
        """When receipts are claimed again that could not be."""
        self._writing = False
        self._failed = False
        """Whether the last checkpoint could not be written."""
        self._due: float | None = None
        self._samples: dict[int, float] = {}
        self._idle = asyncio.Event()
        self._parks: set[asyncio.Future[None]] = set()
        """Parks and settled replays that are being written."""
        self._settled: list[int] = []
        """Positions of settled replays that are to be forgotten once the last ones are."""
        self._forgetting = False

    @property
    def next_due(self) -> float | None:
        """When something is to be written; None while there is nothing to write, or while it is being written."""
        due = [when for when in (None if self._writing else self._due, self._claim_at) if when is not None]
        return min(due, default=None)

    def keep(self) -> None:
        """Write what is to be written now."""
        if self._has_ended:
            return
        if parking := self._group.to_park():
            self._park(parking)
        self.forget(self._group.to_forget())
        self._keep_checkpoint(time.monotonic())

    # --- receipts ---

    def claim(self) -> None:
        """Have receipts for the deliveries to come, unless there are enough."""
        if not self.claimed.is_set() or self._has_ended or self._group.receipts_left >= LEAST_RECEIPTS:
            return
        if self._claim_at is not None and time.monotonic() < self._claim_at:
            return
        self._claim_at = None
        self.claimed.clear()

        def done(first: Any, error: GaterError | None) -> None:
            self.claimed.set()
            if error is None:
                self._group.grant(range(first, first + RECEIPTS))
            else:
                self._claim_at = time.monotonic() + RETRY_SECONDS
                self._refused("receipts cannot be claimed", error)
            self._changed()

        self._submit(c.ClaimReceipts(self._name, self._run, RECEIPTS), done)

    # --- parked events ---

    def _park(self, parking: Sequence[Any]) -> None:
        positions = [entry.position for entry in parking]
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parks.add(written)

        def done(_: Any, error: GaterError | None) -> None:
            self._parks.discard(written)
            written.set_result(None)
            if error is None:
                self._group.parked(positions, time.monotonic())
            else:
                self._group.park_failed(positions, time.monotonic())
                self._refused("events cannot be parked", error)
            self._changed()

        entries = tuple([c.ParkedEntry(entry.position, entry.reason, entry.attempts) for entry in parking])
        size = sum([EVENT_WEIGHT + len(entry.reason) for entry in entries])
        self._submit(c.ParkEvents(self._name, self._run, entries, time.time_ns() // 1_000), done, size)

    async def parks_written(self) -> None:
        """Return when what was said before of parked events is written, or could not be."""
        for _ in range(2):  # what is being written now, and what waits for it
            if self._parks:
                await asyncio.wait(tuple(self._parks))

    def forget(self, positions: Sequence[int]) -> None:
        """Parked events were delivered again and settled, or are gone: they are written together while others are."""
        self._settled += positions
        if not self._forgetting:
            self._forget_settled()

    def _forget_settled(self) -> None:
        positions, self._settled = tuple(self._settled), []
        if not positions or self._has_ended:
            return
        self._forgetting = True
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parks.add(written)

        def done(_: Any, error: GaterError | None) -> None:
            self._forgetting = False
            self._parks.discard(written)
            written.set_result(None)
            if error is None:
                self._forgotten(positions)
            else:
                # They stay marked as being delivered again: at the latest the next start tries once more.
                self._refused("settled events stay parked", error)
            self._forget_settled()

        self._submit(c.ForgetReplayed(self._name, self._run, positions), done)

    # --- the checkpoint ---

    def _keep_checkpoint(self, now: float) -> None:
        group = self._group
        if self._writing or not self._is_new():
            return
        if self._is_urgent or group.settled_since_checkpoint >= group.settings.checkpoint_every:
            self._write_checkpoint()
        elif self._due is None:
            self._due = now + group.settings.checkpoint_interval
        elif now >= self._due:
            self._write_checkpoint()

    async def noted(self) -> bool:
        """Write what a delivery waits for, if it does; whether that is durable now."""
        if self._has_ended or not self._is_urgent:
            return False
        self.keep()
        if self._writing:
            await self._idle.wait()
        return not self._failed

    @property
    def _is_urgent(self) -> bool:
        return self._guard.is_wanted and not self._failed

    def _is_new(self) -> bool:
        group = self._group
        if self._failed or self._is_urgent:
            return True
        return bool(group.settled_since_checkpoint) or group.position - self.position >= QUIET_POSITIONS

    def _write_checkpoint(self) -> None:
        position, ahead = self._group.position, self._guard.record(self._group.ahead())
        self._group.checkpoint_taken()
        self._due = None
        self._writing = True
        self._idle.clear()

        def done(_: Any, error: GaterError | None) -> None:
            self._writing = False
            self._idle.set()
            self._failed = error is not None
            if error is None:
                self.position = position
                self._guard.written(ahead)
            else:
                self._due = time.monotonic() + RETRY_SECONDS
                self._refused("a checkpoint cannot be written", error)
            self._changed()

        self._submit(c.AdvanceCheckpoint(self._name, self._run, position, _encode(ahead)), done)

    async def close(self) -> None:
        """Write the last checkpoint, and wait for it, not for long."""
        self._guard.end()
        self._forget_settled()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._writing:
                    await self._idle.wait()
                group = self._group
                is_behind = group.position > self.position or self._is_new() or bool(group.ahead().attempts)
                if is_behind and not self._has_ended:
                    self._write_checkpoint()
                    await self._idle.wait()
        except TimeoutError:
            log.warning("the last checkpoint was not written", extra=self._fields())

    def _submit(self, command: c.AnyCommand, done: Done, size: int = 0) -> None:
        try:
            self._store.submit(command, size, done)
        except GaterError as error:
            done(None, error)

    def _refused(self, what: str, error: GaterError) -> None:
        if not isinstance(error, SubscriptionNotFoundError):
            log.warning(what, extra={**self._fields(), "reason": str(error)})
        elif not self._has_ended:
            self._has_ended, self._due, self._claim_at = True, None, None
            self._ended()

    def _fields(self) -> dict[str, str]:
        return {"store": self._store.id, "subscription": self._name}

    # --- how long deliveries take ---

    def delivered(self, receipt: int, now: float) -> None:
        """A delivery was made; some are measured."""
        if len(self._samples) >= SAMPLES:
            self._samples.clear()
        self._samples[receipt] = now

    def settled(self, receipt: int, now: float) -> None:
        """A delivery was acknowledged."""
        begun = self._samples.pop(receipt, None) if self._samples else None
        if begun is not None:
            taken = now - begun
            mean = self.delivery_seconds
            self.delivery_seconds = taken if not mean else mean + SMOOTHING * (taken - mean)
