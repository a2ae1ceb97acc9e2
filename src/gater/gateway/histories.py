"""Refusals of what goes on from another history than that of its store."""

from __future__ import annotations

from typing import Any

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.store.store import Store


def same_history(store: Store, operation: Any) -> Store:
    """The store, if an operation goes on from its history; one that names none does."""
    if history := getattr(operation, "history", ""):
        store.history.check(history)
    return store


def check_goes_on(store: Store, operation: op.ScanStream | op.ScanAll | sub.SubscribeOperation) -> None:
    """HistoryChangedError when an operation goes on from another history, or from an event that is not there."""
    same_history(store, operation)
    seen = operation.seen
    if seen is not None:
        store.history.check_reached(seen.position, store.tail.position)
        with store.reading():
            store.history.check_event(seen.event_id, store.reader.event_id(seen.position))


def check_start(
    store: Store, operation: sub.SubscribeOperation | op.ReadStream | op.ScanStream, stream_id: str | None, start: int
) -> None:
    """HistoryChangedError when an operation that names its history begins beyond the end of it.

    `start` is a version of a stream, or a position. Without a history it may begin where the store has yet to come.
    """
    if not operation.history:
        return
    if stream_id is None:
        check_after(store, operation, start - 1)
    else:
        with store.reading():
            store.history.check_reached(start - 1, store.reader.version(stream_id), "version")


def check_after(store: Store, operation: Any, after: int) -> None:
    """The same check for an operation that resumes after a position."""
    if operation.history:
        store.history.check_reached(after, store.tail.position)
