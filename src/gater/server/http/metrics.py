"""Routes of a node's own figures: for programs as JSON, for Prometheus as text."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from gater.server.http.answers import Answer, json_answer
from gater.server.http.documented import documented
from gater.server.http.paths import NODE
from gater.server.http.requests import AnyRequest, access_of, service_of
from gater.telemetry.health_rules import Health
from gater.telemetry.prometheus import CONTENT_TYPE


class NodeFigures(msgspec.Struct, frozen=True):
    """The counts of a node, in groups; times in milliseconds since 1970."""

    api_calls: dict[str, Any]
    gateway_workers: dict[str, Any]
    cluster_nodes: dict[str, Any]
    pubsub_messages: dict[str, Any]
    swarm_registrations: dict[str, Any]
    system_metrics: dict[str, Any]
    issues: list[dict[str, Any]]
    """The newest alerts, oldest first."""
    last_updated: int


class NodeHealth(msgspec.Struct, frozen=True):
    """The health of a node, and of the parts that it follows from; the time in milliseconds since 1970."""

    status: Health
    api_health: Health
    worker_pool_health: Health
    cluster_health: Health
    node: str
    timestamp: int


class WorkerPool(msgspec.Struct, frozen=True):
    """The number of workers that can be had; null where it is unknown."""

    available_workers: int | None
    workers_by_store: dict[str, int] | None
    active_assignments: int
    total_assignments: int
    unavailable_attempts: int
    assignment_success_rate: float


@get("/metrics", tags=["node"], opt=documented(other_types=("text/plain",)))
async def metrics(request: AnyRequest) -> Answer:
    """Every figure of the node in the text format of Prometheus; needs the scope `read`."""
    access = access_of(request)
    await access.api.get_health()  # who may ask for this may have the figures
    return Answer(service_of(request).metrics_page(), media_type=CONTENT_TYPE)


@get(f"{NODE}/metrics", tags=["node"], opt=documented(answer=NodeFigures))
async def get_metrics(request: AnyRequest) -> Answer:
    """The counts of the node since it began or was reset, in groups: calls, workers, messages, memory."""
    return json_answer(await access_of(request).api.get_metrics())


@post(f"{NODE}/metrics/reset", tags=["node"], opt=documented(status=204))
async def reset_metrics(request: AnyRequest) -> Answer:
    """Begin to count again; what is under way is not forgotten. Needs the scope `admin`."""
    await access_of(request).api.reset_metrics()
    return Answer(b"", 204)


@get(f"{NODE}/health", tags=["node"], opt=documented(answer=NodeHealth))
async def get_health(request: AnyRequest) -> Answer:
    """The health of the node, by rules on its figures."""
    return json_answer(await access_of(request).api.get_health())


@get(f"{NODE}/workers", tags=["node"], opt=documented(answer=WorkerPool))
async def get_worker_pool_status(request: AnyRequest) -> Answer:
    """The number of workers that serve stores here, and the share of attempts that found one."""
    return json_answer(await access_of(request).api.get_worker_pool_status())


ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (metrics, get_metrics, reset_metrics, get_health, get_worker_pool_status)
