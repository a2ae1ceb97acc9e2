"""The scope that each operation needs, and the streams it reaches: one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from gater.api import operations as op
from gater.api.operation import Operation
from gater.api.origin import Origin
from gater.api.pubsub_operations import Listen, Publish
from gater.config.tokens import Scope
from gater.model.errors import PermissionDeniedError
from gater.model.selectors import Selector, parse_selector, reach
from gater.pubsub.instances import FULL_NAME_PREFIX, Instance

SelectorOf = Callable[[str, str], Selector]
"""Finds the selector of a durable subscription by store and name."""

WHOLE_STORE: Final = ("",)
"""The reach of what is not confined to streams: no prefix but the empty one covers it."""


CONFIDENTIAL: Final = frozenset({Instance.SECURITY, Instance.AUDIT})
"""Instances that only an administrator listens to."""


class Permission(msgspec.Struct, frozen=True):
    """The permission that an operation needs."""

    scope: Scope
    reach: Callable[[Any], Iterable[str]]
    """The stream ids, or their common prefix, that an operation touches."""
    scope_of: Callable[[Any], Scope] | None = None
    """The scope of one operation, where that depends on what it is about."""
    by_name: bool = False
    """Whether it touches what the selector of a durable subscription does, which is named, not told."""


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


def _selected(operation: Any) -> Iterable[str]:
    """The streams that the selector of an operation can touch; parsed first, for it comes from outside."""
    return WHOLE_STORE if operation.selector is None else reach(parse_selector(operation.selector))


def _to_listen(operation: Listen) -> Scope:
    """The scope for subscribing to an instance: some are confidential."""
    return "admin" if operation.instance.removeprefix(FULL_NAME_PREFIX) in CONFIDENTIAL else "subscribe"


def _to_publish(operation: Publish) -> Scope:
    """Applications speak on the events instance; the others are the system's."""
    return "append" if operation.instance.removeprefix(FULL_NAME_PREFIX) == Instance.EVENTS else "admin"


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
    "read_all": Permission("read", _selected),
    "scan_all": Permission("read", _selected),
    "get_version": Permission("read", _one_stream),
    "get_streams": Permission("read", _listed),
    "delete_stream": Permission("admin", _one_stream),
    "truncate_stream": Permission("admin", _one_stream),
    "compact_store": Permission("admin", _whole_store),
    "record_snapshot": Permission("append", _snapshot),
    "read_snapshot": Permission("read", _snapshot_key),
    "delete_snapshot": Permission("append", _snapshot_key),
    "list_snapshots": Permission("read", _snapshot_key),
    "subscribe": Permission("subscribe", _selected),
    "save_subscription": Permission("subscribe", _selected),
    "remove_subscription": Permission("admin", _selected),
    "get_subscriptions": Permission("subscribe", _whole_store),
    "get_subscription": Permission("subscribe", _whole_store, by_name=True),
    "get_subscription_health": Permission("subscribe", _whole_store, by_name=True),
    "consume": Permission("subscribe", _whole_store, by_name=True),
    "pull": Permission("subscribe", _whole_store, by_name=True),
    "settle": Permission("subscribe", _whole_store, by_name=True),
    "report": Permission("subscribe", _whole_store, by_name=True),
    "list_parked": Permission("subscribe", _whole_store, by_name=True),
    "replay_parked": Permission("subscribe", _whole_store, by_name=True),
    "discard_parked": Permission("admin", _whole_store, by_name=True),
    "rewind_subscription": Permission("admin", _whole_store, by_name=True),
    "listen": Permission("subscribe", _whole_store, scope_of=_to_listen),
    "publish": Permission("append", _whole_store, scope_of=_to_publish),
    "get_pubsub": Permission("read", _whole_store),
    "get_metrics": Permission("read", _whole_store),
    "reset_metrics": Permission("admin", _whole_store),
    "get_health": Permission("read", _whole_store),
    "get_worker_pool_status": Permission("read", _whole_store),
    "verify": Permission("admin", _whole_store),
    "backup": Permission("admin", _whole_store),
}
"""What each operation of the API needs. A token that is confined to a prefix does nothing that reaches further."""


def authorise(
    origin: Origin,
    operation: Operation[Any],
    selector_of: SelectorOf | None = None,
    *,
    reach_known: bool = True,
) -> None:
    """Return if the origin may do this; else raise PermissionDeniedError, which names the missing scope.

    `selector_of` finds the selector of a durable subscription by store and name; without it, one that is only named
    counts as reaching the whole store. Where the streams of an operation, or its store (then empty), are not known yet
    (`reach_known` is false), the rest decides.
    """
    permission = PERMISSIONS[operation.name]
    scope = permission.scope if permission.scope_of is None else permission.scope_of(operation)
    if scope not in origin.scopes:
        raise PermissionDeniedError(operation.name, scope)
    store = getattr(operation, "store", None)
    if origin.stores and store not in origin.stores and (reach_known or store):
        raise PermissionDeniedError(
            operation.name, scope, message="The token is not for this store", stores=sorted(origin.stores)
        )
    prefix = origin.stream_prefix
    if (
        prefix
        and reach_known
        and not all(name.startswith(prefix) for name in _reach(permission, operation, selector_of))
    ):
        raise PermissionDeniedError(
            operation.name,
            scope,
            message="The token is only for streams with a certain prefix",
            stream_prefix=prefix,
        )


def _reach(permission: Permission, operation: Any, selector_of: SelectorOf | None) -> Iterable[str]:
    if permission.by_name and selector_of is not None:
        return reach(selector_of(operation.store, operation.subscription))
    return permission.reach(operation)
