"""Which events were hidden: the streams, and the oldest version of each that readers still see."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gater.model.events import STREAM, VERSION, EventRow

Hidden = Mapping[str, int] | None
"""Streams of which events were hidden, and the oldest version that readers see now; None: it may be any streams."""
NOTHING_HIDDEN: Final[Mapping[str, int]] = MappingProxyType({})


def is_visible(event: EventRow, hidden: Mapping[str, int]) -> bool:
    """Whether readers still see an event after these were hidden."""
    return event[VERSION] >= hidden.get(event[STREAM], 0)
