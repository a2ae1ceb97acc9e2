"""The route that follows events as server-sent events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from gater.api import subscription_operations as op
from gater.api.arguments import LIVE, check_start_version
from gater.api.notices import CAUGHT_UP, FELL_BEHIND, Notice
from gater.api.operation import Seen
from gater.model.errors import GaterError, InvalidArgumentError
from gater.model.events import Event
from gater.model.identifiers import check_store_id
from gater.model.json_view import event_line
from gater.server.http.answers import Answer, encode, outlet_of
from gater.server.http.documented import about, documented
from gater.server.http.event_streams import EVENT_STREAM, error_message, event_stream
from gater.server.http.paths import STORE
from gater.server.http.requests import AnyRequest, access_of, headers_of, path_text, query
from gater.server.http.selecting import DEFAULT_TYPE, Where, parse_query
from gater.server.outgoing import Outlet

WAITING: Final = b": waiting\n\n"
NOTHING_SEEN: Final = "-1"
"""The id of a notice that nothing came before."""

log = logging.getLogger(__name__)


class SubscribeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The events to follow, and the beginning."""

    type: Annotated[
        str,
        about(
            "The kind of selector: by_stream, by_event_type, stream_prefix, by_event_pattern, by_event_payload, "
            "all_of or any_of."
        ),
    ] = DEFAULT_TYPE
    selector: Annotated[
        str | None,
        about(
            "Its value: $all (the default) or a stream id, an event type, the beginning of stream ids; for the other "
            "kinds an object or a list as JSON."
        ),
    ] = None
    where: Where = None
    history: Annotated[
        str,
        about(
            "The history of the store that `start_from` was reached in; refused with history_changed when the store "
            "was restored or made anew since."
        ),
    ] = ""
    start_from: Annotated[
        int,
        about(
            "The first event: a version when one stream is followed, otherwise a position; -1: only what is new.",
            minimum=-1,
        ),
    ] = 0


@get(
    f"{STORE}/subscribe",
    tags=["subscriptions"],
    opt=documented(query=SubscribeQuery, headers=("Last-Event-ID",), other_types=(EVENT_STREAM,)),
)
async def subscribe(request: AnyRequest) -> Answer:
    """Every matching event from a point on, then the new ones as they are committed: no gap, no repeat.

    What matches is said by `type` and `selector`, or by `where`. Each message has the event as JSON in `data`, and as
    `id` its position (its version, when one stream is followed) and the history of the store, as `7@0123456789abcdef`,
    so that a browser's EventSource resumes by itself, and is refused (`history_changed`) when the store was restored
    or made anew meanwhile. Messages of the types `caught_up` (nothing stored is left to read) and `fell_behind` (it
    must read from the file again) have `{"next": N, "history": "0123456789abcdef"}` as `data`: where it goes on. A
    comment comes every 15 seconds. A failure is told as a last message of the type `error`; one that passes, to a
    request with `Accept: text/event-stream`, also instead of the status 503, after which a browser would stay away.
    """
    caller, wanted = access_of(request).caller, query(request, SubscribeQuery)
    selector = parse_query(wanted.type, wanted.selector, wanted.where)
    store = check_store_id(path_text(request, "store"))
    start = wanted.start_from if wanted.start_from == LIVE else check_start_version(wanted.start_from)
    history, seen = wanted.history, None
    if last_seen := headers_of(request).get("last-event-id"):
        start, history = _following(last_seen)
        if selector.stream_id is None:
            seen = Seen(start - 1, b"")
    outlet = outlet_of(request.scope)
    pages = caller.stream(op.SubscribeOperation(store, selector, start, history, seen))
    return await event_stream(request, pages, lambda opened: _messages(opened, selector.stream_id is not None, outlet))


def _following(identity: str) -> tuple[int, str]:
    """The beginning after the message of that id, and its history; ids of earlier Gaters name none."""
    number, _, history = identity.partition("@")
    if number != NOTHING_SEEN and not (number.isascii() and number.isdigit() and len(number) < 19):
        raise InvalidArgumentError("Last-Event-ID", f"the id of a message that was received here, not {identity!r}")
    return int(number) + 1, history


async def _messages(
    pages: AsyncGenerator[op.SubscriptionPage, None], one_stream: bool, outlet: Outlet
) -> AsyncGenerator[bytes, None]:
    last: op.SubscriptionPage | None = None
    try:
        while True:
            page = await anext(pages, None)
            if page is None:
                return
            if last is not None:  # there is room for the first
                await outlet.room(sum([len(event.raw_data) for event in page.events]))
            chunk = [_page(page, last, one_stream)]
            last = op.SubscriptionPage([], page.live, page.next, page.history)
            del page
            yield chunk.pop()
    except GaterError as error:
        log.warning("a subscription broke off", extra={"code": error.code, "reason": str(error)})
        yield error_message(error)
    finally:
        await pages.aclose()


def _page(page: op.SubscriptionPage, last: op.SubscriptionPage | None, one_stream: bool) -> bytes:
    """The messages of a page that came after the last one.

    One without anything to tell has an id only: a reader that comes again need not have the same looked through. While
    it waits for the store to come to where it began, it has none: it begins there again.
    """
    events = b"".join([_message(event, one_stream, page.history) for event in page.events])
    was_live = last is not None and last.live
    if page.live and not was_live:
        return events + _notice(CAUGHT_UP, page.next, page.history)
    if last is not None and was_live and not page.live:
        return _notice(FELL_BEHIND, last.next, last.history) + events
    return events or (b"id: %b\n\n" % _identity(page.next - 1, page.history) if page.history else WAITING)


def _message(event: Event, one_stream: bool, history: str) -> bytes:
    number = event.version if one_stream else event.position
    return b"id: %b\ndata: %b\n\n" % (_identity(number, history), event_line(event))


def _notice(notice: Notice, following: int, history: str) -> bytes:
    facts = (notice.value.encode(), _identity(following - 1, history), encode({"next": following, "history": history}))
    return b"event: %b\nid: %b\ndata: %b\n\n" % facts


def _identity(number: int, history: str) -> bytes:
    """The id of a message: what `Last-Event-ID` brings back."""
    return b"%d@%b" % (number, history.encode()) if history else b"%d" % number


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (subscribe,)
