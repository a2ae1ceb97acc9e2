"""The state that the routes of one server share: the API on behalf of each caller, the limits, and the stopping."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from gater.api.gater_api import GaterApi
from gater.api.operation import Operation
from gater.api.operations import GetStoreStatus
from gater.api.origin import Origin
from gater.gateway.door import Door
from gater.gateway.gateway import Gateway
from gater.gateway.local_caller import LocalCaller
from gater.gateway.permissions import authorise
from gater.model.errors import AccessError, OverloadedError, PermissionDeniedError
from gater.model.limits import Limits
from gater.model.memory_budget import Share
from gater.model.version import __version__
from gater.server.auth import Authenticator
from gater.server.large_requests import LargeRequests
from gater.server.outgoing import Outgoing
from gater.server.slots import OnExcess
from gater.telemetry.prometheus import MetricsPage

MOST_ORIGINS: Final = 1_000
"""Origins whose API objects are kept for their next requests."""


class Access:
    """The API on behalf of one origin: operations as values, and the object over them."""

    def __init__(self, door: Door, origin: Origin) -> None:
        self.caller = LocalCaller(door, origin=origin)
        self.api = GaterApi(self.caller)
        self._door = door
        self._origin = origin

    def admit(self, operation: Operation[Any], *, reach_known: bool = True) -> None:
        """Return if the origin may do this, as far as the operation is known; else PermissionDeniedError."""
        self._door.admit(operation, self._origin, reach_known=reach_known)


class Service:
    """The gateway as the server's callers reach it."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator, limits: Limits, body_timeout: float) -> None:
        self.limits = limits
        self.body_timeout = body_timeout
        self.held_bytes = HeldBytes(limits.max_waiting_bytes, gateway.memory.requests, gateway.audit.limit_reached)
        self.large = LargeRequests()
        self.outgoing = Outgoing(gateway.memory.answers)
        """The unsent bytes of all connections."""
        self.stopping = asyncio.Event()
        """Set when what would never end by itself has to end."""
        self._gateway = gateway
        self._metrics_page = MetricsPage(gateway.metrics, __version__)
        self._authenticator = authenticator
        self._access: dict[Origin, Access] = {}

    def access(self, headers: Mapping[str, str], address: str | None) -> Access:
        """The API for the sender of these headers; raises UnauthenticatedError or PermissionDeniedError."""
        try:
            origin = self._authenticator.authenticate(headers, address)
        except AccessError as error:
            self._gateway.audit.connection_refused(error, address)
            raise
        found = self._access.get(origin)
        if found is None:
            if len(self._access) >= MOST_ORIGINS:
                self._access.clear()
            found = self._access[origin] = Access(self._gateway.door, origin)
        return found

    def metrics_page(self) -> bytes:
        """Every figure of the node, as Prometheus reads it."""
        return self._metrics_page.render()

    def troubles(self, headers: Mapping[str, str], address: str | None) -> list[dict[str, Any]]:
        """The stores that are not running, by name for a sender of these headers who may ask for their status.

        Of the others it is told how many there are in each state; none of it costs a look at a store.
        """
        told: list[dict[str, Any]] = []
        untold: Counter[str] = Counter()
        troubled = [(store, *found) for store, found in self._gateway.states().items() if found[0] != "running"]
        origin = self._known(headers, address) if troubled else None
        for store, state, reason in troubled:
            if origin is not None and _may_ask_for_status(origin, store):
                told.append({"store": store, "state": state, "reason": reason})
            else:
                untold[state] += 1
        return told + [{"state": state, "count": count} for state, count in untold.items()]

    def _known(self, headers: Mapping[str, str], address: str | None) -> Origin | None:
        try:
            return self._authenticator.authenticate(headers, address)
        except AccessError as error:
            if "authorization" in headers:
                self._gateway.audit.connection_refused(error, address)
            return None


def _may_ask_for_status(origin: Origin, store: str) -> bool:
    try:
        authorise(origin, GetStoreStatus(store))
    except PermissionDeniedError:
        return False
    return True


class HeldBytes:
    """Counts the bytes of request bodies held while they come in, against a limit and the share of requests."""

    def __init__(self, limit: int, share: Share, on_excess: OnExcess) -> None:
        self.count = 0
        self._limit = limit
        self._share = share
        self._on_excess = on_excess

    def hold(self, size: int) -> None:
        """Count `size` bytes more; OverloadedError, and nothing counted, past the limit."""
        if self.count + size > self._limit or not self._share.take(size):
            error = OverloadedError("request bytes", min(self._limit, self._share.limit))
            self._on_excess(error)
            raise error
        self.count += size

    def let_go(self, size: int) -> None:
        """Count `size` bytes less."""
        self.count -= size
        self._share.give_back(size)
