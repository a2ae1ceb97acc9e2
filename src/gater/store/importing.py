"""Which of some imported events are new here, and whether they fit what is here."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gater.model.errors import DuplicateEventError, StreamDeletedError, WrongExpectedVersionError
from gater.model.events import ImportedEvent
from gater.store.heads import LIVE, Heads
from gater.store.places import Places


def plan_import(events: Sequence[ImportedEvent], heads: Heads, places: Places) -> list[ImportedEvent]:
    """The events that are not here yet, all of which can be appended in this order.

    An event that is here, in its stream and at its version, is passed over. A stream that is new here may begin at
    any version (older events were truncated where it comes from); from then on versions must follow each other.
    Raises WrongExpectedVersionError, DuplicateEventError or StreamDeletedError.
    """
    new: list[ImportedEvent] = []
    reached: dict[str, int] = {}
    planned: set[tuple[str, bytes]] = set()
    for imported in events:
        name, version, event_id = imported.stream_id, imported.version, imported.event.event_id
        head = heads.get(name)
        if head is not None and head.state != LIVE:
            raise StreamDeletedError(name)
        place = None if head is None else places.find(event_id, head.sid)
        if place is not None and place[0] == version:
            continue
        if place is not None or (name, event_id) in planned:
            raise DuplicateEventError(name, str(UUID(bytes=event_id)), *(place or ()))
        last = reached.get(name, -1 if head is None else head.version)
        if version != last + 1 and (head is not None or name in reached):
            raise WrongExpectedVersionError(name, version - 1, last)
        reached[name] = version
        planned.add((name, event_id))
        new.append(imported)
    return new
