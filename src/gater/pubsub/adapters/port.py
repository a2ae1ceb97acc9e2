"""The port between pub/sub and whatever carries its messages to other processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from gater.pubsub.instances import Instance

Deliver: TypeAlias = Callable[[Instance, str, bytes], object]
"""Takes what another process has published: the instance, the topic, the body."""


class Adapter(Protocol):
    """Carries messages between processes; all methods are called on the event loop.

    - What one process publishes reaches each other process at most once, in the order it was published.
    - It does not come back to the process that published it.
    - `deliver` is called on the event loop, from `start` until `close`, and does not fail.
    - Whoever stands above makes bodies bytes and judges what came: an adapter looks at neither.
    """

    reaches_others: bool
    """Whether there can be other processes; without them nothing is made ready to be carried."""

    async def start(self, deliver: Deliver) -> None:
        """Begin to carry; `deliver` is given what other processes publish."""
        ...

    def publish(self, instance: Instance, topic: str, body: bytes) -> None:
        """Send to the other processes without waiting; does nothing before `start` and after `close`, never raises."""
        ...

    async def close(self) -> None:
        """Carry no more; closing twice is closing once."""
        ...
