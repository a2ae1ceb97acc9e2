"""The part of the API that reads events."""

from __future__ import annotations

from gater.api import operations as op
from gater.api.arguments import (
    Direction,
    check_count,
    check_direction,
    check_filter,
    check_history,
    check_position,
    read_after,
    read_start,
)
from gater.api.caller import Caller
from gater.api.listing import Listing
from gater.api.paged_iterator import PagedIterator
from gater.api.resuming import scanned
from gater.api.subscription_api import Kind
from gater.model.events import Event
from gater.model.identifiers import check_name, check_store_id
from gater.model.limits import PAGE_EVENTS
from gater.model.selectors import Selector, parse_whole


class ReadingApi:
    """Reading a stream or a whole store, as a list or event by event."""

    _caller: Caller

    # --- reading ---

    async def get_events(
        self,
        store: str,
        stream_id: str,
        start_version: int | None = None,
        count: int | None = None,
        direction: Direction = "forward",
        *,
        after_position: int = 0,
        history: str | None = None,
    ) -> list[Event]:
        """The events of a stream as a list: all from `start_version` on, or the first `count` of them.

        The list begins at the first event that is there (`start_version` None: at the stream's first, backward at its
        last), however many were truncated before it; backward it goes down from `start_version`. An unknown stream
        gives an empty list. Without a `count`, RequestTooLargeError is raised for events of more than 256 MiB: iterate
        over those with `stream_forward`. With `after_position` the read waits until this replica has that position
        (read your writes on any node). With a `history`, that of the store which `start_version` was reached in
        (StoreStatus.history), HistoryChangedError is raised when the store has another one, or has not come so far.
        """
        backward = check_direction(direction)
        following: int | None = read_start(start_version, backward)
        listing = Listing(None if count is None else check_count(count))
        store, stream_id = check_store_id(store), check_name(stream_id, "stream_id")
        waited, known = check_position(after_position), check_history(history)
        while following is not None:
            page = await self._caller.call(
                op.ReadStream(store, stream_id, following, listing.wanted, backward, waited, known)
            )
            following, known = listing.take(page), page.history or known
        return listing.events

    def stream_forward(
        self,
        store: str,
        stream_id: str,
        start_version: int | None = None,
        count: int | None = None,
        *,
        after_position: int = 0,
        history: str | None = None,
    ) -> PagedIterator[Event]:
        """The events of a stream from `start_version` on, oldest first, fetched as they are asked for.

        All of them, or the first `count`; whatever length the stream has, little memory is needed. Waiting for an
        event may be given up (`asyncio.wait_for`) and begun again; `aclose` ends it early.
        """
        return self._scan_stream(store, stream_id, start_version, count, False, after_position, history)

    def stream_backward(
        self,
        store: str,
        stream_id: str,
        start_version: int | None = None,
        count: int | None = None,
        *,
        after_position: int = 0,
        history: str | None = None,
    ) -> PagedIterator[Event]:
        """The events of a stream from `start_version` down (None: from the last), newest first: all, or `count`."""
        return self._scan_stream(store, stream_id, start_version, count, True, after_position, history)

    def _scan_stream(
        self,
        store: str,
        stream_id: str,
        start_version: int | None,
        count: int | None,
        backward: bool,
        after_position: int,
        history: str | None,
    ) -> PagedIterator[Event]:
        start = None if backward and start_version is None else read_start(start_version, backward)
        left = None if count is None else check_count(count)
        step = -1 if backward else 1
        store, stream_id = check_store_id(store), check_name(stream_id, "stream_id")
        waited, known = check_position(after_position), check_history(history)

        def rest(last: Event | None, given: int) -> op.ScanStream | None:
            """The scan after the event `last`; None when nothing is left to read."""
            begin = start if last is None else last.version + step
            remaining = None if left is None else left - given
            if begin == -1 or remaining == 0:
                return None
            return op.ScanStream(store, stream_id, begin, remaining, backward, waited, known)

        return scanned(self._caller, rest)

    async def read_all(
        self,
        store: str,
        after: int | None = None,
        count: int | None = None,
        direction: Direction = "forward",
        *,
        selector: Kind | None = None,
        after_position: int = 0,
        history: str | None = None,
    ) -> list[Event]:
        """The events of a whole store in commit order as a list: all behind position `after`, or the first `count`.

        Backward: those below position `after`, newest first. `after` None: from the beginning, backward from the end.
        With a `selector` (see `subscribe`) only what matches it. Without a `count`, RequestTooLargeError is raised for
        events of more than 256 MiB: iterate over those with `stream_all`. `history` is as for `get_events`, with the
        position `after`.
        """
        backward, wanted = check_direction(direction), _whole(selector)
        listing, store = Listing(None if count is None else check_count(count)), check_store_id(store)
        begin, waited, known = read_after(after, backward), check_position(after_position), check_history(history)
        while True:
            page = await self._caller.call(op.ReadAll(store, begin, listing.wanted, backward, waited, wanted, known))
            begin, known = listing.take(page), page.history or known
            if begin is None:
                return listing.events

    def stream_all(
        self,
        store: str,
        after: int | None = None,
        direction: Direction = "forward",
        *,
        selector: Kind | None = None,
        after_position: int = 0,
        history: str | None = None,
    ) -> PagedIterator[Event]:
        """The events of a whole store in commit order, or those that match, fetched as they are asked for.

        They are those behind position `after` (backward: below it), up to where the store ends when the read begins.
        """
        backward, wanted = check_direction(direction), _whole(selector)
        store, begin = check_store_id(store), read_after(after, backward)
        waited, known = check_position(after_position), check_history(history)

        def rest(last: Event | None, given: int) -> op.ScanAll:
            return op.ScanAll(store, last.position if last else begin, backward, waited, wanted, known)

        return scanned(self._caller, rest)

    async def get_version(self, store: str, stream_id: str, *, after_position: int = 0) -> int:
        """The version of a stream's last event; -1 for a stream that was never written to."""
        return await self._caller.call(
            op.GetVersion(check_store_id(store), check_name(stream_id, "stream_id"), check_position(after_position))
        )

    async def get_streams(
        self, store: str, prefix: str | None = None, after: str | None = None, limit: int | None = None
    ) -> list[str]:
        """Ids of the streams that exist, in byte order: those with `prefix`, after the id `after`, at most `limit`."""
        left = None if limit is None else check_count(limit)
        store, found = check_store_id(store), list[str]()
        beginning, cursor = check_filter(prefix, "prefix") or "", check_filter(after, "after") or ""
        while True:
            wanted = PAGE_EVENTS if left is None else min(left - len(found), PAGE_EVENTS)
            page = await self._caller.call(op.GetStreams(store, beginning, cursor, wanted))
            found += page
            if len(page) < wanted or len(found) == left:
                return found
            cursor = page[-1]


def _whole(selector: Kind | None) -> Selector | None:
    return None if selector is None else parse_whole(selector, "selector")
