"""When a node, a store or a machine counts as healthy: rules on numbers, from the reference, sections 9.3 and 9.4."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

Health: TypeAlias = Literal["healthy", "degraded", "unhealthy", "unknown"]
Check: TypeAlias = Literal["ok", "warning", "error"]

GOOD: Final[frozenset[Health]] = frozenset({"healthy", "degraded"})
"""What counts as good where several are judged together."""
_BADNESS: Final[dict[Health, int]] = {"unknown": 0, "healthy": 1, "degraded": 2, "unhealthy": 3}
SLOW_WRITE_SECONDS: Final = 10.0
"""A write that took longer is worth an alert."""


def error_rate(errors: int, total: int) -> float:
    """The share of errors; 0 when nothing happened."""
    return errors / total if total else 0.0


def api_health(error_rate: float, mean_seconds: float) -> Health:
    """The health of the API, by the share of calls that failed and the duration of a call."""
    if error_rate < 0.01 and mean_seconds < 1.0:
        return "healthy"
    return "degraded" if error_rate < 0.05 and mean_seconds < 5.0 else "unhealthy"


def worker_pool_health(success_rate: float, workers: int | None) -> Health:
    """The health of the workers, by the share of attempts that found one; unknown when their number is (None)."""
    if workers is None:
        return "unknown"
    if workers < 1:
        return "unhealthy"
    return _by_share(success_rate, 0.95, 0.80)


def cluster_health(connected: int, lost: int) -> Health:
    """The health of the cluster, by the other nodes that are connected and those that were.

    What counts is the share of all nodes known, this one included, that can be reached: a node on its own is healthy.
    """
    reached = (connected + 1) / (connected + lost + 1)
    if reached >= 0.80:
        return "healthy"
    return "degraded" if reached >= 0.50 else "unhealthy"


def overall(api: Health, worker_pool: Health, cluster: Health) -> Health:
    """The health of the node: healthy when all three are good, degraded when the API and one of the others are."""
    others = (worker_pool in GOOD) + (cluster in GOOD)
    if api not in GOOD or not others:
        return "unhealthy"
    return "healthy" if others == 2 else "degraded"


def store_health(write_error_rate: float, read_error_rate: float, mean_write_seconds: float) -> Health:
    """The health of a store, by the shares of writes and reads that failed and the duration of a write."""
    worst = max(write_error_rate, read_error_rate)
    if worst < 0.01 and mean_write_seconds < 5.0:
        return "healthy"
    return "degraded" if worst < 0.05 and mean_write_seconds < 15.0 else "unhealthy"


def subscription_health(error_rate: float) -> Health:
    """The health of subscriptions, by the share of deliveries that failed."""
    if error_rate < 0.01:
        return "healthy"
    return "degraded" if error_rate < 0.05 else "unhealthy"


def consistency_health(passed: int, checks: int) -> Health:
    """The health of stored data, by the checks that passed; unknown when there were none."""
    return _by_share(passed / checks, 0.95, 0.80) if checks else "unknown"


def replication_health(nodes: int) -> Health:
    """The safety of replicated data, by the nodes that hold it."""
    if nodes >= 3:
        return "healthy"
    return "degraded" if nodes >= 1 else "unhealthy"


def resource_check(used_percent: float) -> Check:
    """Whether too much of a resource is in use."""
    if used_percent > 90:
        return "error"
    return "warning" if used_percent > 75 else "ok"


def overall_of_checks(checks: Iterable[Check]) -> Health:
    """The health that follows from several checks; healthy when there are none."""
    results = set(checks)
    if "error" in results:
        return "unhealthy"
    return "degraded" if "warning" in results else "healthy"


def worst(*judged: Health) -> Health:
    """The worst of several parts; unknown parts do not count, and no parts are healthy."""
    return max(judged, key=_BADNESS.__getitem__, default="healthy")


def _by_share(share: float, healthy: float, degraded: float) -> Health:
    if share > healthy:
        return "healthy"
    return "degraded" if share > degraded else "unhealthy"
