"""Following a stream or a whole store from any point on: what is stored, then what comes, without gap or repeat.

Nothing is queued without bound for a slow follower: it falls behind, and goes on from the file. A follower that is not
asked for its next page holds none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import closing
from time import perf_counter
from typing import Final, NamedTuple

from gater.model.errors import StoreUnavailableError
from gater.model.events import EventRow
from gater.model.limits import PAGE_EVENTS, TURN_SECONDS
from gater.store.store import Store
from gater.store.watches import Watch
from gater.subscriptions.cursors import Cursor, cursor_of
from gater.subscriptions.interests import interest_of
from gater.subscriptions.matching import Matcher

QUIET_PAGES: Final = 400
"""Pages without a match after which a follower is told how far it has come."""


class FollowedPage(NamedTuple):
    """Some matching events, whether the follower has caught up with the writers, and where, in which history of the
    store, it would go on.
    """

    events: list[EventRow]
    live: bool
    next: int
    history: str = ""


async def follow(store: Store, matcher: Matcher, start: int | None) -> AsyncGenerator[FollowedPage, None]:
    """Pages from `start` on (a version for one stream, otherwise a position; None: from now on), for ever.

    Who asks for them leaves others their turn. A page without events says that the follower has caught up, or how far
    it has come. Raises StoreUnavailableError when the store is closed.
    """
    cursor, interest = cursor_of(store, matcher, start), interest_of(matcher)
    while True:
        quiet = 0
        while (events := cursor.page(PAGE_EVENTS)) is not None:
            quiet = 0 if events else quiet + 1
            if events or quiet % QUIET_PAGES == 0:
                page = [FollowedPage(events, False, cursor.next, store.history.id)]
                del events
                yield page.pop()
            else:
                await asyncio.sleep(0)
        with closing(store.tail.watches.watch(interest)) as place:
            yield _caught_up(store, cursor)
            while not has_fallen_behind(store, place, cursor):
                events = newest(store, place, cursor)
                if events:
                    page = [FollowedPage(events, True, cursor.next, store.history.id)]
                    del events
                    yield page.pop()
                else:
                    await happened(store, place)


def _caught_up(store: Store, cursor: Cursor) -> FollowedPage:
    """The page after all that is stored.

    A follower that began beyond the end has not caught up, and names no history when it comes again: nothing it was
    given is of one.
    """
    is_ahead = cursor.is_ahead()
    return FollowedPage([], not is_ahead, cursor.next, "" if is_ahead else store.history.id)


def has_fallen_behind(store: Store, place: Watch, cursor: Cursor) -> bool:
    """Whether a follower that had caught up must read from the file again."""
    return place.behind or not (place.indexed or store.tail.holds(cursor.next - 1))


def newest(store: Store, place: Watch, cursor: Cursor) -> list[EventRow]:
    """The matching events that were committed since the last look; only for a follower that is not behind.

    When a turn is not enough to look at all of them, the place is woken again.
    """
    given = place.take()
    if place.indexed:
        looked = cursor.pass_by(given)
        if looked.rest:
            place.give_back(list(looked.rest))
        else:
            cursor.pass_all(store.tail.given)
        return looked.matching
    end = perf_counter() + TURN_SECONDS
    while (page := cursor.page(PAGE_EVENTS)) is not None:
        if page:
            return page
        if perf_counter() > end:
            place.wake()
            break
    return []


async def happened(store: Store, place: Watch) -> None:
    """Return when there may be something new; StoreUnavailableError when nothing will come."""
    if store.tail.watches.closed:
        raise StoreUnavailableError(store.id, "the store was closed")
    if place.is_woken:
        await asyncio.sleep(0)  # to wait for what has happened would not let others have their turn
    await place.wait()


async def reached(store: Store, position: int) -> None:
    """Return once this replica has the position; cancelled by who no longer waits."""
    if store.tail.position >= position:
        return
    with closing(store.tail.watches.watch_position(position)) as place:
        while store.tail.position < position:
            place.take()
            await happened(store, place)
