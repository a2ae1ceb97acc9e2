"""A caller that asks, before each operation, whether its principal may do it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

from gater.api.caller import Caller
from gater.api.operation import Operation, StreamingOperation
from gater.gateway.audit import AuditTrail, source
from gater.model.errors import AccessError
from gater.server.auth import Principal, SelectorOf, authorise
from gater.subscriptions.confinement import confined_to

Answer = TypeVar("Answer")


class AuthorisedCaller:
    """A Caller (see there) on behalf of one principal; PermissionDeniedError for what it may not do."""

    def __init__(
        self,
        caller: Caller,
        principal: Principal,
        selector_of: SelectorOf | None = None,
        audit: AuditTrail | None = None,
    ) -> None:
        self._caller = caller
        self._principal = principal
        self._selector_of = selector_of
        self._audit = audit
        self.resumes = caller.resumes
        self.patience = caller.patience
        self.outbox = caller.outbox

    async def open(self) -> None:
        """Nothing: the caller behind it is open."""

    async def call(self, operation: Operation[Answer], timeout: float | None = None) -> Answer:
        """The answer of one operation."""
        self.allow(operation)
        if self._principal.stream_prefix:
            confined_to.set(self._principal.stream_prefix)  # each request over HTTP has a context of its own
        if self._audit is None:
            return await self._caller.call(operation, timeout)
        return await self._audit.audited_call(self._principal.name, operation, self._caller.call(operation, timeout))

    def stream(self, operation: StreamingOperation[Answer]) -> AsyncGenerator[Answer, None]:
        """The items of a streaming operation."""
        self.allow(operation)
        if self._audit is None:
            return self._caller.stream(operation)
        return self._audit.audited_stream(self._principal.name, operation, source.get(), self._caller.stream)

    def allow(self, operation: Operation[Any], *, reach_known: bool = True) -> None:
        """Return if the principal may do this, as far as the operation is known; else PermissionDeniedError."""
        try:
            authorise(self._principal, operation, self._selector_of, reach_known=reach_known)
        except AccessError as error:
            if self._audit is not None:
                self._audit.access_refused(self._principal.name, operation, error, source.get())
            raise

    async def close(self) -> None:
        """Nothing: the caller behind it serves other principals too."""
