"""Operations on the metrics of this node."""

from __future__ import annotations

from typing import Final

from gater.api import telemetry_operations as op
from gater.gateway.handling import Handler
from gater.model.outcome import Done
from gater.telemetry.metrics import Metrics


def reset(metrics: Metrics, operation: op.ResetMetrics, done: Done) -> None:
    """Begin to count again."""
    metrics.reset_metrics()
    done(None, None)


HANDLERS: Final[dict[type, Handler]] = {
    op.GetMetrics: lambda metrics, _, done: done(metrics.get_metrics(), None),
    op.ResetMetrics: reset,
    op.GetHealth: lambda metrics, _, done: done(metrics.get_health(), None),
    op.GetWorkerPoolStatus: lambda metrics, _, done: done(metrics.get_worker_pool_status(), None),
}
