"""What the routes of one server share: the API on behalf of each caller, the limits, and whether it is stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gater.api.gater_api import GaterApi
from gater.gateway.gateway import Gateway
from gater.gateway.local_caller import LocalCaller
from gater.model.errors import OverloadedError
from gater.model.limits import Limits
from gater.model.stores import StoreStatus
from gater.server.auth import Authenticator, Principal
from gater.server.authorised_caller import AuthorisedCaller


class Access:
    """What one principal can use: operations as values, and the API over them."""

    def __init__(self, caller: AuthorisedCaller) -> None:
        self.caller = caller
        self.api = GaterApi(caller)


class Service:
    """The gateway as the server's callers reach it."""

    def __init__(self, gateway: Gateway, authenticator: Authenticator, limits: Limits) -> None:
        self.limits = limits
        self.held_bytes = HeldBytes(limits.max_waiting_bytes)
        self.stopping = asyncio.Event()
        """Set when what would never end by itself has to end."""
        self._gateway = gateway
        self._authenticator = authenticator
        self._caller = LocalCaller(gateway, owns_gateway=False)
        self._access: dict[Principal, Access] = {}

    def access(self, headers: Mapping[str, str]) -> Access:
        """What the sender of these headers can use; raises UnauthenticatedError or PermissionDeniedError."""
        principal = self._authenticator.authenticate(headers)
        found = self._access.get(principal)
        if found is None:
            found = self._access[principal] = Access(AuthorisedCaller(self._caller, principal))
        return found

    def statuses(self) -> list[StoreStatus]:
        """How each store is doing."""
        return self._gateway.statuses()


class HeldBytes:
    """Counts the bytes of request bodies that are held while they come in, against a limit."""

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit

    def hold(self, size: int) -> None:
        """Count `size` bytes more; OverloadedError, and nothing counted, past the limit."""
        if self.count + size > self._limit:
            raise OverloadedError("request bytes", self._limit)
        self.count += size

    def let_go(self, size: int) -> None:
        """Count `size` bytes less."""
        self.count -= size
