"""Reads that answer with one list: page after page, up to a count, or without one up to a weight."""

from __future__ import annotations

from gater.api.operations import EventPage
from gater.model.errors import RequestTooLargeError
from gater.model.events import Event
from gater.model.limits import MOST_LISTED_BYTES, PAGE_EVENTS


class Listing:
    """A list of events that is being read."""

    def __init__(self, count: int | None) -> None:
        self.events: list[Event] = []
        self._left = count
        self._bytes = 0

    @property
    def wanted(self) -> int:
        """Events to ask for next."""
        return PAGE_EVENTS if self._left is None else self._left

    def take(self, page: EventPage) -> int | None:
        """Take in a page; returns where to read on, None when the list is whole.

        Raises RequestTooLargeError when no count was named and the events are too many for one list.
        """
        self.events += page.events
        if self._left is not None:
            self._left -= len(page.events)
        elif page.next is not None:
            self._weigh(page.events)
        return None if self._left == 0 else page.next

    def _weigh(self, events: list[Event]) -> None:
        self._bytes += sum([event.payload_bytes for event in events])
        if self._bytes > MOST_LISTED_BYTES:
            message = "The events are too many for one list: iterate over them, or name a count"
            raise RequestTooLargeError(self._bytes, MOST_LISTED_BYTES, message=message)
