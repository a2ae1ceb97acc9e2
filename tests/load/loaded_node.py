"""A node under a load, seen from outside: its memory, and how long a well-behaved client waits meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from gater.testing.server import GaterServer
from tests.load.well_behaved import Waits, WellBehavedClient

MOST_BYTES: Final = 512 << 20
"""Resident bytes of a node under any load, at its highest."""
P99_MS: Final = 100.0
ENOUGH_CALLS: Final = 200
"""Calls of which the slowest one in a hundred is another than the slowest of all."""
WORST_MS: Final = 1_000.0
"""What a single call may take, where the machine is too busy for so many."""
CALM_FACTOR: Final = 8.0
"""On a busy machine the client waits without a load, too."""
CALM_SECONDS: Final = 0.5
LOADED_SECONDS: Final = 2.0
"""How long a load stays as it is before the node is looked at."""


class LoadedNode:
    """`gater serve` with the settings of the default, and the client beside the load."""

    def __init__(self, server: GaterServer, client: WellBehavedClient) -> None:
        self.url = server.url
        self._server = server
        self._client = client
        self._calm = Waits(0, 0.0, 0.0)

    def begin(self) -> None:
        """Forget what was measured; what is measured without a load is what the machine allows."""
        self._client.waits()
        time.sleep(CALM_SECONDS)
        self._calm = self._client.waits(ENOUGH_CALLS)
        forget_peak(self._server.pid)

    async def check(self) -> None:
        """Fail when the node has grown too large since `begin`, or keeps the client waiting."""
        await asyncio.sleep(LOADED_SECONDS)
        waits = await asyncio.to_thread(self._client.waits, ENOUGH_CALLS)
        peak = peak_bytes(self._server.pid)
        assert peak < MOST_BYTES, f"{peak >> 20} MiB"
        if waits.calls < ENOUGH_CALLS:
            assert waits.worst < max(WORST_MS, CALM_FACTOR * self._calm.worst), (waits, self._calm)
        else:
            assert waits.p99 < max(P99_MS, CALM_FACTOR * self._calm.p99), (waits, self._calm)


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had since `forget_peak`, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise LookupError(pid)


def forget_peak(pid: int) -> None:
    """Let the most memory that a process has had be what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
