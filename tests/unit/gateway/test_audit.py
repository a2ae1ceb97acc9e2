"""Who did what, and who was refused: what is noted of administrative acts, and that none is passed over."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from gater.api import operations as op
from gater.api import subscription_operations as sub
from gater.api.catalog import OPERATIONS
from gater.api.operation import Operation, StreamingOperation
from gater.api.telemetry_operations import ResetMetrics
from gater.gateway.audit import ADMINISTRATIVE, AuditTrail, source
from gater.gateway.local_caller import IN_PROCESS, LocalCaller
from gater.messages.payloads.alerts import SystemAlert
from gater.messages.payloads.audit import AccessLog
from gater.messages.payloads.security import AccessViolation, AuthEvent
from gater.messages.payloads.system import SystemConfig
from gater.model.errors import (
    GaterError,
    OverloadedError,
    PermissionDeniedError,
    StoreNotFoundError,
    UnauthenticatedError,
)
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from gater.server.permissions import PERMISSIONS
from tests.unit.gateway.calls import in_memory
from tests.unit.monitoring.listening import Listener

READ_ONLY: frozenset[str] = frozenset()
"""Operations that need an administrator and only look."""
ALSO_NOTED = {"replay_parked", "save_subscription"}
"""Operations that others may do as well, and that change how the node works."""


class Trail:
    """The audit trail of a node, and the records that it publishes."""

    def __init__(self, pubsub: PubSub, said: Announcements) -> None:
        self.audit = AuditTrail(said)
        self._open = said.messenger.open
        instances = (Instance.AUDIT, Instance.SYSTEM, Instance.SECURITY)
        self._published = {instance: pubsub.subscribe(instance, "*") for instance in instances}
        self._acts: list[AccessLog] = []

    def _taken(self, instance: Instance) -> list[Any]:
        return [self._open(message.body) for message in self._published[instance].take()]

    @property
    def acts(self) -> list[tuple[Any, ...]]:
        """Caller, action, resource, success and address of each administrative operation."""
        self._acts += self._taken(Instance.AUDIT)
        return [(act.user_id, act.action, act.resource_id, act.success, act.source_ip) for act in self._acts]

    def changes(self) -> list[tuple[Any, ...]]:
        return [(each.component, each.changes, each.changed_by) for each in self._taken(Instance.SYSTEM)]

    def refusals(self) -> list[Any]:
        return self._taken(Instance.SECURITY)


@pytest.fixture
def trail(pubsub: PubSub, said: Announcements) -> Trail:
    return Trail(pubsub, said)


REMOVE = op.RemoveStore("orders")
READ = op.GetVersion("orders", "a")
BACKUP = op.BackupStore("orders")


async def answered(answer: Any) -> Any:
    if isinstance(answer, GaterError):
        raise answer
    return answer


def stream_of(*items: Any) -> Any:
    """What opens a stream of these items; an error ends it."""

    async def stream(operation: StreamingOperation[Any]) -> AsyncGenerator[Any, None]:
        for item in items:
            yield await answered(item)

    return stream


def test_every_administrative_operation_is_noted() -> None:
    need_admin = {name for name, permission in PERMISSIONS.items() if permission.scope == "admin"}
    assert need_admin - READ_ONLY == ADMINISTRATIVE - ALSO_NOTED
    assert set(OPERATIONS) >= ADMINISTRATIVE | READ_ONLY | ALSO_NOTED


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        pytest.param(REMOVE, "orders", id="store"),
        pytest.param(op.DeleteStreamOperation("orders", "a"), "orders/a", id="stream"),
        pytest.param(sub.RewindSubscriptionOperation("orders", "mail", 1), "orders/mail", id="subscription"),
        pytest.param(ResetMetrics(), "reset_metrics", id="node"),
    ],
)
async def test_an_act_is_noted_with_what_it_is_about(trail: Trail, operation: Operation[Any], resource: str) -> None:
    await trail.audit.audited_call("keeper", operation, answered(None))
    assert trail.acts == [("keeper", operation.name, resource, True, None)]
    assert trail.changes() == [(resource, {"operation": operation.name}, "keeper")]


async def test_an_act_that_fails_is_noted_with_its_code_and_changes_nothing(trail: Trail) -> None:
    with pytest.raises(StoreNotFoundError):
        await trail.audit.audited_call("keeper", REMOVE, answered(StoreNotFoundError("orders")))
    assert trail.acts == [("keeper", "remove_store (store_not_found)", "orders", False, None)]
    assert trail.changes() == []


async def test_what_is_no_act_is_not_noted(trail: Trail) -> None:
    assert await trail.audit.audited_call("reader", READ, answered(7)) == 7
    outcomes: list[Any] = []
    trail.audit.audited("reader", READ, None, lambda answer, _: outcomes.append(answer))(7, None)
    async with aclosing(trail.audit.audited_stream("reader", op.ScanAll("orders"), None, stream_of(1, 2))) as items:
        assert [item async for item in items] == [1, 2]
    assert (outcomes, trail.acts) == ([7], [])


async def test_the_address_of_a_call_is_noted(trail: Trail) -> None:
    token = source.set("10.0.0.1")
    try:
        await trail.audit.audited_call("keeper", REMOVE, answered(None))
    finally:
        source.reset(token)
    assert trail.acts[0][-1] == "10.0.0.1"


@pytest.mark.parametrize(
    ("error", "action"),
    [
        pytest.param(None, "remove_store", id="ok"),
        pytest.param(StoreNotFoundError("orders"), "remove_store (store_not_found)", id="failed"),
    ],
)
def test_a_watched_act_is_noted_before_it_is_answered(trail: Trail, error: GaterError | None, action: str) -> None:
    seen: list[Any] = []
    done = trail.audit.audited("keeper", REMOVE, "10.0.0.1", lambda *given: seen.append((given, len(trail.acts))))
    assert trail.acts == []
    done("gone", error)
    assert seen == [(("gone", error), 1)]
    assert trail.acts == [("keeper", action, "orders", error is None, "10.0.0.1")]


async def test_a_streaming_act_is_noted_when_it_ends(trail: Trail) -> None:
    async with aclosing(trail.audit.audited_stream("keeper", BACKUP, "10.0.0.1", stream_of(b"a", b"b"))) as items:
        assert await anext(items) == b"a"
        assert trail.acts == []
        assert [item async for item in items] == [b"b"]
    assert trail.acts == [("keeper", "backup", "orders", True, "10.0.0.1")]


async def test_a_streaming_act_is_noted_when_it_is_cut_short_or_fails(trail: Trail) -> None:
    async with aclosing(trail.audit.audited_stream("keeper", BACKUP, None, stream_of(b"a", b"b"))) as items:
        await anext(items)
    with pytest.raises(StoreNotFoundError):
        await anext(trail.audit.audited_stream("keeper", BACKUP, None, stream_of(StoreNotFoundError("orders"))))
    assert [act[3] for act in trail.acts] == [True, False]


def test_refusals_are_noted(trail: Trail) -> None:
    denied = PermissionDeniedError("delete_stream", "admin")
    trail.audit.access_refused("reader", op.DeleteStreamOperation("orders", "a"), denied, "10.0.0.1")
    trail.audit.access_refused("unknown", None, UnauthenticatedError(message="The token is not known"), None)
    denied_access, failed_login = trail.refusals()
    assert isinstance(denied_access, AccessViolation)
    assert (denied_access.violation_type, denied_access.user_id) == ("permission_denied", "reader")
    assert (denied_access.action, denied_access.resource, denied_access.source_ip) == (
        "delete_stream",
        "orders/a",
        "10.0.0.1",
    )
    assert isinstance(failed_login, AuthEvent)
    assert (failed_login.event_type, failed_login.auth_method) == ("login_failure", "token")
    assert (failed_login.metadata, failed_login.source_ip) == ({"reason": "The token is not known"}, None)
    assert trail.acts == []


async def test_a_name_that_is_too_long_for_a_record_is_cut_and_told_whole(trail: Trail) -> None:
    stream, done = "x" * 300, lambda answer, error: None
    trail.audit.audited("keeper", op.DeleteStreamOperation("orders", stream), None, done)(None, None)
    path = f"orders/{stream}"
    assert trail.changes() == [(path[:255], {"operation": "delete_stream", "component": path}, "keeper")]


def test_a_limit_that_is_reached_is_an_alert(trail: Trail, listener: Listener) -> None:
    trail.audit.connection_refused(OverloadedError("connections", 1_000), None)
    [(_, topic, alert)] = listener.heard()
    assert isinstance(alert, SystemAlert)
    assert (topic, alert.title, alert.source) == ("system_alerts:warning", "limit reached", "connections")
    assert alert.description == "there are 1,000 connections, and no more are taken"


async def test_acts_within_the_process_are_told_on_the_audit_instance() -> None:
    async with in_memory("orders") as gateway:
        caller = LocalCaller(gateway, owns_gateway=False)
        owner = LocalCaller(gateway)
        with (
            gateway.pubsub.subscribe(Instance.AUDIT, "*") as audited,
            gateway.pubsub.subscribe(Instance.SYSTEM, "configuration_changes:*") as changed,
        ):
            await caller.call(ResetMetrics())
            await owner.call(ResetMetrics())
            with pytest.raises(StoreNotFoundError):
                await owner.call(op.RemoveStore("nowhere"))
            opened = [gateway.announcements.messenger.open(message.body) for message in audited.take()]
            [change] = [gateway.announcements.messenger.open(message.body) for message in changed.take()]
        acts = [(act.user_id, act.action, act.success) for act in opened if isinstance(act, AccessLog)]
        assert acts == [
            (IN_PROCESS, "reset_metrics", True),
            (IN_PROCESS, "remove_store (store_not_found)", False),
        ]
        assert isinstance(change, SystemConfig)
        assert (change.component, change.changed_by) == ("reset_metrics", IN_PROCESS)
