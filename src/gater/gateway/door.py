"""The door of a node: every operation is authorised, audited and dispatched here, whichever way it comes in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from gater.api.caller import Dispatcher
from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import NODE, Origin
from gater.gateway.audit import AuditTrail
from gater.gateway.permissions import SelectorOf, authorise
from gater.model.errors import AccessError
from gater.model.outcome import Done


class Door:
    """A Dispatcher (see there) in front of another, with PermissionDeniedError for what an origin may not do."""

    def __init__(self, dispatcher: Dispatcher, audit: AuditTrail, selector_of: SelectorOf) -> None:
        """`selector_of` finds the selector of a durable subscription by store and name."""
        self.audit = audit
        self._dispatcher = dispatcher
        self._selector_of = selector_of

    def admit(self, operation: Operation[Any], origin: Origin, *, reach_known: bool = True) -> None:
        """Return if the origin may do this, as far as the operation is known (see `authorise`)."""
        if origin.may_everything:
            return
        try:
            authorise(origin, operation, self._selector_of, reach_known=reach_known)
        except AccessError as error:
            self.audit.access_refused(operation, origin, error)
            raise

    def dispatch(self, operation: Operation[Any], origin: Origin, done: Done) -> None:
        """Carry out an operation; a refusal is an outcome like any other."""
        if not origin.may_everything:
            try:
                self.admit(operation, origin)
            except AccessError as error:
                done(None, error)
                return
        if operation.effect == "admin" and origin is not NODE:
            done = self.audit.audited(operation, origin, done)
        self._dispatcher.dispatch(operation, origin, done)

    def stream(self, operation: StreamingOperation[Any], origin: Origin) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation; raises PermissionDeniedError."""
        self.admit(operation, origin)
        if operation.effect == "admin":
            return self.audit.audited_stream(operation, origin, self._dispatcher.stream)
        return self._dispatcher.stream(operation, origin)
