"""Which events of a consumer group are to be parked, and which keys are blocked by a parked event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gater.model.events import STREAM, EventRow
from gater.model.subscriptions import cut_reason
from gater.subscriptions.group_entry import PARKING, Entry


class Parking(NamedTuple):
    """An event that is to be parked."""

    position: int
    row: EventRow
    reason: str
    attempts: int
    """How often it was delivered without success; 0 when it is parked because of the one before it."""


class ParkingLot:
    """Parking is done in two steps: it is announced, and takes effect when it is durable."""

    def __init__(self, blocked: Iterable[tuple[str, int]]) -> None:
        self.blocked: dict[str, int] = {}
        """Keys whose later events are parked, too, and behind which position."""
        self._keys: dict[int, str] = {}
        """The keys of the parked events, by position."""
        self._numbers: dict[str, int] = {}
        """How many parked events block a key."""
        self._announced: dict[int, Entry] = {}
        for key, position in blocked:
            self.block(key, position)

    def announce(self, entry: Entry) -> None:
        """An event is to be parked, for the reason that it has."""
        entry.state = PARKING
        self._announced[entry.position] = entry

    def take(self) -> list[Parking]:
        """The events announced since the last call, in the order of positions."""
        announced, self._announced = self._announced, {}
        return [
            Parking(position, entry.row, *entry.parking)
            for position, entry in sorted(announced.items())
            if entry.state is PARKING
        ]

    def block(self, key: str, position: int) -> None:
        """An event of the key is parked: those behind it do not go on."""
        self.blocked[key] = min(position, self.blocked.get(key, position))
        if position not in self._keys:
            self._keys[position] = key
            self._numbers[key] = self._numbers.get(key, 0) + 1

    def unpark(self, positions: Iterable[int]) -> None:
        """These are parked no longer: keys of which nothing else is go on."""
        for position in positions:
            key = self._keys.pop(position, None)
            if key is None:
                continue
            self._numbers[key] -= 1
            if not self._numbers[key]:
                del self._numbers[key], self.blocked[key]

    def unblock_all(self) -> None:
        """No key is blocked any more."""
        for names in (self.blocked, self._keys, self._numbers):
            names.clear()

    def is_behind(self, entry: Entry) -> bool:
        """Whether an event must not be delivered because one before it is parked; a replayed one may be."""
        position = self.blocked.get(entry.row[STREAM])
        return position is not None and entry.position > position and not entry.replayed


def failed_too_often(failures: int, reason: str) -> str:
    """The reason to park an event that was tried often enough."""
    times = f"failed {failures} time{'' if failures == 1 else 's'}"
    return cut_reason(f"{times}: {reason}" if reason else times)


def behind(position: int) -> str:
    """The reason to park an event that did not fail itself."""
    return f"behind the parked event at position {position}"
