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


def check_start(store: Store, operation: sub.SubscribeOperation, stream_id: str | None, start: int | None) -> None:
    """HistoryChangedError when a subscription cannot go on at `start`: a version of a stream, or a position.

    One that names a history has come up to there in it; any other may begin where the store has yet to come.
    """
    check_goes_on(store, operation)
    if operation.history and start is not None:
        if stream_id is None:
            store.history.check_reached(start - 1, store.tail.position)
        else:
            with store.reading():
                store.history.check_reached(start - 1, store.reader.version(stream_id), "version")
