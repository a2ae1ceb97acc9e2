"""Looking for the events that match, for as long as one turn of the event loop may take."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from gater.model.events import EventRow
from gater.model.limits import TURN_SECONDS
from gater.store.turns import is_time_due
from gater.subscriptions.matching import Matcher


class Looked(NamedTuple):
    """The result of a look at some events: those that match, the last one looked at, and those that are left."""

    matching: list[EventRow]
    last: EventRow | None
    rest: Sequence[EventRow] = ()


def look(matcher: Matcher, events: list[EventRow]) -> Looked:
    """Look at events in order, at one at least, until the time of a turn is over."""
    if not events:
        return Looked(events, None)
    if matcher.everything:
        return Looked(events, events[-1])
    matching: list[EventRow] = []
    accepts, end = matcher.accepts, perf_counter() + TURN_SECONDS
    for number, event in enumerate(events, 1):
        if accepts(event):
            matching.append(event)
        if is_time_due(number, event) and perf_counter() > end:
            return Looked(matching, event, events[number:])
    return Looked(matching, events[-1])
