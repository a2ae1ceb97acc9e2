"""Routes of pub/sub: how the instances stand, listening as server-sent events, and publishing."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from gater.api.pubsub_operations import CheckedPublish, InstanceStatus, Listen, Publish, PubSubMessage
from gater.messages.showing import shown_as_json
from gater.model.errors import GaterError
from gater.model.identifiers import MAX_TOPIC_BYTES
from gater.model.json_rules import count_values
from gater.model.limits import MOST_MESSAGE_VALUES, check_number
from gater.model.message_body import check_body
from gater.pubsub.instances import Instance, parse_instance
from gater.pubsub.topics import WILDCARD, check_pattern, check_topic
from gater.server.http.answers import Answer, json_answer
from gater.server.http.bodies import decoded
from gater.server.http.documented import NAME_SCHEMA, about, documented
from gater.server.http.event_streams import EVENT_STREAM, error_message, event_stream
from gater.server.http.paths import INSTANCE, PUBSUB
from gater.server.http.receiving import large_body
from gater.server.http.requests import AnyRequest, access_of, path_text, query
from gater.server.large_requests import LARGE_BYTES

log = logging.getLogger(__name__)

_TOPIC_SCHEMA: Final = {**NAME_SCHEMA, "maxLength": MAX_TOPIC_BYTES}


class Instances(msgspec.Struct, frozen=True):
    """The ten instances, in their order."""

    instances: list[InstanceStatus]


class ListenQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The pattern of topics to subscribe to."""

    topic: Annotated[
        str,
        about("A topic, or with a `*` at its end all that begin so."),
        msgspec.Meta(extra_json_schema=_TOPIC_SCHEMA),
    ] = WILDCARD


class PublishBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to give to the present subscribers: any JSON, under a topic."""

    topic: Annotated[str, msgspec.Meta(extra_json_schema=_TOPIC_SCHEMA)]
    message: Any


class Published(msgspec.Struct, frozen=True):
    """The number of subscribers on the node that were given the message."""

    receivers: int


decode_publish: Final = msgspec.json.Decoder(PublishBody).decode


@get(PUBSUB, tags=["pubsub"], opt=documented(answer=Instances))
async def get_pubsub(request: AnyRequest) -> Answer:
    """The ten instances: what each is for, what was published and dropped, who listens, what waits."""
    return json_answer(Instances(await access_of(request).api.get_pubsub()))


@get(f"{INSTANCE}/listen", tags=["pubsub"], opt=documented(query=ListenQuery, other_types=(EVENT_STREAM,)))
async def listen(request: AnyRequest) -> Answer:
    """Messages of one instance from now on, as server-sent events; needs `admin` for security and audit.

    Listening has begun when the headers are here. The `data` of each is `{"topic", "instance", "message"}`. A message
    of the system is shown as `{"tag", "signed", "record"}`, its signature unverified, bytes as base64 text. A comment
    comes every 15 seconds. A listener that is too slow loses the oldest messages; on security, audit and alerts it
    ends with a last message of the type `error`.
    """
    caller, wanted = access_of(request).caller, query(request, ListenQuery)
    instance = parse_instance(path_text(request, "instance"))
    pages = caller.stream(Listen(instance.value, check_pattern(wanted.topic)))
    return await event_stream(request, pages, lambda opened: _messages(opened, instance))


async def _messages(
    pages: AsyncGenerator[list[PubSubMessage], None], instance: Instance
) -> AsyncGenerator[bytes, None]:
    try:
        while True:
            page = await anext(pages, None)
            if page is None:
                return
            chunk = [b"".join([_message(message, instance) for message in page])]
            del page
            if chunk[0]:
                yield chunk.pop()
    except GaterError as error:
        log.warning("a listener was left", extra={"code": error.code, "instance": instance.value})
        yield error_message(error)
    finally:
        await pages.aclose()


def _message(message: PubSubMessage, instance: Instance) -> bytes:
    return b"data: %b\n\n" % shown_as_json(instance.value, message.topic, message.body)


@post(f"{INSTANCE}/publish", tags=["pubsub"], status_code=200, opt=documented(body=PublishBody, answer=Published))
async def publish(request: AnyRequest) -> Answer:
    """Give a message to the present subscribers of its topic; needs `append` for events, `admin` for the others.

    Nobody is waited for, and nothing is kept: who does not listen does not get it.
    """
    access, instance = access_of(request), parse_instance(path_text(request, "instance"))

    def read(raw: bytes, _: object = None) -> CheckedPublish:
        check_number("values", count_values(raw) if len(raw) > LARGE_BYTES else 0, MOST_MESSAGE_VALUES)
        body = decoded(raw, decode_publish)
        return CheckedPublish(instance.value, check_topic(body.topic), check_body(body.message))

    async with large_body(request, access, Publish(instance.value, WILDCARD), read, read) as operation:
        return json_answer(Published(await access.caller.call(operation)))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (get_pubsub, listen, publish)
