"""Routes of snapshots."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Annotated, Final

import msgspec
from litestar import delete, get, put
from litestar.handlers import HTTPRouteHandler

from gater.api import operations as op
from gater.api.arguments import check_filter
from gater.api.caller import Caller
from gater.model.identifiers import check_store_id
from gater.model.json_view import snapshot_view
from gater.model.snapshots import Snapshot, new_snapshot
from gater.server.http.answers import (
    JSON,
    Answer,
    ShownSnapshot,
    ShownSnapshots,
    Written,
    encode,
    json_answer,
    outlet_of,
    written,
)
from gater.server.http.bodies import SnapshotBody, decode_snapshot, decoded, snapshot_record
from gater.server.http.documented import NoQuery, about, documented
from gater.server.http.paths import SNAPSHOT, SNAPSHOT_VERSION, SNAPSHOTS
from gater.server.http.receiving import large_body
from gater.server.http.requests import AnyRequest, access_of, path_number, path_text, query
from gater.server.http.streaming import StreamingAnswer, opened


class SnapshotsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which snapshots to list."""

    source_uuid: Annotated[str | None, about("Those of this source.")] = None
    stream_uuid: Annotated[str | None, about("Those of this stream.")] = None


@put(SNAPSHOT_VERSION, tags=["snapshots"], opt=documented(body=SnapshotBody, answer=Written))
async def record_snapshot(request: AnyRequest) -> Answer:
    """Keep a snapshot under its source, stream and version, in place of an earlier one."""
    access, (store, source, stream), version = access_of(request), _key(request), path_number(request, "version")
    asked = op.RecordSnapshotOperation(store, Snapshot(source, stream, version, JSON, b"", None, "", version, 0))

    def read(raw: bytes, _: object = None) -> Snapshot:
        record = snapshot_record(decoded(raw, decode_snapshot))
        return new_snapshot(source, stream, version, record, time.time_ns() // 1_000_000)

    async with large_body(request, access, asked, read, read) as snapshot:
        result = await access.caller.call(op.RecordSnapshotOperation(check_store_id(store), snapshot))
    return json_answer(written(result))


@get(SNAPSHOT_VERSION, tags=["snapshots"], opt=documented(answer=ShownSnapshot))
async def read_snapshot(request: AnyRequest) -> Answer:
    """The snapshot of that version."""
    api = access_of(request).api
    snapshot = await api.read_snapshot(*_key(request), path_number(request, "version"))
    return json_answer(snapshot_view(snapshot))


@get(SNAPSHOT, tags=["snapshots"], opt=documented(answer=ShownSnapshot))
async def read_newest_snapshot(request: AnyRequest) -> Answer:
    """The newest snapshot of a source and stream."""
    snapshot = await access_of(request).api.read_snapshot(*_key(request))
    return json_answer(snapshot_view(snapshot))


@delete(SNAPSHOT_VERSION, tags=["snapshots"], opt=documented(status=204))
async def delete_snapshot(request: AnyRequest) -> None:
    """Forget a snapshot; nothing happens when there is none."""
    access, _ = access_of(request), query(request, NoQuery)
    await access.api.delete_snapshot(*_key(request), path_number(request, "version"))


@get(SNAPSHOTS, tags=["snapshots"], opt=documented(query=SnapshotsQuery, answer=ShownSnapshots))
async def list_snapshots(request: AnyRequest) -> Answer:
    """The snapshots, ordered by source, stream and version."""
    caller, wanted = access_of(request).caller, query(request, SnapshotsQuery)
    store = check_store_id(path_text(request, "store"))
    source, stream = check_filter(wanted.source_uuid, "source_uuid"), check_filter(wanted.stream_uuid, "stream_uuid")
    listing = _listing(caller, op.ListSnapshots(store, source, stream))
    return StreamingAnswer(await opened(outlet_of(request.scope), listing), media_type=JSON)


async def _listing(caller: Caller, wanted: op.ListSnapshots) -> AsyncGenerator[bytes, None]:
    """The answer page by page: there is no bound on how many snapshots there are, and on how large."""
    before = b'{"snapshots":['
    after: tuple[str, str, int] | None = None
    while True:
        page = await caller.call(msgspec.structs.replace(wanted, after=after))
        found = page.snapshots
        if not page.more:
            yield before + b",".join([encode(snapshot_view(snapshot)) for snapshot in found]) + b"]}"
            return
        last = found[-1]
        after = (last.source_uuid, last.stream_uuid, last.version)
        chunk = [before + b",".join([encode(snapshot_view(snapshot)) for snapshot in found])]
        del page, found, last
        before = b","
        yield chunk.pop()


def _key(request: AnyRequest) -> tuple[str, str, str]:
    return path_text(request, "store"), path_text(request, "source_uuid"), path_text(request, "stream_uuid")


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    record_snapshot,
    read_snapshot,
    read_newest_snapshot,
    delete_snapshot,
    list_snapshots,
)
