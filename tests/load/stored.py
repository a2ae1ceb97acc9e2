"""Stores that are filled before a node serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import gater
from gater import NewEvent

LARGE: Final = "x" * 900_000
"""Data of a large event: one is a page by itself."""
LARGE_EVENTS: Final = 40
SNAPSHOTS: Final = 100


async def fill(data_dir: Path) -> None:
    """Make a store `s` of large events and snapshots."""
    async with gater.open(data_dir) as api:
        await api.create_store("s")
        for _ in range(LARGE_EVENTS):
            await api.append_events("s", "large", [NewEvent("Large", LARGE)])
        for number in range(SNAPSHOTS):
            await api.record_snapshot("s", "source", "stream", number, {"data": LARGE})
