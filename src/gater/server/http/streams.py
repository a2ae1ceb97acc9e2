"""Routes of streams: appending, listing, deleting and truncating."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler

from gater.api import operations as op
from gater.api.arguments import check_count
from gater.model.commands import StreamWrite
from gater.model.identifiers import check_store_id, check_stream_id
from gater.server.http.answers import Answer, StreamIds, StreamVersion, Written, WrittenStreams, json_answer, written
from gater.server.http.bodies import (
    AppendBody,
    AppendStreamsBody,
    EventBody,
    TruncateBody,
    decode_truncate,
    events_of_append,
    parts_of_append,
)
from gater.server.http.documented import VERSION_TEXT, VERSION_TEXT_SCHEMA, about, documented
from gater.server.http.large_bodies import read_append, read_append_streams
from gater.server.http.paths import STORE, STREAM, STREAMS
from gater.server.http.receiving import json_body, large_body
from gater.server.http.requests import AnyRequest, access_of, check_confirmed, expected_version, path_text, query

MOST_IDS: Final = 10_000
"""Stream ids that one answer lists."""


class ExpectedVersionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The expected version, where a header is inconvenient."""

    expected_version: Annotated[
        str | None, msgspec.Meta(description=VERSION_TEXT, extra_json_schema=VERSION_TEXT_SCHEMA)
    ] = None


class DeleteQuery(ExpectedVersionQuery, frozen=True, kw_only=True):
    """The options of a deletion of a stream."""

    confirm: Annotated[str, about("The id of the stream, once more.")]
    tombstone: Annotated[bool, about("Close the stream for good.")] = False


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams to list."""

    prefix: Annotated[str, about("Ids that begin so.")] = ""
    after: Annotated[str, about("Ids that follow this one.")] = ""
    limit: Annotated[
        int,
        about(f"At most so many (and {MOST_IDS}).", minimum=1),
    ] = 1_000


class VersionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The position that a read waits for."""

    after_position: Annotated[
        int,
        about("Wait until this replica has this position (read your own writes).", minimum=0),
    ] = 0


@post(
    f"{STREAM}/events",
    tags=["streams"],
    opt=documented(
        query=ExpectedVersionQuery,
        headers=("Gater-Expected-Version",),
        body=AppendBody | list[EventBody],
        status=201,
        answer=Written,
    ),
)
async def append_events(request: AnyRequest) -> Answer:
    """Append events to a stream, all or nothing, if it is at the expected version.

    Repeating an append with the same event ids gives the first answer again. Without an expected version any is
    accepted.
    """
    access = access_of(request)
    expected = expected_version(request, query(request, ExpectedVersionQuery).expected_version)
    store, stream_id = check_store_id(path_text(request, "store")), check_stream_id(path_text(request, "stream_id"))
    asked = op.AppendStreams(store, (StreamWrite(stream_id, (), expected),))
    async with large_body(request, access, asked, events_of_append, read_append) as events:
        results = await access.caller.call(op.AppendStreams(store, (StreamWrite(stream_id, events, expected),)))
    return json_answer(written(results[0]), 201)


@post(f"{STORE}/append", tags=["streams"], opt=documented(body=AppendStreamsBody, status=201, answer=WrittenStreams))
async def append_streams(request: AnyRequest) -> Answer:
    """Append to several streams in one step, if every append and every guard finds its expected version."""
    access, store = access_of(request), check_store_id(path_text(request, "store"))
    asked = op.AppendStreams(store, ())
    async with large_body(request, access, asked, parts_of_append, read_append_streams) as (writes, guards):
        results = await access.caller.call(op.AppendStreams(store, writes, guards))
    return json_answer(WrittenStreams([written(result) for result in results]), 201)


@get(STREAMS, tags=["streams"], opt=documented(query=ListQuery, answer=StreamIds))
async def list_streams(request: AnyRequest) -> Answer:
    """Ids of the streams that exist, in byte order."""
    api, wanted = access_of(request).api, query(request, ListQuery)
    limit = min(check_count(wanted.limit), MOST_IDS)
    found = await api.get_streams(path_text(request, "store"), wanted.prefix, wanted.after, limit + 1)
    return json_answer(StreamIds(found[:limit], found[limit - 1] if len(found) > limit else None))


@get(f"{STREAM}/version", tags=["streams"], opt=documented(query=VersionQuery, answer=StreamVersion))
async def get_version(request: AnyRequest) -> Answer:
    """The version of a stream's last event; -1 when it was never written to."""
    version = await access_of(request).api.get_version(
        path_text(request, "store"),
        path_text(request, "stream_id"),
        after_position=query(request, VersionQuery).after_position,
    )
    return json_answer(StreamVersion(version))


@delete(
    STREAM,
    tags=["streams"],
    status_code=200,
    opt=documented(query=DeleteQuery, headers=("Gater-Expected-Version",), answer=Written),
)
async def delete_stream(request: AnyRequest) -> Answer:
    """Hide a stream's events from every reader; with `tombstone`, close it for good.

    The stream is named in `confirm` once more.
    """
    access, store, stream_id = access_of(request), path_text(request, "store"), path_text(request, "stream_id")
    access.admit(op.DeleteStreamOperation(store, stream_id))
    wanted = query(request, DeleteQuery)
    check_confirmed(stream_id, wanted.confirm)
    result = await access.api.delete_stream(
        store,
        stream_id,
        expected_version(request, wanted.expected_version),
        tombstone=wanted.tombstone,
    )
    return json_answer(written(result))


@post(f"{STREAM}/truncate", tags=["streams"], status_code=200, opt=documented(body=TruncateBody, answer=Written))
async def truncate_stream(request: AnyRequest) -> Answer:
    """Hide a stream's events that are older than `before_version`; versions stay as they are."""
    access, store, stream_id = access_of(request), path_text(request, "store"), path_text(request, "stream_id")
    body = await json_body(request, access, op.TruncateStreamOperation(store, stream_id, 0), decode_truncate)
    return json_answer(written(await access.api.truncate_stream(store, stream_id, body.before_version)))


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    append_events,
    append_streams,
    list_streams,
    get_version,
    delete_stream,
    truncate_stream,
)
