"""The errors of requests that are too large to be sent to the server."""

from __future__ import annotations

from typing import Any

from gater.api.operation import Operation
from gater.api.operations import AppendStreams, ImportPage
from gater.model.errors import EventTooLargeError
from gater.model.limits import Limits


def oversized_event(operation: Operation[Any], limits: Limits) -> EventTooLargeError | None:
    """The error for the first event above the server's limit; None when no single event is to blame."""
    if isinstance(operation, AppendStreams):
        events = [event for write in operation.writes for event in write.events]
    elif isinstance(operation, ImportPage):
        events = [imported.event for imported in operation.events]
    else:
        return None
    for event in events:
        size = event.content_bytes
        if size > limits.max_event_bytes:
            return EventTooLargeError(size, limits.max_event_bytes)
    return None
