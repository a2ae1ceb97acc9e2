"""The last figures of a store's subscriptions that are at work: sums of all, and those with the largest lag.

Looking at one costs a read of the file, so they are looked at a few at a time; asking for the sums costs nothing.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from itertools import islice
from typing import Final

from gater.model.subscriptions import SubscriptionInfo
from gater.telemetry.sources import MOST_LISTED, SubscriptionSums

STANDING: Final = ("lag", "consumers", "in_flight", "retrying", "parked")
COUNTED: Final = ("delivered", "redelivered")
"""What only grows: deliveries stay counted when their subscription is gone."""


class Figures:
    """The subscriptions of one store that are at work."""

    def __init__(self) -> None:
        self._known: dict[str, SubscriptionInfo | None] = {}
        self._listed: dict[str, None] = {}
        self._full: dict[str, None] = {}
        self._sums: Counter[str] = Counter()
        self._states: dict[str, dict[str, None]] = {}
        """The names of those that were found in each state."""

    def add(self, name: str) -> None:
        """A subscription is at work."""
        self._known.setdefault(name, None)
        if len(self._listed) < MOST_LISTED:
            self._listed[name] = None

    def note(self, info: SubscriptionInfo) -> None:
        """It was looked at."""
        if info.name in self._known:
            before = self._known[info.name]
            self._count(before, -1)
            self._count(info, 1)
            for name in COUNTED:
                self._sums[name] += max(getattr(info, name) - getattr(before, name, 0), 0)
            self._known[info.name] = info
            if info.state == "full":
                self._full[info.name] = None
            elif info.state != "stranded":
                self._full.pop(info.name, None)

    def forget(self, name: str) -> None:
        """It is at work no more."""
        self._count(self._known.pop(name, None), -1)
        self._listed.pop(name, None)
        self._full.pop(name, None)

    def became_full(self, name: str) -> None:
        """So much waits for it that nothing more is read."""
        self._full[name] = None

    def full(self) -> list[str]:
        """Those that were full when they were looked at last, at most MOST_LISTED."""
        return list(islice(self._full, MOST_LISTED))

    def choose(self) -> None:
        """Choose anew which are listed; to be called when all were looked at."""
        found = [info for info in self._known.values() if info is not None]
        if len(found) > MOST_LISTED:
            chosen = sorted([info.name for info in nlargest(MOST_LISTED, found, key=lambda info: info.lag)])
            self._listed = dict.fromkeys(chosen)

    def listed(self) -> list[tuple[int, str]]:
        """Those with the largest lag, at most MOST_LISTED: the lag that was found last, and the name."""
        known = [(self._known[name], name) for name in self._listed]
        return [(0 if info is None else info.lag, name) for info, name in known]

    def in_state(self, state: str) -> list[str]:
        """Those that were found in a state."""
        return list(self._states.get(state, ()))

    def sums(self) -> SubscriptionSums:
        """The sums of all."""
        sums = {name: self._sums[name] for name in (*STANDING, *COUNTED)}
        return SubscriptionSums(**sums, states={state: len(names) for state, names in self._states.items() if names})

    def _count(self, info: SubscriptionInfo | None, sign: int) -> None:
        if info is not None:
            names = self._states.setdefault(info.state, {})
            if sign > 0:
                names[info.name] = None
            else:
                names.pop(info.name, None)
            for name in STANDING:
                self._sums[name] += sign * getattr(info, name)
