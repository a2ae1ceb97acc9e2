"""An observer: follows a whole store, or one stream, and tells of each event it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gater.api.gater_api import GaterApi
from gater.model.events import JSON, Event

ALL_STREAMS: Final = "$all"

OnSeen = Callable[[Event], None]
"""Told each event, in order."""


class Observer:
    """Tells `on_seen` of every event that `selector` names, from `start_from` on."""

    def __init__(
        self, api: GaterApi, store: str, on_seen: OnSeen, *, selector: str = ALL_STREAMS, start_from: int = 0
    ) -> None:
        self._api = api
        self._store = store
        self._on_seen = on_seen
        self._selector = selector
        self._start_from = start_from

    async def run(self) -> None:
        """Follow the store until cancelled."""
        async for event in self._api.subscribe(self._store, "by_stream", self._selector, self._start_from):
            self._on_seen(event)


def seen_line(event: Event) -> str:
    """The line for an event that was observed: stream, type, version and payload (JSON as it is, else its size)."""
    return f'SEEN ["{event.stream_id}:{event.event_type} (v{event.version}) => {_payload(event)}"]'


def _payload(event: Event) -> str:
    if event.content_type == JSON:
        return event.raw_data.decode()
    return f"{len(event.raw_data)} bytes of {event.content_type}"
