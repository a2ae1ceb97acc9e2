"""Operations that are answered from the file at once."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gater.api import operations as op
from gater.api.arguments import check_count, check_position, check_start_version
from gater.gateway.handling import Handler, StoresContext, in_task, reading
from gater.gateway.histories import check_after, check_start
from gater.model.errors import NotFoundError
from gater.model.events import POSITION
from gater.model.limits import PAGE_EVENTS
from gater.model.selectors import Selector, parse_selector
from gater.model.snapshots import check_snapshot_version
from gater.store.reader import Page
from gater.store.store import Store
from gater.subscriptions.looking import look
from gater.subscriptions.matching import Matcher, compile_selector


def read_stream(store: Store, operation: op.ReadStream) -> Any:
    """A page of a stream."""
    start, count = check_start_version(operation.start_version), check_count(operation.count)
    if not operation.backward:
        check_start(store, operation, operation.stream_id, start)
    page = store.reader.read_stream(operation.stream_id, start, count, operation.backward)
    return page._replace(history=store.history.id)


def read_all(store: Store, operation: op.ReadAll) -> Any:
    """A page of a whole store, or of what matches."""
    count, matcher = check_count(operation.count), matcher_of(operation.selector)
    head = store.tail.position
    if operation.backward:
        cursor = head + 1 if operation.after is None else min(check_position(operation.after, "after"), head + 1)
    else:
        cursor = check_position(operation.after, "after")
        check_after(store, operation, cursor)
    page = read_all_page(store, cursor, head, count, operation.backward, matcher)
    return page._replace(history=store.history.id)


def matcher_of(selector: Selector | None) -> Matcher | None:
    """The matcher that decides about events; None when every event matches."""
    matcher = None if selector is None else compile_selector(parse_selector(selector))
    return None if matcher is None or matcher.everything else matcher


def read_all_page(store: Store, cursor: int, head: int, count: int, backward: bool, matcher: Matcher | None) -> Page:
    """Up to `count` matching events after a position (backward: below it); of few that match, perhaps none."""
    reader = store.reader
    if matcher is None:
        return reader.read_all_backward(cursor, count) if backward else reader.read_all(cursor, count, head)
    if matcher.types is None:
        most = PAGE_EVENTS  # most do not match, and a page that is cut behind the last wanted one can be read on
        page = reader.read_all_backward(cursor, most) if backward else reader.read_all(cursor, most, head)
    elif backward:
        page = reader.read_types_backward(matcher.types, cursor, count)
    else:
        page = reader.read_types(matcher.types, cursor, count, head)
    looked = look(matcher, page.events)
    if len(looked.matching) > count:
        return Page(looked.matching[:count], looked.matching[count - 1][POSITION])
    if looked.rest and looked.last is not None:
        return Page(looked.matching, looked.last[POSITION])
    return Page(looked.matching, page.next)


def get_version(store: Store, operation: op.GetVersion) -> int:
    """The version of a stream."""
    return store.reader.version(operation.stream_id)


async def get_streams(context: StoresContext, operation: op.GetStreams) -> list[str]:
    """Ids of streams; others have their turn when many deleted ones lie between."""
    store, limit = context.stores.get(operation.store), min(check_count(operation.limit), 1_000)
    found: list[str] = []
    after: str | None = operation.after
    while after is not None:
        with store.reading():
            names, after = store.reader.streams(operation.prefix, after, limit - len(found))
        found += names
        if len(found) == limit:
            break
        if after is not None:
            await asyncio.sleep(0)
    return found


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


HANDLERS: Final[dict[type, Handler]] = {
    op.ReadStream: reading(read_stream),
    op.ReadAll: reading(read_all),
    op.GetVersion: reading(get_version),
    op.GetStreams: in_task(get_streams),
    op.ReadSnapshot: reading(read_snapshot),
    op.ListSnapshots: reading(list_snapshots),
}
