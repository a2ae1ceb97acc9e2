"""The route that follows a stream or a store as server-sent events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from gater.api import operations as op
from gater.api.arguments import LIVE, by_stream_selector, check_start_version
from gater.model.errors import GaterError, InvalidArgumentError
from gater.model.events import Event
from gater.model.identifiers import check_store_id
from gater.server.http.answers import Answer, encode
from gater.server.http.documented import about, documented
from gater.server.http.paths import STORE
from gater.server.http.requests import AnyRequest, access_of, headers_of, path_text, query, service_of
from gater.server.http.streaming import StreamingAnswer, event_line, opened
from gater.wire.errors import error_body

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT: Final = b": heartbeat\n\n"

log = logging.getLogger(__name__)


class SubscribeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow, and from where."""

    type: Annotated[str, about("The kind of selector: by_stream.")] = "by_stream"
    selector: Annotated[str, about("$all, or a stream id.")] = "$all"
    start_from: Annotated[
        int,
        about("The first event: a position for $all, a version for a stream; -1: only what is new.", minimum=-1),
    ] = 0


@get(
    f"{STORE}/subscribe",
    tags=["subscriptions"],
    opt=documented(query=SubscribeQuery, headers=("Last-Event-ID",), other_types=(EVENT_STREAM,)),
)
async def subscribe(request: AnyRequest) -> Answer:
    """Every event from a point on, then the new ones as they are committed: no gap, no repeat.

    Each message has the event as JSON in `data`, and as `id` its position (its version, when one stream is followed),
    so that a browser's EventSource resumes by itself. A comment comes every 15 seconds. A failure is told as a last
    message of the type `error`.
    """
    caller, service, wanted = access_of(request).caller, service_of(request), query(request, SubscribeQuery)
    one_stream = by_stream_selector(wanted.type, wanted.selector) is not None
    store = check_store_id(path_text(request, "store"))
    start = wanted.start_from if wanted.start_from == LIVE else check_start_version(wanted.start_from)
    last_seen = headers_of(request).get("last-event-id")
    if last_seen:
        start = _event_number(last_seen) + 1
    pages = await opened(caller.stream(op.SubscribeOperation(store, wanted.type, wanted.selector, start)))
    return StreamingAnswer(
        _messages(pages, one_stream),
        media_type=EVENT_STREAM,
        headers={"cache-control": "no-store"},
        heartbeat=HEARTBEAT,
        until=service.stopping,
    )


def _event_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidArgumentError("Last-Event-ID", f"the id of an event that was received here, not {text!r}")
    return int(text)


async def _messages(pages: AsyncGenerator[list[Event], None], one_stream: bool) -> AsyncGenerator[bytes, None]:
    try:
        async for page in pages:
            if page:
                yield b"".join([_message(event, one_stream) for event in page])
    except GaterError as error:
        log.warning("a subscription broke off", extra={"code": error.code, "reason": str(error)})
        yield b"event: error\ndata: %b\n\n" % encode(error_body(error))
    finally:
        await pages.aclose()


def _message(event: Event, one_stream: bool) -> bytes:
    number = event.version if one_stream else event.position
    return b"id: %d\ndata: %b\n\n" % (number, event_line(event))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (subscribe,)
