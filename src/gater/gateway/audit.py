"""The audit trail: administrative operations and refused access, published on the audit and security instances."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from gater.api.operation import Operation, StreamingOperation
from gater.gateway.refusals import Refusals
from gater.messages import audit, security, system
from gater.messages.field_rules import LONGEST_SYMBOL
from gater.model.errors import AccessError, GaterError, OverloadedError
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance
from gater.store.log import Done

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Stream = Callable[[StreamingOperation[Any]], AsyncGenerator[Any, None]]

ADMINISTRATIVE: Final = frozenset(
    {
        "backup",
        "compact_store",
        "create_store",
        "delete_stream",
        "discard_parked",
        "import_events",
        "remove_store",
        "remove_subscription",
        "replay_parked",
        "reset_metrics",
        "rewind_subscription",
        "save_subscription",
        "truncate_stream",
        "verify",
    }
)
"""Operations that change how the node works, or what it holds, other than by appending."""

source: Final[ContextVar[str | None]] = ContextVar("gater_source", default=None)
"""The address that a call came from; None within this process."""


class AuditTrail:
    """Publishes administrative operations with their outcomes, and callers that were refused."""

    def __init__(self, announcements: Announcements) -> None:
        self.refusals = Refusals(announcements)
        self._announcements = announcements

    def audited(self, caller: str, operation: Operation[Any], address: str | None, done: Done) -> Done:
        """The callback for the outcome of an operation; that of an administrative one records it first."""
        if operation.name not in ADMINISTRATIVE:
            return done
        started = time.perf_counter()

        def record_and_answer(answer: Any, error: GaterError | None) -> None:
            self._record(caller, operation, address, error, time.perf_counter() - started)
            done(answer, error)

        return record_and_answer

    async def audited_call(self, caller: str, operation: Operation[Answer], call: Awaitable[Answer]) -> Answer:
        """The answer of a call; an administrative one is recorded."""
        if operation.name not in ADMINISTRATIVE:
            return await call
        started, failure = time.perf_counter(), None
        try:
            return await call
        except GaterError as error:
            failure = error
            raise
        finally:
            self._record(caller, operation, source.get(), failure, time.perf_counter() - started)

    def audited_stream(
        self, caller: str, operation: StreamingOperation[Any], address: str | None, stream: Stream
    ) -> AsyncGenerator[Any, None]:
        """The items of a streaming operation; an administrative one is recorded when it ends or is cut short."""
        if operation.name not in ADMINISTRATIVE:
            return stream(operation)
        return self._recorded(caller, operation, address, stream)

    async def _recorded(
        self, caller: str, operation: StreamingOperation[Any], address: str | None, stream: Stream
    ) -> AsyncGenerator[Any, None]:
        started, failure = time.perf_counter(), None
        try:
            async with aclosing(stream(operation)) as items:
                while True:  # a suspended stream must hold no page
                    try:
                        yield await anext(items)
                    except StopAsyncIteration:
                        return
        except GaterError as error:
            failure = error
            raise
        finally:
            self._record(caller, operation, address, failure, time.perf_counter() - started)

    def _record(
        self, caller: str, operation: Operation[Any], address: str | None, error: GaterError | None, seconds: float
    ) -> None:
        """Publish an administrative operation that has succeeded or failed."""
        resource = _resource(operation)
        action = operation.name if error is None else f"{operation.name} ({error.code})"
        self._shielded(
            lambda: self._announcements.publish(
                Instance.AUDIT,
                "audit_trail:admin_operations",
                lambda: audit.access_log(
                    caller,
                    "store",
                    resource,
                    action,
                    error is None,
                    duration_ms=round(seconds * 1_000),
                    source_ip=address,
                ),
            )
        )
        if error is None:
            self._shielded(lambda: self._config_changed(resource, operation.name, caller))

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
        """Publish a connection that was refused: its caller is not known, or there are too many."""
        if isinstance(error, AccessError):
            self.access_refused("unknown", None, error, address)
        elif isinstance(error, OverloadedError):
            self.limit_reached(error)

    def limit_reached(self, error: OverloadedError) -> None:
        """Give an alert that a limit of the node is reached."""
        text = f"there are {error.limit:,} {error.what}, and no more are taken"
        self._shielded(lambda: self._announcements.alert("warning", "system", "limit reached", text, error.what))

    def access_refused(
        self, caller: str, operation: Operation[Any] | None, error: AccessError, address: str | None
    ) -> None:
        """Publish refused access: to an operation, or (None) to the node, for a caller that is not known."""
        self._shielded(lambda: self.refusals.add(error, address))
        if operation is None:
            self._shielded(lambda: self._authentication_failed(error.message, address))
        else:
            self._shielded(lambda: self._access_denied(caller, operation, address))

    def _authentication_failed(self, reason: str, address: str | None) -> None:
        self._announcements.publish(
            Instance.SECURITY,
            "security_events:authentication",
            lambda: security.auth_event(
                "unknown", "login_failure", "token", source_ip=address, metadata={"reason": reason}
            ),
        )

    def _access_denied(self, caller: str, operation: Operation[Any], address: str | None) -> None:
        self._announcements.publish(
            Instance.SECURITY,
            "security_events:authorization",
            lambda: security.access_violation(
                "permission_denied", _resource(operation), operation.name, user_id=caller, source_ip=address
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
