"""Routes that read events: pages of a stream or of a whole store as JSON, or all of it as NDJSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Final, Literal

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from gater.api import operations as op
from gater.api.arguments import check_count, check_direction, check_position, check_start_version, read_start
from gater.api.caller import Caller
from gater.model.events import Event
from gater.model.identifiers import check_name, check_store_id
from gater.model.json_view import event_view
from gater.server.http.answers import Answer, StorePage, StreamPage, encode, outlet_of
from gater.server.http.documented import about, documented
from gater.server.http.paths import STORE, STREAM
from gater.server.http.requests import AnyRequest, accepts, access_of, path_text, query
from gater.server.http.selecting import Where, parse_where
from gater.server.http.streaming import NDJSON, ndjson_answer, opened

DEFAULT_COUNT: Final = 100
"""Events that a JSON answer holds when no count is given."""
MOST_EVENTS: Final = 10_000
"""Events that a JSON answer holds at the most; NDJSON has no such bound."""
MOST_BYTES: Final = 8 << 20
"""Payload bytes after which a JSON answer is full."""
MOST_PAGES: Final = 500
"""Pages that are looked through for one JSON answer, when few events match."""
HISTORY_HEADER: Final = "gater-history"


class ReadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a read."""

    count: Annotated[
        int | None,
        about("How many events; absent: 100 as JSON, all as NDJSON.", minimum=1),
    ] = None
    direction: Annotated[Literal["forward", "backward"], about("Oldest or newest first.")] = "forward"
    after_position: Annotated[
        int,
        about("Wait until this replica has this position (read your own writes).", minimum=0),
    ] = 0
    history: Annotated[
        str,
        about(
            "The `Gater-History` of the answer that this read goes on from; refused with history_changed when the "
            "store was restored or made anew since."
        ),
    ] = ""


class ReadStreamQuery(ReadQuery, frozen=True, kw_only=True):
    """The options of a read of a stream."""

    start_version: Annotated[
        int | None,
        about("The version to begin at; absent: the first, or backward the last.", minimum=0),
    ] = None


class ReadAllQuery(ReadQuery, frozen=True, kw_only=True):
    """The options of a read of a store."""

    after: Annotated[
        int | None,
        about("Begin behind this position, backward below it; absent: at the beginning, or at the end.", minimum=0),
    ] = None
    where: Where = None


@get(
    f"{STREAM}/events",
    tags=["events"],
    opt=documented(query=ReadStreamQuery, answer=StreamPage, other_types=(NDJSON,)),
)
async def read_stream(request: AnyRequest) -> Answer:
    """The events of a stream from `start_version` on, or backward from it down.

    The answer begins at the first event that is there, however many were truncated before it, and holds at most `count`
    events; `next` is null when no more follow. An unknown stream has no events. With `Accept: application/x-ndjson`
    they come one JSON object a line, however many; a read that breaks off ends with a line `{"error": …}`. The header
    `Gater-History` names the history of the store: given back with `next`, it is refused when another store is here.
    """
    caller, wanted = access_of(request).caller, query(request, ReadStreamQuery)
    backward, after_position = check_direction(wanted.direction), check_position(wanted.after_position)
    store = check_store_id(path_text(request, "store"))
    stream_id = check_name(path_text(request, "stream_id"), "stream_id")
    start = None if wanted.start_version is None else check_start_version(wanted.start_version)
    count = None if wanted.count is None else check_count(wanted.count)
    begin = read_start(start, backward)
    if accepts(request, NDJSON):
        # Before it streams, wait for the position within the time that a call may take.
        look = op.ReadStream(store, stream_id, begin, 1, backward, after_position, wanted.history)
        history = (await caller.call(look)).history
        pages = caller.stream(
            op.ScanStream(
                store, stream_id, start if backward else begin, count, backward, 0, wanted.history and history
            )
        )
        return ndjson_answer(await opened(outlet_of(request.scope), pages), _headers(history))
    wanted_count = DEFAULT_COUNT if count is None else count
    read = op.ReadStream(store, stream_id, begin, wanted_count, backward, after_position, wanted.history)
    return _page(*await _stream_events(caller, read))


@get(f"{STORE}/events", tags=["events"], opt=documented(query=ReadAllQuery, answer=StorePage, other_types=(NDJSON,)))
async def read_all(request: AnyRequest) -> Answer:
    """The events of a whole store in commit order, or those that match `where`.

    `next` is null when no more follow. When few match, an answer may hold less than `count` events, even none, and
    still a `next` to go on with. With `Accept: application/x-ndjson` they come one JSON object a line, however many; a
    read that breaks off ends with a line `{"error": …}`. The header `Gater-History` is that of a stream's events.
    """
    caller, wanted = access_of(request).caller, query(request, ReadAllQuery)
    backward, after_position = check_direction(wanted.direction), check_position(wanted.after_position)
    store = check_store_id(path_text(request, "store"))
    after = None if wanted.after is None and backward else check_position(wanted.after or 0, "after")
    count = None if wanted.count is None else check_count(wanted.count)
    selector = None if wanted.where is None else parse_where(wanted.where)
    if accepts(request, NDJSON):
        # Before it streams, wait for the position within the time that a call may take.
        look = op.ReadAll(store, 0, 1, False, after_position, selector, wanted.history)
        history = (await caller.call(look)).history
        scan = caller.stream(op.ScanAll(store, after, backward, 0, selector, wanted.history and history))
        pages = await opened(outlet_of(request.scope), scan)
        return ndjson_answer(pages if count is None else _first(count, pages), _headers(history))
    wanted_count = DEFAULT_COUNT if count is None else count
    read = op.ReadAll(store, after, wanted_count, backward, after_position, selector, wanted.history)
    return _page(*await _store_events(caller, read))


async def _stream_events(caller: Caller, wanted: op.ReadStream) -> tuple[list[Event], int | None, str]:
    """The events as far as one answer goes, the version to go on with, None when that was all, and the history."""
    events: list[Event] = []
    following: int | None = wanted.start_version
    while following is not None and len(events) < wanted.count and not _is_full(events):
        left = wanted.count - len(events)
        page = await caller.call(msgspec.structs.replace(wanted, start_version=following, count=left))
        events += page.events
        following = page.next
        wanted = msgspec.structs.replace(wanted, history=page.history)
    if following is None or await _is_end(caller, wanted, following):
        return events, None, wanted.history
    return events, following, wanted.history


async def _is_end(caller: Caller, wanted: op.ReadStream, following: int) -> bool:
    """Whether a stream has no events from a version on that can still be read."""
    page = await caller.call(msgspec.structs.replace(wanted, start_version=following, count=1))
    return not page.events


async def _store_events(caller: Caller, wanted: op.ReadAll) -> tuple[list[Event], int | None, str]:
    """The events as far as one answer goes, the position to go on with, None when that was all, and the history."""
    events: list[Event] = []
    following = wanted.after
    for _ in range(MOST_PAGES):
        left = wanted.count - len(events)
        page = await caller.call(msgspec.structs.replace(wanted, after=following, count=left))
        events += page.events
        following = page.next
        wanted = msgspec.structs.replace(wanted, history=page.history)
        if following is None or len(events) >= wanted.count or _is_full(events):
            break
    return events, following, wanted.history


def _is_full(events: list[Event]) -> bool:
    return len(events) >= MOST_EVENTS or sum([event.payload_bytes for event in events]) >= MOST_BYTES


async def _first(count: int, pages: AsyncGenerator[list[Event], None]) -> AsyncGenerator[list[Event], None]:
    """The pages up to the event of that number."""
    try:
        while count > 0:
            page = await anext(pages, None)
            if page is None:
                return
            chosen = [page[:count]]
            count -= len(page)
            del page
            yield chosen.pop()
    finally:
        await pages.aclose()


def _page(events: list[Event], following: int | None, history: str) -> Answer:
    page = {"events": [event_view(event) for event in events], "next": following}
    return Answer(encode(page), headers=_headers(history))


def _headers(history: str) -> dict[str, str]:
    """Headers that say which history a read goes on in."""
    return {HISTORY_HEADER: history} if history else {}


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (read_stream, read_all)
