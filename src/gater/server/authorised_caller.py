"""A caller that asks, before each operation, whether its principal may do it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

from gater.api.caller import Caller
from gater.api.operations import Operation, StreamingOperation
from gater.server.auth import Principal, authorise

Answer = TypeVar("Answer")


class AuthorisedCaller:
    """A Caller (see there) on behalf of one principal; PermissionDeniedError for what it may not do."""

    def __init__(self, caller: Caller, principal: Principal) -> None:
        self._caller = caller
        self._principal = principal
        self.resumes = caller.resumes

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Answer:
        """The answer of one operation."""
        authorise(self._principal, operation)
        return await self._caller.call(operation, timeout)

    def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation."""
        authorise(self._principal, operation)
        return self._caller.stream(operation)

    async def close(self) -> None:
        """Nothing: the caller behind it serves other principals too."""
