"""An event with just the data that a test is about, and whether a selector accepts it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from gater.model.events import JSON, EventRow
from gater.model.selectors import Selector
from gater.subscriptions.matching import compile_selector

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def row(
    data: Any = None,
    *,
    raw: bytes | None = None,
    stream_id: str = "orders-1",
    event_type: str = "Placed",
    content_type: str = JSON,
    metadata: bytes | None = None,
    created: int = 1_700_000_000_123_456,
) -> EventRow:
    """An event with this data, or with these very bytes."""
    encoded = msgspec.json.encode(data) if raw is None else raw
    return stream_id, 25, 26, ID.bytes, event_type, content_type, encoded, metadata, created


def accepts(selector: Selector, event: EventRow) -> bool:
    """Whether an event is one of those that are selected."""
    return compile_selector(selector).accepts(event)
