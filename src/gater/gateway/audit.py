"""The audit trail: administrative operations and refused access, published on the audit and security instances."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from gater.api.operation import Operation, StreamingOperation
from gater.api.origin import Origin
from gater.gateway.refusals import Refusals
from gater.messages import audit, security, system
from gater.messages.field_rules import LONGEST_SYMBOL
from gater.model.errors import AccessError, GaterError, OverloadedError
from gater.model.outcome import Done
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance

log = logging.getLogger(__name__)


Stream = Callable[[StreamingOperation[Any], Origin], AsyncGenerator[Any, None]]


class AuditTrail:
    """Publishes administrative operations with their outcomes, and callers that were refused."""

    def __init__(self, announcements: Announcements) -> None:
        self.refusals = Refusals(announcements)
        self._announcements = announcements

    def audited(self, operation: Operation[Any], origin: Origin, done: Done) -> Done:
        """The callback for the outcome of an operation that records it first."""
        started = time.perf_counter()

        def record_and_answer(answer: Any, error: GaterError | None) -> None:
            self._record(operation, origin, error, time.perf_counter() - started)
            done(answer, error)

        return record_and_answer

    async def audited_stream(
        self, operation: StreamingOperation[Any], origin: Origin, stream: Stream
    ) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation, which is recorded when it ends or is cut short."""
        started, failure = time.perf_counter(), None
        try:
            async with aclosing(stream(operation, origin)) as items:
                while True:  # a suspended stream must hold no page
                    try:
                        yield await anext(items)
                    except StopAsyncIteration:
                        return
        except GaterError as error:
            failure = error
            raise
        finally:
            self._record(operation, origin, failure, time.perf_counter() - started)

    def _record(self, operation: Operation[Any], origin: Origin, error: GaterError | None, seconds: float) -> None:
        """Publish an administrative operation that has succeeded or failed."""
        resource = _resource(operation)
        action = operation.name if error is None else f"{operation.name} ({error.code})"
        self._shielded(
            lambda: self._announcements.publish(
                Instance.AUDIT,
                "audit_trail:admin_operations",
                lambda: audit.access_log(
                    origin.name,
                    "store",
                    resource,
                    action,
                    error is None,
                    duration_ms=round(seconds * 1_000),
                    source_ip=origin.address,
                ),
            )
        )
        if error is None:
            self._shielded(lambda: self._config_changed(resource, operation.name, origin.name))

    def _config_changed(self, resource: str, operation: str, caller: str) -> None:
        """Publish a change of the node's configuration; a long resource is cut, and then whole among the changes."""
        component, changes = resource[:LONGEST_SYMBOL], {"operation": operation}
        if component != resource:
            changes["component"] = resource
        self._announcements.publish(
            Instance.SYSTEM,
            f"configuration_changes:{component}",
            lambda: system.system_config(component, changes, changed_by=caller),
        )

    def connection_refused(self, error: GaterError, address: str | None) -> None:
        """Publish a connection or a request that was refused: its caller is not known, or a limit is reached."""
        if isinstance(error, AccessError):
            self._shielded(lambda: self.refusals.add(error, address))
            self._shielded(lambda: self._authentication_failed(error.message, address))
        elif isinstance(error, OverloadedError):
            self.limit_reached(error)

    def limit_reached(self, error: OverloadedError) -> None:
        """Give an alert that a limit of the node is reached."""
        text = f"there are {error.limit:,} {error.what}, and no more are taken"
        self._shielded(lambda: self._announcements.alert("warning", "system", "limit reached", text, error.what))

    def access_refused(self, operation: Operation[Any], origin: Origin, error: AccessError) -> None:
        """Publish that an operation was refused to its origin."""
        self._shielded(lambda: self.refusals.add(error, origin.address))
        self._shielded(lambda: self._access_denied(operation, origin))

    def _authentication_failed(self, reason: str, address: str | None) -> None:
        self._announcements.publish(
            Instance.SECURITY,
            "security_events:authentication",
            lambda: security.auth_event(
                "unknown", "login_failure", "token", source_ip=address, metadata={"reason": reason}
            ),
        )

    def _access_denied(self, operation: Operation[Any], origin: Origin) -> None:
        self._announcements.publish(
            Instance.SECURITY,
            "security_events:authorization",
            lambda: security.access_violation(
                "permission_denied",
                _resource(operation),
                operation.name,
                user_id=origin.name,
                source_ip=origin.address,
            ),
        )

    def _shielded(self, publish: Callable[[], None]) -> None:
        """Publish; a failure is logged, for an answer waits to leave."""
        try:
            publish()
        except Exception:
            log.exception("the audit trail cannot be published")


def _resource(operation: Any) -> str:
    """The resource of an operation, as a path."""
    names = ("store", "stream_id", "subscription")
    found = [str(getattr(operation, name)) for name in names if getattr(operation, name, None)]
    return "/".join(found) or operation.name
