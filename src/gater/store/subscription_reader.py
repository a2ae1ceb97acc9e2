"""Reads of what a store keeps of its durable subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from gater.model.selectors import Selector, parse_selector
from gater.model.subscriptions import Ahead, GroupSettings, SubscriptionConfig
from gater.store import queries
from gater.store.counts import Counts


class SavedSubscription(NamedTuple):
    """A durable subscription as the file has it."""

    config: SubscriptionConfig
    first_version: int
    made: int
    """The number of its first run."""
    run: int
    """The number of its present run."""
    checkpoint: int
    ahead: Ahead


class ParkedRow(NamedTuple):
    """A parked event without the event."""

    position: int
    reason: str
    attempts: int
    parked_epoch: int
    replaying: bool


class SubscriptionReader:
    """Answers from the file, on a connection for reading."""

    def __init__(self, connection: apsw.Connection, counts: Counts) -> None:
        self._connection = connection
        self._counts = counts

    def all(self) -> list[SavedSubscription]:
        """Every durable subscription, in the order of their names."""
        return [_saved(row) for row in self._connection.execute(queries.ALL_SUBSCRIPTIONS)]

    def get(self, name: str) -> SavedSubscription | None:
        """The durable subscription of that name."""
        row = self._connection.execute(queries.ONE_SUBSCRIPTION, (name,)).fetchone()
        return None if row is None else _saved(row)

    def names(self, after: str, limit: int) -> list[tuple[str, int]]:
        """Up to `limit` names behind `after`, in order, each with the number of the subscription's first run."""
        rows: list[Any] = self._connection.execute(queries.SUBSCRIPTION_NAMES, (after, limit)).fetchall()
        return rows

    def made(self, name: str) -> int | None:
        """The number of the first run of the durable subscription of that name."""
        found: int | None = queries.one(self._connection, queries.SUBSCRIPTION_MADE, (name,))
        return found

    def numbers(self) -> int:
        """The last number that was given to a run, or as a receipt."""
        return int(queries.one(self._connection, queries.GET_META, ("numbers",)))

    def count_parked(self, name: str) -> int:
        """The number of parked events of a subscription, those being delivered again included."""
        return self._counts.parked.get(name, 0)

    def parked(self, name: str, after: int, limit: int) -> list[ParkedRow]:
        """Up to `limit` parked events after position `after`, in order."""
        rows = self._connection.execute(queries.PARKED, (name, after, limit))
        return [ParkedRow(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def not_parked(self, name: str, positions: Sequence[int]) -> int | None:
        """One of these positions that is not parked; None when all are."""
        chosen = msgspec.json.encode(positions).decode()
        found: int | None = queries.one(self._connection, queries.NOT_PARKED, (name, chosen))
        return found

    def parked_streams(self, name: str) -> list[tuple[str, int, bool]]:
        """Stream and position of each parked event that is still there, and whether it is being delivered again."""
        return [
            (stream, position, bool(replaying))
            for stream, position, replaying in self._connection.execute(queries.PARKED_STREAMS, (name,))
        ]


def selector_json(selector: Selector) -> bytes:
    """A selector as it is stored: equal selectors give equal bytes."""
    return msgspec.json.encode(selector.to_plain(), order="deterministic")


def _saved(row: Sequence[Any]) -> SavedSubscription:
    name, selector, start_from, first_version, settings, created, updated, made, run, checkpoint, ahead = row
    config = SubscriptionConfig(
        name,
        parse_selector(msgspec.json.decode(selector)),
        start_from,
        msgspec.json.decode(settings, type=GroupSettings),
        created,
        updated,
    )
    known = msgspec.msgpack.decode(ahead, type=Ahead) if ahead else Ahead()
    return SavedSubscription(config, first_version, made, run, checkpoint, known)
