"""The pub/sub system of a process: ten instances, shared by all who ask for it, until the last has left."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from gater.model.errors import InvalidRequestError
from gater.model.memory_budget import messages_share
from gater.pubsub.bus import Bus, InstanceStats, SlowHook
from gater.pubsub.carrying import Carrying
from gater.pubsub.instances import Instance, parse_instance
from gater.pubsub.subscription import Subscription
from gater.telemetry.tally import Tally


class PubSub:
    """The ten instances, each by its short or full name; InvalidArgumentError for another name."""

    def __init__(self) -> None:
        self.slow_hooks: list[SlowHook] = []
        """Told when a subscriber passes a bound of an instance that never drops; who adds one takes it out again."""
        self.share = messages_share()
        """The share that all waiting messages are counted against."""
        self._buses = {instance: Bus(instance, self.slow_hooks, self.share) for instance in Instance}
        self.carrying = Carrying(self._buses)
        """What joins it to other processes."""

    def instance(self, name: str) -> Bus:
        """The instance of this name, always the same one."""
        return self._buses[parse_instance(name)]

    def subscribe(self, name: str, pattern: str, *, buffer: int | None = None) -> Subscription:
        """Subscribe to a pattern on an instance; see `Bus.subscribe`."""
        return self.instance(name).subscribe(pattern, buffer=buffer)

    def broadcast(self, name: str, topic: str, body: Any) -> int:
        """Publish under a topic of an instance; see `Bus.broadcast`."""
        return self.instance(name).broadcast(topic, body)

    def stats(self) -> dict[Instance, InstanceStats]:
        """The state of each instance."""
        return {instance: bus.stats() for instance, bus in self._buses.items()}

    def topics(self) -> dict[str, int]:
        """Messages by topic, of all instances together; topics that came when there were 1,000 count as `other`."""
        topics = Tally()
        for bus in self._buses.values():
            for topic, count in bus.topics.as_dict().items():
                topics.add(topic, count)
        return topics.as_dict()

    def reopen(self) -> list[Instance]:
        """Open again what was closed alone; returns which instances were."""
        ended = [instance for instance, bus in self._buses.items() if not bus.is_open]
        for instance in ended:
            self._buses[instance].reopen()
        return ended

    def close(self) -> None:
        """End all subscriptions of all instances."""
        for bus in self._buses.values():
            bus.close()


class SharedPubSub:
    """One system for any number of users: it begins with the first and ends with the last."""

    def __init__(self) -> None:
        self._pubsub: PubSub | None = None
        self._users = 0

    def acquire(self) -> PubSub:
        """The system, the same for all users at a time; each that acquires it releases it once."""
        if self._pubsub is None:
            self._pubsub = PubSub()
        self._users += 1
        return self._pubsub

    def release(self) -> None:
        """Leave the system; the last one ends its subscriptions. InvalidRequestError when it was not acquired."""
        if self._pubsub is None:
            raise InvalidRequestError(message="The pub/sub system was released more often than acquired")
        self._users -= 1
        if self._users == 0:
            pubsub, self._pubsub = self._pubsub, None
            pubsub.close()


_OF_LOOPS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, SharedPubSub]] = WeakKeyDictionary()
_WITHOUT_LOOP: Final = SharedPubSub()
_GUARD: Final = threading.Lock()
if hasattr(os, "register_at_fork"):  # so that no other thread has it in a child
    os.register_at_fork(before=_GUARD.acquire, after_in_parent=_GUARD.release, after_in_child=_GUARD.release)


def _shared() -> SharedPubSub:
    """The system that all users on this event loop share: it belongs to one loop, and a process mostly has one."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _WITHOUT_LOOP
    with _GUARD:
        return _OF_LOOPS.setdefault(loop, SharedPubSub())


def acquire() -> PubSub:
    """The system of this process (or event loop); each caller that acquires it releases it once."""
    return _shared().acquire()


def release() -> None:
    """Leave the system of this process; InvalidRequestError when it was not acquired."""
    _shared().release()


@contextmanager
def held() -> Iterator[PubSub]:
    """The system of this process, acquired for the block."""
    pubsub = acquire()
    try:
        yield pubsub
    finally:
        release()
