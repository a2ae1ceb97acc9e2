"""Answers of server-sent events, and of failures after which a browser is to come again."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final, TypeVar

from gater.model.errors import GaterError, TransientError
from gater.server.http.answers import Answer, encode, outlet_of
from gater.server.http.requests import AnyRequest, service_of
from gater.server.http.streaming import StreamingAnswer, opened
from gater.wire.errors import error_body

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT: Final = b": heartbeat\n\n"
RETRY_MS: Final = 1_000
"""How long a browser waits before it asks again after a failure that passes."""
NO_STORE: Final = {"cache-control": "no-store"}

Item = TypeVar("Item")

log = logging.getLogger(__name__)


async def event_stream(
    request: AnyRequest,
    items: AsyncGenerator[Item, None],
    messages: Callable[[AsyncGenerator[Item, None]], AsyncGenerator[bytes, None]],
) -> Answer:
    """The messages that are made of the items, from when the first item is there until the node stops.

    Raises what forbids the stream; an EventSource is told of what passes in a stream that ends (see `interrupted`).
    """
    try:
        first = await opened(outlet_of(request.scope), items)
    except TransientError as error:
        if not is_event_source(request.scope):
            raise
        log.warning("request failed", extra={"path": request.scope["path"], "code": error.code, "reason": str(error)})
        return interrupted(error)
    until = service_of(request).stopping
    return StreamingAnswer(messages(first), media_type=EVENT_STREAM, headers=NO_STORE, heartbeat=HEARTBEAT, until=until)


def is_event_source(scope: Any) -> bool:
    """Whether a request comes from an EventSource, which asks for nothing but server-sent events."""
    return (b"accept", EVENT_STREAM.encode()) in list(scope["headers"])


def interrupted(error: GaterError) -> Answer:
    """A stream that ends with an error which passes: an EventSource comes again after no other status than 200."""
    return Answer(b"retry: %d\n" % RETRY_MS + error_message(error), media_type=EVENT_STREAM, headers=NO_STORE)


def error_message(error: GaterError) -> bytes:
    """The last message of a stream that ends with an error."""
    return b"event: error\ndata: %b\n\n" % encode(error_body(error))
