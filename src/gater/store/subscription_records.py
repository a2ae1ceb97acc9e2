"""What the machine keeps of durable subscriptions, and how commands change it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import apsw
import msgspec

from gater.model import commands as c
from gater.model.errors import AlreadyExistsError, OverloadedError, SubscriptionNotFoundError
from gater.store import queries

FROM_NOW_ON: Final = -1
"""As `start_from`: behind what is committed when the subscription is made."""
MOST_SUBSCRIPTIONS: Final = 10_000
"""Durable subscriptions that a store may have."""


class Change(NamedTuple):
    """What a command writes, statement by statement, and its answer.

    When `answer` is CHOSEN, the answer is what the last statement returns: the first column of its rows.
    """

    statements: list[tuple[str, tuple[Any, ...]]]
    answer: Any


CHOSEN: Final = object()


class Record:
    """What decides about commands: the selector, where it began, and how far it has come."""

    __slots__ = ("checkpoint", "generation", "selector", "start_from")

    def __init__(self, selector: bytes, start_from: int, generation: int, checkpoint: int) -> None:
        self.selector = selector
        self.start_from = start_from
        self.generation = generation
        self.checkpoint = checkpoint


class SubscriptionRecords:
    """The durable subscriptions of a store by name; decides what a command changes, the machine writes it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._records = {
            name: Record(bytes(selector), start_from, generation, checkpoint)
            for name, selector, start_from, generation, checkpoint in connection.execute(queries.SUBSCRIPTION_STATES)
        }

    def change(self, command: c.SubscriptionCommand, head: int) -> Change:
        """What a command does when the newest position is `head`; raises what refuses it."""
        match command:
            case c.SaveSubscription():
                return self._save(command, head)
            case c.RemoveSubscription():
                return self._remove(command)
            case c.AdvanceCheckpoint():
                return self._advance(command)
            case c.RewindSubscription():
                return self._rewind(command)
            case c.ParkEvents():
                return self._park(command)
            case c.ReplayParked():
                return self._choose(queries.REPLAY_PARKED, command)
            case c.DiscardParked():
                return self._choose(queries.DISCARD_PARKED, command)

    def _get(self, name: str) -> Record:
        record = self._records.get(name)
        if record is None:
            raise SubscriptionNotFoundError(name=name)
        return record

    def _save(self, command: c.SaveSubscription, head: int) -> Change:
        record = self._records.get(command.name)
        first_version, checkpoint = _beginning(command, head)
        if record is None:
            if len(self._records) >= MOST_SUBSCRIPTIONS:
                raise OverloadedError("subscriptions of a store", MOST_SUBSCRIPTIONS)
            self._records[command.name] = Record(command.selector, command.start_from, 0, checkpoint)
            beginning = (command.start_from, first_version)
            times = (command.epoch, command.epoch)
            row = (command.name, command.selector, *beginning, command.settings, *times, checkpoint)
            return Change([(queries.PUT_SUBSCRIPTION, row)], True)
        if record.selector != command.selector:
            raise AlreadyExistsError("subscription", command.name)
        updated = (queries.UPDATE_SUBSCRIPTION, (command.settings, command.epoch, command.name))
        if record.start_from == command.start_from:
            return Change([updated], False)
        record.start_from = command.start_from
        return Change([updated, self._move(command.name, record, first_version, checkpoint)], False)

    def _move(self, name: str, record: Record, first_version: int, checkpoint: int) -> tuple[str, tuple[Any, ...]]:
        record.generation += 1
        record.checkpoint = checkpoint
        return queries.MOVE_SUBSCRIPTION, (name, record.start_from, first_version, record.generation, checkpoint)

    def _remove(self, command: c.RemoveSubscription) -> Change:
        if self._records.pop(command.name, None) is None:
            return Change([], False)
        name = (command.name,)
        return Change([(queries.DELETE_SUBSCRIPTION, name), (queries.DELETE_PARKED_OF, name)], True)

    def _advance(self, command: c.AdvanceCheckpoint) -> Change:
        record = self._get(command.name)
        if command.generation != record.generation or command.position < record.checkpoint:
            return Change([], False)
        record.checkpoint = command.position
        return Change([(queries.SET_CHECKPOINT, (command.position, command.ahead, command.name))], True)

    def _rewind(self, command: c.RewindSubscription) -> Change:
        record = self._get(command.name)
        moved = self._move(command.name, record, 0, command.after)
        return Change([moved], record.generation)

    def _park(self, command: c.ParkEvents) -> Change:
        self._get(command.name)
        return Change(
            [
                (queries.PARK, (command.name, entry.position, entry.reason, entry.attempts, command.epoch))
                for entry in command.entries
            ],
            None,
        )

    def _choose(self, statement: str, command: c.ReplayParked | c.DiscardParked) -> Change:
        self._get(command.name)
        chosen = None if command.positions is None else msgspec.json.encode(command.positions).decode()
        return Change([(statement, (command.name, chosen, command.limit))], CHOSEN)


def _beginning(command: c.SaveSubscription, head: int) -> tuple[int, int]:
    """The first version, for one stream, and the checkpoint of a subscription that begins now."""
    if command.start_from == FROM_NOW_ON:
        return 0, head
    if command.one_stream:
        return command.start_from, 0
    return 0, max(command.start_from - 1, 0)
