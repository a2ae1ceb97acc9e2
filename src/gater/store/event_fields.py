"""Fields of stored events as selectors read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from gater.model.events import (
    CONTENT_TYPE,
    CREATED,
    DATA,
    EVENT_ID,
    METADATA,
    POSITION,
    STREAM,
    TYPE,
    VERSION,
    Event,
    EventRow,
)

COLUMNS: Final = {
    "stream_id": STREAM,
    "version": VERSION,
    "position": POSITION,
    "event_type": TYPE,
    "content_type": CONTENT_TYPE,
    "created_epoch": CREATED,
}
"""Fields that are stored as they are shown, and where."""
DECODED: Final[dict[str, Callable[[EventRow], Any]]] = {
    "event_id": lambda row: str(UUID(bytes=row[EVENT_ID])),
    "created": lambda row: msgspec.to_builtins(Event(*row).created),
}
"""How fields that are not stored as they are shown are read."""
JSON_FIELDS: Final[dict[str, Callable[[EventRow], bytes]]] = {
    "data": lambda row: row[DATA],
    "metadata": lambda row: row[METADATA] or b"{}",
}
"""The bytes of fields that hold JSON; data only when the content type says so."""


def _read_column(column: int) -> Callable[[EventRow], Any]:
    return lambda row: row[column]


READERS: Final = {
    **{field: _read_column(column) for field, column in COLUMNS.items()},
    **DECODED,
}
"""How the fields that hold no JSON are read."""
