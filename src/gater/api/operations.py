"""The operations on stores, streams and snapshots as values: what each takes, what it answers."""

from __future__ import annotations

import msgspec

from gater.api.operation import Operation, Seen, StreamingOperation
from gater.model.commands import StreamGuard, StreamWrite, WriteResult
from gater.model.events import Event, ImportedEvent
from gater.model.expected_version import ANY
from gater.model.selectors import Selector
from gater.model.snapshots import Snapshot
from gater.model.stores import StoreConfig, StoreInfo, StoreStatus, VerifyReport


class EventPage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some events of a read, and where the next page begins (None: that was all)."""

    events: list[Event]
    next: int | None
    history: str = ""
    """The store's history (see StoreStatus.history)."""


class SnapshotPage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some snapshots of a listing; more follow when `more`."""

    snapshots: list[Snapshot]
    more: bool


class ListStores(Operation[list[StoreInfo]], frozen=True, array_like=True):
    """The stores that can be reached."""

    name = "list_stores"
    answer = list[StoreInfo]


class CreateStore(Operation[StoreConfig], frozen=True, array_like=True):
    """Make a store."""

    name = "create_store"
    effect = "admin"
    answer = StoreConfig
    repeatable = False
    store: str
    in_memory: bool = False
    description: str = ""
    tags: tuple[str, ...] = ()


class RemoveStore(Operation[None], frozen=True, array_like=True):
    """Close a store and delete its files."""

    name = "remove_store"
    effect = "admin"
    answer = None
    repeatable = False
    timeout = 60.0
    store: str


class GetStoreStatus(Operation[StoreStatus], frozen=True, array_like=True):
    """The state of a store."""

    name = "get_store_status"
    answer = StoreStatus
    store: str


class GetStoreConfig(Operation[StoreConfig], frozen=True, array_like=True):
    """The configuration with which a store was made."""

    name = "get_store_config"
    answer = StoreConfig
    store: str


class AppendStreams(Operation[list[WriteResult]], frozen=True, array_like=True):
    """Append to one or several streams, all or nothing."""

    name = "append_streams"
    effect = "write"
    answer = list[WriteResult]
    store: str
    writes: tuple[StreamWrite, ...]
    guards: tuple[StreamGuard, ...] = ()


class ImportPage(Operation[int], frozen=True, array_like=True):
    """Append a page of events with the versions and times they had elsewhere; answers how many were new."""

    name = "import_events"
    effect = "admin"
    answer = int
    timeout = 60.0
    store: str
    events: tuple[ImportedEvent, ...]


class ReadStream(Operation[EventPage], frozen=True, array_like=True):
    """A page of a stream: up to `count` events from `start_version` on, or from it down.

    It begins at the first event that is there. `next` says where the stream goes on, whatever `count` was.
    """

    name = "read_stream"
    answer = EventPage
    store: str
    stream_id: str
    start_version: int = 0
    count: int = 100
    backward: bool = False
    after_position: int = 0
    """The read waits until this replica has reached this position."""
    history: str = ""
    """The history that it goes on from; HistoryChangedError when the store has another. Empty: whichever it has."""


class ReadAll(Operation[EventPage], frozen=True, array_like=True):
    """A page of a whole store, in commit order.

    `after` is exclusive: a position; backward reads go down from below it (None: from the end).
    """

    name = "read_all"
    answer = EventPage
    store: str
    after: int | None = 0
    count: int = 100
    backward: bool = False
    after_position: int = 0
    selector: Selector | None = None
    """Only what it matches."""
    history: str = ""


class ScanStream(StreamingOperation[list[Event]], frozen=True, array_like=True):
    """A stream, page after page, to its end or for `count` events (None: no bound)."""

    name = "scan_stream"
    answer = list[Event]
    store: str
    stream_id: str
    start_version: int | None = 0
    """None, when backward: from the newest event."""
    count: int | None = None
    backward: bool = False
    after_position: int = 0
    history: str = ""
    seen: Seen | None = None
    """The last event of what it goes on from; HistoryChangedError when another is stored there."""


class ScanAll(StreamingOperation[list[Event]], frozen=True, array_like=True):
    """A whole store in commit order, page after page."""

    name = "scan_all"
    answer = list[Event]
    store: str
    after: int | None = 0
    backward: bool = False
    after_position: int = 0
    selector: Selector | None = None
    history: str = ""
    seen: Seen | None = None


class GetVersion(Operation[int], frozen=True, array_like=True):
    """The version of a stream: that of its last event, -1 when it was never written to."""

    name = "get_version"
    answer = int
    store: str
    stream_id: str
    after_position: int = 0


class GetStreams(Operation[list[str]], frozen=True, array_like=True):
    """Up to `limit` stream ids in order, those that begin with `prefix` and come after `after`."""

    name = "get_streams"
    answer = list[str]
    store: str
    prefix: str = ""
    after: str = ""
    limit: int = 1_000


class DeleteStreamOperation(Operation[WriteResult], frozen=True, array_like=True):
    """Hide a stream's events; with `tombstone`, close it for good."""

    name = "delete_stream"
    effect = "admin"
    answer = WriteResult
    store: str
    stream_id: str
    expected_version: int = ANY
    tombstone: bool = False
    again: bool = False
    """Sent again by a client that lost the answer: what it may have done itself is not refused."""


class TruncateStreamOperation(Operation[WriteResult], frozen=True, array_like=True):
    """Hide a stream's events that are older than `before_version`."""

    name = "truncate_stream"
    effect = "admin"
    answer = WriteResult
    store: str
    stream_id: str
    before_version: int


class CompactStore(Operation[int], frozen=True, array_like=True):
    """Give back the space of hidden events; answers how many were removed."""

    name = "compact_store"
    effect = "admin"
    answer = int
    timeout = None
    store: str


class RecordSnapshotOperation(Operation[WriteResult], frozen=True, array_like=True):
    """Keep a snapshot."""

    name = "record_snapshot"
    effect = "write"
    answer = WriteResult
    store: str
    snapshot: Snapshot


class ReadSnapshot(Operation[Snapshot], frozen=True, array_like=True):
    """A snapshot; the newest version when none is named."""

    name = "read_snapshot"
    answer = Snapshot
    store: str
    source_uuid: str
    stream_uuid: str
    version: int | None = None


class DeleteSnapshotOperation(Operation[WriteResult], frozen=True, array_like=True):
    """Forget a snapshot."""

    name = "delete_snapshot"
    effect = "write"
    answer = WriteResult
    store: str
    source_uuid: str
    stream_uuid: str
    version: int


class ListSnapshots(Operation[SnapshotPage], frozen=True, array_like=True):
    """A page of snapshots in the order of their keys, after the key `after`."""

    name = "list_snapshots"
    answer = SnapshotPage
    store: str
    source_uuid: str | None = None
    stream_uuid: str | None = None
    after: tuple[str, str, int] | None = None
    limit: int = 100


class VerifyStore(Operation[VerifyReport], frozen=True, array_like=True):
    """Check a whole store: pages, indexes, positions, versions."""

    name = "verify"
    effect = "admin"
    answer = VerifyReport
    timeout = None
    store: str


class BackupStore(StreamingOperation[bytes], frozen=True, array_like=True):
    """A consistent copy of a store's file, chunk after chunk."""

    name = "backup"
    effect = "admin"
    answer = bytes
    store: str
