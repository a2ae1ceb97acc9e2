"""State of durable subscriptions in the machine, and its changes by commands.

A run of a subscription is what happens between one beginning and the next: it is made, rewound, or saved with another
`start_from`. Runs and receipts are numbered by one counter of the store, which is part of its content and never gives a
number twice, not even after a subscription was removed. So a run has a number that never returns, its receipts are
greater than its number, and those of earlier runs are less. What was said in a run that has ended is refused, by the
order of the log.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import apsw
import msgspec

from gater.model import commands as c
from gater.model.errors import AlreadyExistsError, OverloadedError, SubscriptionNotFoundError
from gater.model.selectors import parse_selector, reach
from gater.model.subscriptions import GroupSettings
from gater.store import queries

NUMBERS: Final = "numbers"
"""The row of `meta` with the last number that was given to a run, or as a receipt."""
FROM_NOW_ON: Final = -1
"""As `start_from`: behind what is committed when the subscription is made."""
MOST_SUBSCRIPTIONS: Final = 10_000
"""Durable subscriptions that a store may have."""
MOST_OF_PREFIX: Final = MOST_SUBSCRIPTIONS // 10
"""Those among them that select streams of one prefix, as far as callers make them who are confined to it."""


class Change(NamedTuple):
    """The statements that a command writes, and its answer.

    When `answer` is CHOSEN, the answer is what the last statement returns: the first column of its rows.
    """

    statements: list[tuple[str, tuple[Any, ...]]]
    answer: Any


CHOSEN: Final = object()


class Record:
    """The state that decides about commands: selector, start, runs and checkpoint."""

    __slots__ = ("checkpoint", "made", "reach", "run", "selector", "start_from")

    def __init__(self, selector: bytes, start_from: int, made: int, run: int, checkpoint: int) -> None:
        self.selector = selector
        self.reach = reach(parse_selector(msgspec.json.decode(selector)))
        """The streams that it can touch, by their ids or what these begin with."""
        self.start_from = start_from
        self.made = made
        """The number of its first run."""
        self.run = run
        self.checkpoint = checkpoint


class SubscriptionRecords:
    """The durable subscriptions of a store by name; decides what a command changes, the machine writes it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._records = {
            name: Record(bytes(selector), start_from, made, run, checkpoint)
            for name, selector, start_from, made, run, checkpoint in connection.execute(queries.SUBSCRIPTION_STATES)
        }
        self._numbers: int = queries.one(connection, queries.GET_META, (NUMBERS,))
        """The last number that was given to a run, or as a receipt."""

    def change(self, command: c.SubscriptionCommand, head: int) -> Change:
        """The change of a command when the newest position is `head`; raises the error that refuses it."""
        match command:
            case c.SaveSubscription():
                return self._save(command, head)
            case c.RemoveSubscription():
                return self._remove(command)
            case c.AdvanceCheckpoint():
                return self._advance(command)
            case c.ClaimReceipts():
                return self._claim(command)
            case c.RewindSubscription():
                return self._rewind(command)
            case c.ParkEvents():
                return self._park(command)
            case c.ReplayParked():
                return self._choose(queries.REPLAY_PARKED, queries.REPLAY_FIRST, command)
            case c.DiscardParked():
                return self._choose(queries.DISCARD_PARKED, queries.DISCARD_FIRST, command)
            case c.ForgetReplayed():
                return self._forget(command)

    def _get(self, name: str) -> Record:
        record = self._records.get(name)
        if record is None:
            raise SubscriptionNotFoundError(name=name)
        return record

    def _get_run(self, name: str, run: int) -> Record:
        """The subscription, if that is its present run."""
        record = self._get(name)
        if record.run != run:
            raise SubscriptionNotFoundError(name=name, run=run)
        return record

    def _number(self, count: int = 1) -> tuple[int, tuple[str, tuple[Any, ...]]]:
        """The first of so many numbers that were never given before, and the statement that says so."""
        first = self._numbers + 1
        self._numbers += count
        return first, (queries.PUT_META, (NUMBERS, self._numbers))

    def _save(self, command: c.SaveSubscription, head: int) -> Change:
        record = self._records.get(command.name)
        first_version, checkpoint = _beginning(command, head)
        if record is None:
            if len(self._records) >= MOST_SUBSCRIPTIONS:
                raise OverloadedError("subscriptions of a store", MOST_SUBSCRIPTIONS)
            if command.within and self._count_within(command.within) >= MOST_OF_PREFIX:
                raise OverloadedError("subscriptions of a prefix", MOST_OF_PREFIX)
            run, numbered = self._number()
            start_from = command.start_from or 0
            self._records[command.name] = Record(command.selector, start_from, run, run, checkpoint)
            settings = msgspec.json.encode(msgspec.json.decode(command.settings, type=GroupSettings))
            times = (command.epoch, command.epoch)
            row = (command.name, command.selector, start_from, first_version, settings, *times, run, run, checkpoint)
            return Change([numbered, (queries.PUT_SUBSCRIPTION, row)], True)
        if record.selector != command.selector:
            raise AlreadyExistsError("subscription", command.name)
        updated = (queries.UPDATE_SUBSCRIPTION, (command.settings, command.epoch, command.name))
        if command.start_from is None or record.start_from == command.start_from:
            return Change([updated], False)
        record.start_from = command.start_from
        return Change([updated, *self._move(command.name, record, first_version, checkpoint)], False)

    def _count_within(self, prefix: str) -> int:
        """The number of subscriptions that touch only streams with a prefix."""
        return sum([all(name.startswith(prefix) for name in record.reach) for record in self._records.values()])

    def _move(
        self, name: str, record: Record, first_version: int, checkpoint: int
    ) -> list[tuple[str, tuple[Any, ...]]]:
        """Begin a new run."""
        record.run, numbered = self._number()
        record.checkpoint = checkpoint
        moved = (name, record.start_from, first_version, record.run, checkpoint)
        return [numbered, (queries.MOVE_SUBSCRIPTION, moved)]

    def _remove(self, command: c.RemoveSubscription) -> Change:
        record = self._records.get(command.name)
        if record is None or record.selector != command.selector:
            return Change([], False)
        del self._records[command.name]
        name = (command.name,)
        return Change([(queries.DELETE_SUBSCRIPTION, name), (queries.DELETE_PARKED_OF, name)], True)

    def _claim(self, command: c.ClaimReceipts) -> Change:
        self._get_run(command.name, command.run)
        first, numbered = self._number(command.count)
        return Change([numbered], first)

    def _advance(self, command: c.AdvanceCheckpoint) -> Change:
        record = self._get_run(command.name, command.run)
        if command.position < record.checkpoint:
            return Change([], False)
        record.checkpoint = command.position
        return Change([(queries.SET_CHECKPOINT, (command.position, command.ahead, command.name))], True)

    def _rewind(self, command: c.RewindSubscription) -> Change:
        record = self._get(command.name)
        return Change(self._move(command.name, record, 0, command.after), record.run)

    def _park(self, command: c.ParkEvents) -> Change:
        self._get_run(command.name, command.run)
        statements: list[tuple[str, tuple[Any, ...]]] = []
        for entry in command.entries:
            key = (command.name, entry.position)
            statements.append((queries.UNPARK, key))
            statements.append((queries.PARK, (*key, entry.reason, entry.attempts, command.epoch)))
        return Change(statements, None)

    def _choose(self, named: str, first: str, command: c.ReplayParked | c.DiscardParked) -> Change:
        """Change the events that are named, by one statement, or the first of all, by another."""
        record = self._get(command.name)
        if command.run < record.made:
            raise SubscriptionNotFoundError(name=command.name, run=command.run)
        if command.positions is None:
            return Change([(first, (command.name, command.limit))], CHOSEN)
        return Change([(named, (command.name, msgspec.json.encode(command.positions).decode()))], CHOSEN)

    def _forget(self, command: c.ForgetReplayed) -> Change:
        self._get_run(command.name, command.run)
        chosen = msgspec.json.encode(command.positions).decode()
        return Change([(queries.FORGET_REPLAYED, (command.name, chosen))], None)


def _beginning(command: c.SaveSubscription, head: int) -> tuple[int, int]:
    """The first version, for one stream, and the checkpoint of a subscription that begins now."""
    start_from = command.start_from or 0
    if start_from == FROM_NOW_ON:
        return 0, head
    if command.one_stream:
        return start_from, 0
    return 0, max(start_from - 1, 0)
