"""Counts of the cluster: workers assigned, nodes seen, registrations."""

from __future__ import annotations

from typing import Any, Final

from gater.telemetry.tally import Tally

MOST_LOST_NODES: Final = 1_000
"""Nodes remembered as disconnected; the one lost first is forgotten first."""


class WorkerCounts:
    """Assignments of gateway workers to calls; times in milliseconds since 1970."""

    def __init__(self) -> None:
        self.assignments = 0
        self.releases = 0
        self.unavailable = 0
        """Attempts that found no worker."""
        self.active = 0
        """Workers assigned and not released."""
        self.by_store = Tally()
        self.last_assignment: int | None = None

    def assigned(self, store: str, now: int) -> None:
        """A worker took on a call for a store."""
        self.assignments += 1
        self.active += 1
        self.by_store.add(store)
        self.last_assignment = now

    def released(self) -> None:
        """A worker is free again; never more than were assigned."""
        self.releases += 1
        if self.active:
            self.active -= 1

    def found_none(self) -> None:
        """No worker could be had."""
        self.unavailable += 1

    @property
    def success_rate(self) -> float:
        """The share of attempts that found a worker; 1 when there was no attempt."""
        attempts = self.assignments + self.unavailable
        return self.assignments / attempts if attempts else 1.0

    def clear(self) -> None:
        """Begin again; workers that are assigned still are."""
        self.assignments = self.releases = self.unavailable = 0
        self.by_store.clear()
        self.last_assignment = None

    def figures(self) -> dict[str, Any]:
        """The numbers as a map, as `get_metrics` shows them."""
        return {
            "assignments": self.assignments,
            "releases": self.releases,
            "unavailable_attempts": self.unavailable,
            "active_assignments": self.active,
            "by_store": self.by_store.as_dict(),
            "last_assignment": self.last_assignment,
            "success_rate": self.success_rate,
        }


class KnownNodes:
    """The other nodes of the cluster: which are connected, and which were."""

    def __init__(self) -> None:
        self._connected: dict[str, None] = {}
        self._lost: dict[str, None] = {}
        self.events = 0
        """Nodes that came up or went down, all in all."""

    def up(self, node: str) -> None:
        """A node is connected."""
        self._lost.pop(node, None)
        self._connected[node] = None
        self.events += 1

    def down(self, node: str) -> None:
        """A node is not connected any more."""
        self._connected.pop(node, None)
        self._lost.pop(node, None)
        self._lost[node] = None
        if len(self._lost) > MOST_LOST_NODES:
            del self._lost[next(iter(self._lost))]
        self.events += 1

    @property
    def connected(self) -> list[str]:
        """The nodes that are connected, longest first."""
        return list(self._connected)

    @property
    def lost(self) -> list[str]:
        """The nodes that were connected, the one lost first in front."""
        return list(self._lost)

    def figures(self) -> dict[str, Any]:
        """The numbers as a map, as `get_metrics` shows them; the size of the cluster counts this node."""
        return {
            "connected_count": len(self._connected),
            "disconnected_count": len(self._lost),
            "total_cluster_size": len(self._connected) + 1,
            "cluster_events": self.events,
        }


class RegistrationCounts:
    """Registrations of workers with the cluster; times in milliseconds since 1970."""

    def __init__(self) -> None:
        self.successes = 0
        self.failures = 0
        self.last_registration: int | None = None

    def succeeded(self, now: int) -> None:
        """A worker is registered."""
        self.successes += 1
        self.last_registration = now

    def failed(self) -> None:
        """A worker could not be registered."""
        self.failures += 1

    def clear(self) -> None:
        """Begin again."""
        self.successes = self.failures = 0
        self.last_registration = None

    def figures(self) -> dict[str, Any]:
        """The numbers as a map, as `get_metrics` shows them."""
        return {
            "successes": self.successes,
            "failures": self.failures,
            "last_registration": self.last_registration,
        }
