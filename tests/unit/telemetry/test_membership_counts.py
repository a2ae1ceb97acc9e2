"""Counting workers, nodes and registrations."""

from __future__ import annotations

import pytest

from gater.telemetry import membership_counts
from gater.telemetry.membership_counts import KnownNodes, RegistrationCounts, WorkerCounts


def test_worker_is_active_from_assignment_to_release() -> None:
    workers = WorkerCounts()
    workers.assigned("orders", 1)
    workers.assigned("orders", 2)
    workers.released()
    assert workers.figures() == {
        "assignments": 2,
        "releases": 1,
        "unavailable_attempts": 0,
        "active_assignments": 1,
        "by_store": {"orders": 2},
        "last_assignment": 2,
        "success_rate": 1.0,
    }


def test_releases_never_leave_fewer_than_no_workers_active() -> None:
    workers = WorkerCounts()
    workers.released()
    assert (workers.active, workers.releases) == (0, 1)


def test_success_rate_is_the_share_of_attempts_that_found_a_worker() -> None:
    workers = WorkerCounts()
    assert workers.success_rate == 1.0
    workers.assigned("s", 1)
    for _ in range(3):
        workers.found_none()
    assert workers.success_rate == 0.25


def test_reset_of_workers_keeps_those_at_work() -> None:
    workers = WorkerCounts()
    workers.assigned("s", 1)
    workers.found_none()
    workers.clear()
    assert (workers.active, workers.assignments, workers.success_rate) == (1, 0, 1.0)
    assert workers.figures()["by_store"] == {}


def test_node_moves_between_connected_and_lost() -> None:
    nodes = KnownNodes()
    nodes.up("a")
    nodes.up("b")
    nodes.down("a")
    assert (nodes.connected, nodes.lost) == (["b"], ["a"])
    nodes.up("a")
    assert (nodes.connected, nodes.lost) == (["b", "a"], [])
    assert nodes.figures() == {
        "connected_count": 2,
        "disconnected_count": 0,
        "total_cluster_size": 3,
        "cluster_events": 4,
    }


def test_node_that_goes_down_unseen_is_lost() -> None:
    nodes = KnownNodes()
    nodes.down("a")
    assert (nodes.connected, nodes.lost) == ([], ["a"])


def test_lost_nodes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_counts, "MOST_LOST_NODES", 2)
    nodes = KnownNodes()
    for node in ("a", "b", "a", "c"):
        nodes.down(node)
    assert nodes.lost == ["a", "c"]


def test_registrations_are_counted_by_how_they_ended() -> None:
    registrations = RegistrationCounts()
    registrations.succeeded(7)
    registrations.failed()
    assert registrations.figures() == {"successes": 1, "failures": 1, "last_registration": 7}
    registrations.clear()
    assert registrations.figures() == {"successes": 0, "failures": 0, "last_registration": None}
