"""When something counts as healthy: every threshold, from both sides."""

from __future__ import annotations

from itertools import product

import pytest

from gater.telemetry import health_rules as rules
from gater.telemetry.health_rules import Check, Health


@pytest.mark.parametrize(("errors", "total", "rate"), [(0, 0, 0.0), (0, 5, 0.0), (1, 4, 0.25), (3, 0, 0.0)])
def test_error_rate_is_a_share_of_the_total(errors: int, total: int, rate: float) -> None:
    assert rules.error_rate(errors, total) == rate


@pytest.mark.parametrize(
    ("rate", "mean", "health"),
    [
        (0.0, 0.0, "healthy"),
        (0.0099, 0.999, "healthy"),
        (0.01, 0.0, "degraded"),
        (0.0, 1.0, "degraded"),
        (0.0499, 4.999, "degraded"),
        (0.05, 0.0, "unhealthy"),
        (0.0, 5.0, "unhealthy"),
    ],
)
def test_api_health(rate: float, mean: float, health: Health) -> None:
    assert rules.api_health(rate, mean) == health


@pytest.mark.parametrize(
    ("success_rate", "workers", "health"),
    [
        (1.0, 1, "healthy"),
        (0.951, 1, "healthy"),
        (0.95, 3, "degraded"),
        (0.801, 1, "degraded"),
        (0.80, 1, "unhealthy"),
        (1.0, 0, "unhealthy"),
        (1.0, None, "unknown"),
    ],
)
def test_worker_pool_health(success_rate: float, workers: int | None, health: Health) -> None:
    assert rules.worker_pool_health(success_rate, workers) == health


@pytest.mark.parametrize(
    ("connected", "lost", "health"),
    [
        (0, 0, "healthy"),
        (3, 0, "healthy"),
        (3, 1, "healthy"),
        (2, 1, "degraded"),
        (0, 1, "degraded"),
        (1, 2, "degraded"),
        (0, 2, "unhealthy"),
        (1, 3, "unhealthy"),
    ],
)
def test_cluster_health(connected: int, lost: int, health: Health) -> None:
    assert rules.cluster_health(connected, lost) == health


EVERY: tuple[Health, ...] = ("healthy", "degraded", "unhealthy", "unknown")


@pytest.mark.parametrize(("api", "pool", "cluster"), list(product(EVERY, repeat=3)))
def test_overall_asks_for_the_api_and_one_other(api: Health, pool: Health, cluster: Health) -> None:
    good = [each in ("healthy", "degraded") for each in (api, pool, cluster)]
    expected = "healthy" if all(good) else "degraded" if good[0] and any(good[1:]) else "unhealthy"
    assert rules.overall(api, pool, cluster) == expected


@pytest.mark.parametrize(
    ("writes", "reads", "mean", "health"),
    [
        (0.0, 0.0, 0.0, "healthy"),
        (0.0099, 0.0099, 4.999, "healthy"),
        (0.01, 0.0, 0.0, "degraded"),
        (0.0, 0.01, 0.0, "degraded"),
        (0.0, 0.0, 5.0, "degraded"),
        (0.0499, 0.0, 14.999, "degraded"),
        (0.0, 0.05, 0.0, "unhealthy"),
        (0.0, 0.0, 15.0, "unhealthy"),
    ],
)
def test_store_health(writes: float, reads: float, mean: float, health: Health) -> None:
    assert rules.store_health(writes, reads, mean) == health


@pytest.mark.parametrize(
    ("rate", "health"), [(0.0, "healthy"), (0.01, "degraded"), (0.049, "degraded"), (0.05, "unhealthy")]
)
def test_subscription_health(rate: float, health: Health) -> None:
    assert rules.subscription_health(rate) == health


@pytest.mark.parametrize(
    ("passed", "checks", "health"),
    [(0, 0, "unknown"), (96, 100, "healthy"), (95, 100, "degraded"), (81, 100, "degraded"), (80, 100, "unhealthy")],
)
def test_consistency_health(passed: int, checks: int, health: Health) -> None:
    assert rules.consistency_health(passed, checks) == health


@pytest.mark.parametrize(("nodes", "health"), [(0, "unhealthy"), (1, "degraded"), (2, "degraded"), (3, "healthy")])
def test_replication_health(nodes: int, health: Health) -> None:
    assert rules.replication_health(nodes) == health


@pytest.mark.parametrize(
    ("percent", "check"), [(0.0, "ok"), (75.0, "ok"), (75.1, "warning"), (90.0, "warning"), (90.1, "error")]
)
def test_resource_check(percent: float, check: Check) -> None:
    assert rules.resource_check(percent) == check


@pytest.mark.parametrize(
    ("checks", "health"),
    [
        ([], "healthy"),
        (["ok", "ok"], "healthy"),
        (["ok", "warning"], "degraded"),
        (["warning", "error", "ok"], "unhealthy"),
    ],
)
def test_the_worst_check_decides(checks: list[Check], health: Health) -> None:
    assert rules.overall_of_checks(checks) == health
