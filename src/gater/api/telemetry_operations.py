"""The operations on a node's own figures as values."""

from __future__ import annotations

from typing import Any

from gater.api.operation import Operation


class GetMetrics(Operation[dict[str, Any]], frozen=True, array_like=True):
    """What the node has counted."""

    name = "get_metrics"
    answer = dict[str, Any]


class ResetMetrics(Operation[None], frozen=True, array_like=True):
    """Begin to count again."""

    name = "reset_metrics"
    answer = None


class GetHealth(Operation[dict[str, Any]], frozen=True, array_like=True):
    """How the node is doing, by rules on its figures."""

    name = "get_health"
    answer = dict[str, Any]


class GetWorkerPoolStatus(Operation[dict[str, Any]], frozen=True, array_like=True):
    """How many workers there are, and how well they were to be had."""

    name = "get_worker_pool_status"
    answer = dict[str, Any]
