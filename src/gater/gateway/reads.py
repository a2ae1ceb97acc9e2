"""Operations that are answered from the file at once."""

from __future__ import annotations

from typing import Any

from gater.api import operations as op
from gater.api.arguments import by_stream_selector, check_count, check_position, check_start_version
from gater.model.errors import NotFoundError
from gater.model.snapshots import check_snapshot_version
from gater.store.store import Store
from gater.subscriptions.catch_up import next_event


def read_stream(store: Store, operation: op.ReadStream) -> Any:
    """A page of a stream."""
    start, count = check_start_version(operation.start_version), check_count(operation.count)
    return store.reader.read_stream(operation.stream_id, start, count, operation.backward)


def read_all(store: Store, operation: op.ReadAll) -> Any:
    """A page of a whole store."""
    count = check_count(operation.count)
    head = store.tail.position
    if operation.backward:
        before = head + 1 if operation.after is None else min(check_position(operation.after, "after"), head + 1)
        return store.reader.read_all_backward(before, count)
    return store.reader.read_all(check_position(operation.after, "after"), count, head)


def get_version(store: Store, operation: op.GetVersion) -> int:
    """The version of a stream."""
    return store.reader.version(operation.stream_id)


def get_streams(store: Store, operation: op.GetStreams) -> list[str]:
    """Ids of streams."""
    limit = min(check_count(operation.limit), 1_000)
    return store.reader.streams(operation.prefix, operation.after, limit)


def read_snapshot(store: Store, operation: op.ReadSnapshot) -> Any:
    """One snapshot."""
    version = None if operation.version is None else check_snapshot_version(operation.version)
    found = store.reader.snapshot(operation.source_uuid, operation.stream_uuid, version)
    if found is None:
        wanted = "any version" if version is None else version
        raise NotFoundError("snapshot", f"{operation.source_uuid}/{operation.stream_uuid}/{wanted}")
    return found


def list_snapshots(store: Store, operation: op.ListSnapshots) -> Any:
    """A page of snapshots."""
    limit = min(check_count(operation.limit), 1_000)
    if operation.after is not None:
        check_snapshot_version(operation.after[2])
    return store.reader.snapshots(operation.source_uuid, operation.stream_uuid, operation.after, limit)


def live_start(store: Store, operation: op.LiveStart) -> int:
    """The position, or the version of one stream, that comes next."""
    stream_id = by_stream_selector(operation.kind, operation.selector)
    return (store.tail.position if stream_id is None else store.reader.version(stream_id)) + 1


async def reached(store: Store, position: int) -> None:
    """Return once this replica has the position; cancelled by who no longer waits."""
    while store.tail.position < position:
        await next_event(store, None)
