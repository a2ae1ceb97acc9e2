"""The scope that each operation needs, and the streams it reaches: one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from gater.api import operations as op
from gater.api.arguments import by_stream_selector
from gater.config.tokens import Scope

WHOLE_STORE: Final = ("",)
"""The reach of what is not confined to streams: no prefix but the empty one covers it."""


class Permission(msgspec.Struct, frozen=True):
    """What a caller must be allowed to do an operation."""

    scope: Scope
    reach: Callable[[Any], Iterable[str]]
    """The stream ids, or their common prefix, that an operation touches."""


def _whole_store(_: Any) -> Iterable[str]:
    return WHOLE_STORE


def _one_stream(operation: Any) -> Iterable[str]:
    return (operation.stream_id,)


def _written_and_guarded(operation: op.AppendStreams) -> Iterable[str]:
    return [write.stream_id for write in operation.writes] + [guard.stream_id for guard in operation.guards]


def _imported(operation: op.ImportPage) -> Iterable[str]:
    return {event.stream_id for event in operation.events}


def _listed(operation: op.GetStreams) -> Iterable[str]:
    return (operation.prefix,)


def _subscribed(operation: op.SubscribeOperation | op.LiveStart) -> Iterable[str]:
    return (by_stream_selector(operation.kind, operation.selector) or "",)


def _snapshot(operation: op.RecordSnapshotOperation) -> Iterable[str]:
    return (operation.snapshot.stream_uuid,)


def _snapshot_key(operation: op.ReadSnapshot | op.DeleteSnapshotOperation | op.ListSnapshots) -> Iterable[str]:
    return (operation.stream_uuid or "",)


PERMISSIONS: Final[dict[str, Permission]] = {
    "list_stores": Permission("read", _whole_store),
    "create_store": Permission("admin", _whole_store),
    "remove_store": Permission("admin", _whole_store),
    "get_store_status": Permission("read", _whole_store),
    "get_store_config": Permission("read", _whole_store),
    "append_streams": Permission("append", _written_and_guarded),
    "import_events": Permission("admin", _imported),
    "read_stream": Permission("read", _one_stream),
    "scan_stream": Permission("read", _one_stream),
    "read_all": Permission("read", _whole_store),
    "scan_all": Permission("read", _whole_store),
    "get_version": Permission("read", _one_stream),
    "get_streams": Permission("read", _listed),
    "delete_stream": Permission("admin", _one_stream),
    "truncate_stream": Permission("admin", _one_stream),
    "compact_store": Permission("admin", _whole_store),
    "record_snapshot": Permission("append", _snapshot),
    "read_snapshot": Permission("read", _snapshot_key),
    "delete_snapshot": Permission("append", _snapshot_key),
    "list_snapshots": Permission("read", _snapshot_key),
    "live_start": Permission("subscribe", _subscribed),
    "subscribe": Permission("subscribe", _subscribed),
    "verify": Permission("admin", _whole_store),
    "backup": Permission("admin", _whole_store),
}
"""What each operation of the API needs. A token that is confined to a prefix does nothing that reaches further."""
