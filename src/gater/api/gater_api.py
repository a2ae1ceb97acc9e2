"""The API object: the same methods in process and over the network."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import aclosing
from os import PathLike
from types import TracebackType
from typing import Any, Never, Self

from gater.api import operations as op
from gater.api.arguments import (
    StreamAppend,
    check_filter,
    check_start_version,
    check_timeout,
    encode_guards,
    encode_imported,
    encode_writes,
)
from gater.api.caller import Caller
from gater.api.files import write_chunks
from gater.api.operation import Operation
from gater.api.pubsub_api import PubSubApi
from gater.api.reading_api import ReadingApi
from gater.api.subscription_api import SubscriptionApi
from gater.api.telemetry_api import TelemetryApi
from gater.api.timed_caller import TimedCaller
from gater.model.commands import StreamGuard, StreamWrite, WriteResult
from gater.model.errors import WrongContextError
from gater.model.events import EventLike, encode_events
from gater.model.expected_version import ANY, parse_expected_version
from gater.model.identifiers import check_name, check_store_id, check_stream_id
from gater.model.snapshots import Snapshot, check_snapshot_version, new_snapshot
from gater.model.stores import StoreConfig, StoreInfo, StoreStatus, VerifyReport


class GaterApi(ReadingApi, SubscriptionApi, PubSubApi, TelemetryApi):
    """Event streams, snapshots, subscriptions and stores.

    Every failure is a GaterError. Versions count from 0 in each stream, positions from 1 in each store.
    Use it as an async context manager, or call `close`. It belongs to the event loop in which it is first used.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        await self._caller.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __reduce__(self) -> Never:
        raise WrongContextError("it cannot be sent to another process: make one there")

    async def close(self) -> None:
        """Let go of connections, or in process of the stores, after what is under way is done."""
        await self._caller.close()

    def with_timeout(self, seconds: float) -> GaterApi:
        """The same API, each call of which may take `seconds`; closing one closes both.

            await api.with_timeout(0.5).append_events("orders", "order-1", events)

        Raises InvalidArgumentError when `seconds` is no number above 0. In process, only what waits is bounded.
        """
        return GaterApi(TimedCaller(self._caller, check_timeout(seconds)))

    # --- stores ---

    async def list_stores(self) -> list[StoreInfo]:
        """The stores that can be reached, each with its configuration and node, ordered by name."""
        return await self._caller.call(op.ListStores())

    async def create_store(
        self, store: str, *, in_memory: bool = False, description: str = "", tags: Sequence[str] = ()
    ) -> StoreConfig:
        """Make a store, on a file or in memory; AlreadyExistsError when the name is taken."""
        return await self._caller.call(
            op.CreateStore(check_store_id(store), bool(in_memory), str(description), tuple(map(str, tags)))
        )

    async def remove_store(self, store: str) -> None:
        """Close a store and delete its files, for good."""
        await self._caller.call(op.RemoveStore(check_store_id(store)))

    async def get_store_status(self, store: str) -> StoreStatus:
        """The state of a store: its position, size, and commands that wait."""
        return await self._caller.call(op.GetStoreStatus(check_store_id(store)))

    async def get_store_config(self, store: str) -> StoreConfig:
        """The configuration with which a store was made."""
        return await self._caller.call(op.GetStoreConfig(check_store_id(store)))

    # --- streams ---

    async def append_events(
        self, store: str, stream_id: str, events: Iterable[EventLike], expected_version: int | str = ANY
    ) -> WriteResult:
        """Append events to a stream, all or nothing, if the stream is at the expected version.

        `expected_version` is a version, NO_STREAM, ANY or STREAM_EXISTS (or these as words). Repeating an append
        with the same event ids returns the first answer. No events: nothing is written, the current version is
        returned. Raises WrongExpectedVersionError, DuplicateEventError (some of the ids are there, not all),
        StreamDeletedError (tombstoned), EventTooLargeError, RequestTooLargeError.
        """
        write = StreamWrite(check_stream_id(stream_id), encode_events(events), parse_expected_version(expected_version))
        results = await self._caller.call(op.AppendStreams(check_store_id(store), (write,)))
        return results[0]

    async def append_streams(
        self, store: str, appends: Iterable[StreamAppend], guards: Iterable[StreamGuard] = ()
    ) -> list[WriteResult]:
        """Append to several streams in one step, if every append and every guard finds its expected version.

        A guard is a condition on a stream that is not written. Results come in the order of `appends`; a stream
        may be named once.
        """
        return await self._caller.call(
            op.AppendStreams(check_store_id(store), encode_writes(appends), encode_guards(guards))
        )

    async def delete_stream(
        self, store: str, stream_id: str, expected_version: int | str = ANY, *, tombstone: bool = False
    ) -> WriteResult:
        """Hide a stream's events from every reader; its numbering goes on with the next append.

        With `tombstone` the stream is closed for good: every later append raises StreamDeletedError.
        """
        expected = parse_expected_version(expected_version)
        return await self._hiding(
            op.DeleteStreamOperation(check_store_id(store), check_stream_id(stream_id), expected, bool(tombstone))
        )

    async def truncate_stream(self, store: str, stream_id: str, before_version: int) -> WriteResult:
        """Hide a stream's events that are older than `before_version`; versions stay as they are."""
        return await self._hiding(
            op.TruncateStreamOperation(
                check_store_id(store), check_stream_id(stream_id), check_start_version(before_version)
            )
        )

    async def _hiding(self, operation: Operation[WriteResult]) -> WriteResult:
        """Hide events; what waits at consumers of this API is looked at again before it is given out."""
        try:
            return await self._caller.call(operation)
        finally:
            self._caller.outbox.has_hidden()

    async def compact_store(self, store: str) -> int:
        """Give back the space of deleted and truncated events; returns how many were removed. Positions stay."""
        return await self._caller.call(op.CompactStore(check_store_id(store)))

    async def import_events(self, store: str, events: Iterable[Mapping[str, Any]]) -> int:
        """Append events with the ids, versions and times they had elsewhere; returns how many were new.

        Each event is a mapping as `gater export` writes it and `Event.to_dict` gives it: `stream_id, version,
        event_id, event_type, data, content_type, metadata, created_epoch`; binary data is bytes or base64 text. What
        is here already is passed over, so that an import can be repeated; a version that contradicts what is here
        raises WrongExpectedVersionError.
        """
        return await self._caller.call(op.ImportPage(check_store_id(store), encode_imported(events)))

    # --- snapshots ---

    async def record_snapshot(
        self, store: str, source_uuid: str, stream_uuid: str, version: int, snapshot_record: Mapping[str, Any]
    ) -> WriteResult:
        """Keep a snapshot under (source, stream, version), in place of an earlier one.

        `snapshot_record` is a mapping with `data` (JSON-able, or bytes), and optionally `metadata`, `source_type`,
        `source_version`, `created_at` or `created_epoch` (milliseconds), `content_type`.
        """
        snapshot = new_snapshot(source_uuid, stream_uuid, version, snapshot_record, time.time_ns() // 1_000_000)
        return await self._caller.call(op.RecordSnapshotOperation(check_store_id(store), snapshot))

    async def read_snapshot(
        self, store: str, source_uuid: str, stream_uuid: str, version: int | None = None
    ) -> Snapshot:
        """The snapshot of that version, or the newest; NotFoundError when there is none."""
        return await self._caller.call(
            op.ReadSnapshot(
                check_store_id(store),
                check_name(source_uuid, "source_uuid"),
                check_name(stream_uuid, "stream_uuid"),
                None if version is None else check_snapshot_version(version),
            )
        )

    async def delete_snapshot(self, store: str, source_uuid: str, stream_uuid: str, version: int) -> None:
        """Forget a snapshot; nothing happens when there is none."""
        await self._caller.call(
            op.DeleteSnapshotOperation(
                check_store_id(store),
                check_name(source_uuid, "source_uuid"),
                check_name(stream_uuid, "stream_uuid"),
                check_snapshot_version(version),
            )
        )

    async def list_snapshots(
        self, store: str, source_uuid: str | None = None, stream_uuid: str | None = None
    ) -> list[Snapshot]:
        """The snapshots ordered by source, stream and version; each filter is optional."""
        store, found = check_store_id(store), list[Snapshot]()
        source, stream = check_filter(source_uuid, "source_uuid"), check_filter(stream_uuid, "stream_uuid")
        after: tuple[str, str, int] | None = None
        while True:
            page = await self._caller.call(op.ListSnapshots(store, source, stream, after))
            found += page.snapshots
            if not page.more:
                return found
            last = page.snapshots[-1]
            after = (last.source_uuid, last.stream_uuid, last.version)

    # --- consistency ---

    async def verify(self, store: str) -> VerifyReport:
        """Check a whole store: every page, every index, that positions and versions are gapless."""
        return await self._caller.call(op.VerifyStore(check_store_id(store)))

    async def backup(self, store: str, path: str | PathLike[str]) -> int:
        """Write a consistent copy of a store to a new file at `path`; returns its size in bytes.

        The copy is taken while the store works. It is a store file: put it in a data folder as `NAME.db`.
        """
        async with aclosing(self._caller.stream(op.BackupStore(check_store_id(store)))) as chunks:
            return await write_chunks(chunks, path)
