"""The pub/sub instances that subscriptions speak on, as far as they need to know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol


class Bus(Protocol):
    """One instance."""

    on_heard: list[Callable[[], object]]
    """Called when somebody begins to listen where nobody did."""

    def broadcast(self, topic: str, body: Any) -> object:
        """Give a message to the subscribers of the topic; their failures are not the caller's."""
        ...

    @property
    def is_heard(self) -> bool:
        """Whether any topic has subscribers."""
        ...

    def hears(self, topic: str) -> bool:
        """Whether this topic has subscribers."""
        ...


class Silence:
    """An instance without subscribers."""

    is_heard = False

    def __init__(self) -> None:
        self.on_heard: list[Callable[[], object]] = []

    def hears(self, topic: str) -> bool:
        """Answer no."""
        return False

    def broadcast(self, topic: str, body: Any) -> object:
        """Nothing happens."""


class Channels(NamedTuple):
    """Events go out on the first, what is told of subscriptions on the others."""

    events: Bus
    health: Bus
    metrics: Bus


NOWHERE: Final = Channels(Silence(), Silence(), Silence())
