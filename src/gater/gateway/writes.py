"""Operations that are answered when their batch is durable."""

from __future__ import annotations

import time
from typing import Final

from gater.api import operations as op
from gater.api.arguments import check_start_version
from gater.gateway.admission import admit_append, admit_import, admit_snapshot
from gater.gateway.handling import Handler, StoresContext
from gater.model import commands as c
from gater.model.expected_version import parse_expected_version
from gater.model.identifiers import check_stream_id
from gater.model.outcome import Done
from gater.model.snapshots import check_snapshot_version


def append(context: StoresContext, operation: op.AppendStreams, done: Done) -> None:
    """Append events to one or more streams."""
    store = context.stores.get(operation.store)
    size = admit_append(operation.writes, operation.guards, context.limits)
    store.submit(c.Append(time.time_ns() // 1_000, operation.writes, operation.guards), size, done)


def import_events(context: StoresContext, operation: op.ImportPage, done: Done) -> None:
    """Append exported events, with the ids and times that they have."""
    store = context.stores.get(operation.store)
    size = admit_import(operation.events, context.limits)
    store.submit(c.ImportEvents(operation.events), size, done)


def delete_stream(context: StoresContext, operation: op.DeleteStreamOperation, done: Done) -> None:
    """Delete a stream, for good with a tombstone."""
    expected = parse_expected_version(operation.expected_version)
    command = c.DeleteStream(check_stream_id(operation.stream_id), expected, operation.tombstone, operation.again)
    context.stores.get(operation.store).submit(command, 0, done)


def truncate_stream(context: StoresContext, operation: op.TruncateStreamOperation, done: Done) -> None:
    """Hide the events of a stream before a version."""
    before = check_start_version(operation.before_version)
    command = c.TruncateStream(check_stream_id(operation.stream_id), before)
    context.stores.get(operation.store).submit(command, 0, done)


def record_snapshot(context: StoresContext, operation: op.RecordSnapshotOperation, done: Done) -> None:
    """Save a snapshot."""
    store = context.stores.get(operation.store)
    size = admit_snapshot(operation.snapshot, context.limits)
    store.submit(c.RecordSnapshot(operation.snapshot), size, done)


def delete_snapshot(context: StoresContext, operation: op.DeleteSnapshotOperation, done: Done) -> None:
    """Delete a snapshot."""
    version = check_snapshot_version(operation.version)
    command = c.DeleteSnapshot(operation.source_uuid, operation.stream_uuid, version)
    context.stores.get(operation.store).submit(command, 0, done)


HANDLERS: Final[dict[type, Handler]] = {
    op.AppendStreams: append,
    op.ImportPage: import_events,
    op.DeleteStreamOperation: delete_stream,
    op.TruncateStreamOperation: truncate_stream,
    op.RecordSnapshotOperation: record_snapshot,
    op.DeleteSnapshotOperation: delete_snapshot,
}
