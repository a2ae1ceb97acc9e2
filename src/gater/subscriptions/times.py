"""Positions by the time of their events, which need not go up with them."""

from __future__ import annotations

import asyncio
from typing import Final

from gater.store.store import Store

POSITIONS_A_TURN: Final = 2_000
"""Positions that are looked at for a time in one turn of the event loop."""


async def first_since(store: Store, epoch: int, head: int) -> int:
    """The position of the first event since a time, head + 1 for none; others have their turns meanwhile."""
    for first in range(1, head + 1, POSITIONS_A_TURN):
        with store.reading():
            found = store.reader.first_since(epoch, first, first + POSITIONS_A_TURN - 1)
        if found is not None:
            return found
        await asyncio.sleep(0)
    return head + 1
