"""The part of the API that is about the node's own figures."""

from __future__ import annotations

from typing import Any

from gater.api.caller import Caller
from gater.api.telemetry_operations import GetHealth, GetMetrics, GetWorkerPoolStatus, ResetMetrics


class TelemetryApi:
    """The metrics of a node, and its health that follows from them."""

    _caller: Caller

    # --- figures and health ---

    async def get_metrics(self) -> dict[str, Any]:
        """The counts of the node since it began: calls, workers, messages, memory. Times are in milliseconds."""
        return await self._caller.call(GetMetrics())

    async def reset_metrics(self) -> None:
        """Begin to count again; what is under way is not forgotten."""
        await self._caller.call(ResetMetrics())

    async def get_health(self) -> dict[str, Any]:
        """The health of the node: `status` is healthy, degraded or unhealthy; and the parts that it follows from."""
        return await self._caller.call(GetHealth())

    async def get_worker_pool_status(self) -> dict[str, Any]:
        """The number of workers that serve stores here, and the share of attempts that found one."""
        return await self._caller.call(GetWorkerPoolStatus())
