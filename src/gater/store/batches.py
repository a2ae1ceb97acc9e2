"""Batches of waiting commands: one transaction and one sync each."""

from __future__ import annotations

from collections import deque
from typing import Final

from gater.model.commands import Compact
from gater.store.answering import Entry

BATCH_COMMANDS: Final = 1_024
BATCH_BYTES: Final = 2 << 20


def take_batch(waiting: deque[Entry]) -> list[Entry]:
    """Take what waits, one command at least, up to the bounds of a batch; a command that takes long is alone."""
    batch: list[Entry] = []
    size = 0
    while waiting and len(batch) < BATCH_COMMANDS and (not size or size + waiting[0][1] <= BATCH_BYTES):
        if type(waiting[0][0]) is Compact:
            return batch or [waiting.popleft()]
        entry = waiting.popleft()
        batch.append(entry)
        size += entry[1]
    return batch


def takes_long(entry: Entry) -> bool:
    """Whether a command keeps whatever thread carries it out for long."""
    return entry[1] > BATCH_BYTES or type(entry[0]) is Compact
