"""The backlog of a store's writer: counted and bounded."""

from __future__ import annotations

from gater.model.errors import OverloadedError
from gater.model.limits import Limits
from gater.model.memory_budget import Share


class Backlog:
    """The number and payload bytes of accepted commands that are not yet answered."""

    def __init__(self, limits: Limits, share: Share | None = None) -> None:
        """`share`: what the commands of all stores, and requests that come in, may hold together."""
        self._limits = limits
        self._share = share
        self.commands = 0
        self.bytes = 0

    def admit(self, size: int) -> None:
        """Count a command in; OverloadedError when too much waits already."""
        limits = self._limits
        if self.commands >= limits.max_waiting_commands:
            raise OverloadedError("waiting commands", limits.max_waiting_commands)
        # One command alone always fits: the size of a request has its own limit.
        if self.bytes + size > limits.max_waiting_bytes and self.commands:
            raise OverloadedError("waiting bytes", limits.max_waiting_bytes)
        if self._share is not None and not self._share.take(size):
            raise OverloadedError("request bytes", self._share.limit)
        self.commands += 1
        self.bytes += size

    def release(self, commands: int, size: int) -> None:
        """Count answered commands out."""
        self.commands -= commands
        self.bytes -= size
        if self._share is not None:
            self._share.give_back(size)
