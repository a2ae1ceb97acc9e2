"""The figures of a node over HTTP, with the methods of TelemetryApi."""

from __future__ import annotations

from typing import Any

from tests.contract.http_requests import HttpRequests


class HttpTelemetry(HttpRequests):
    """What is about the node's own figures."""

    async def get_metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._call("GET", "/v1/node/metrics")
        return found

    async def reset_metrics(self) -> None:
        assert await self._call("POST", "/v1/node/metrics/reset") is None

    async def get_health(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._call("GET", "/v1/node/health")
        return found

    async def get_worker_pool_status(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._call("GET", "/v1/node/workers")
        return found
