"""The operations on a node's own figures as values."""

from __future__ import annotations

from typing import Any

from gater.api.operation import Operation


class GetMetrics(Operation[dict[str, Any]], frozen=True, array_like=True):
    """The counts of the node."""

    name = "get_metrics"
    answer = dict[str, Any]


class ResetMetrics(Operation[None], frozen=True, array_like=True):
    """Begin to count again."""

    name = "reset_metrics"
    effect = "admin"
    answer = None


class GetHealth(Operation[dict[str, Any]], frozen=True, array_like=True):
    """The health of the node, by rules on its figures."""

    name = "get_health"
    answer = dict[str, Any]


class GetWorkerPoolStatus(Operation[dict[str, Any]], frozen=True, array_like=True):
    """The number of workers, and the share of attempts that found one."""

    name = "get_worker_pool_status"
    answer = dict[str, Any]
