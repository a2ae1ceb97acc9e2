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
from gater.api.origin import IN_PROCESS, NODE, Origin
from gater.api.telemetry_operations import ResetMetrics
from gater.gateway.audit import AuditTrail
from gater.gateway.door import Door
from gater.gateway.local_caller import LocalCaller
from gater.gateway.permissions import PERMISSIONS
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
from gater.model.outcome import Done
from gater.model.selectors import parse_selector
from gater.monitoring.announcements import Announcements
from gater.pubsub.instances import Instance
from gater.pubsub.system import PubSub
from tests.unit.gateway.calls import in_memory
from tests.unit.monitoring.listening import Listener

ALSO_AUDITED = {"replay_parked", "save_subscription"}
"""Operations that need no administrator, and change how the node works."""


class Scripted:
    """Stands for a gateway whose outcomes the test decides."""

    def __init__(self) -> None:
        self.outcome: tuple[Any, GaterError | None] = (None, None)
        self.items: list[Any] = []
        self.origins: list[Origin] = []

    def dispatch(self, operation: Operation[Any], origin: Origin, done: Done) -> None:
        self.origins.append(origin)
        done(*self.outcome)

    async def stream(self, operation: StreamingOperation[Any], origin: Origin) -> AsyncGenerator[Any, None]:
        for item in self.items:
            if isinstance(item, GaterError):
                raise item
            yield item


class Trail:
    """A door with its audit trail, and the records that it publishes."""

    def __init__(self, pubsub: PubSub, said: Announcements) -> None:
        self.audit = AuditTrail(said)
        self.gateway = Scripted()
        self.door = Door(self.gateway, self.audit, lambda store, name: EVERYTHING)
        self._open = said.messenger.open
        instances = (Instance.AUDIT, Instance.SYSTEM, Instance.SECURITY)
        self._published = {instance: pubsub.subscribe(instance, "*") for instance in instances}
        self._acts: list[AccessLog] = []

    def ask(self, operation: Operation[Any], origin: Origin) -> list[tuple[Any, GaterError | None, int]]:
        """The outcome of a call, and the number of records before it was answered."""
        told: list[tuple[Any, GaterError | None, int]] = []
        self.door.dispatch(operation, origin, lambda answer, error: told.append((answer, error, len(self.acts))))
        return told

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


EVERYTHING = parse_selector("by_stream", "$all")
KEEPER = Origin("keeper", frozenset({"admin"}), address="10.0.0.1")
READER = Origin("reader", frozenset({"read"}), address="10.0.0.2")
REMOVE = op.RemoveStore("orders")
READ = op.GetVersion("orders", "a")
BACKUP = op.BackupStore("orders")


def test_every_administrative_operation_is_audited() -> None:
    need_admin = {name for name, permission in PERMISSIONS.items() if permission.scope == "admin"}
    audited = {name for name, operation in OPERATIONS.items() if operation.effect == "admin"}
    assert need_admin == audited - ALSO_AUDITED
    assert audited >= ALSO_AUDITED


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        pytest.param(REMOVE, "orders", id="store"),
        pytest.param(op.DeleteStreamOperation("orders", "a"), "orders/a", id="stream"),
        pytest.param(sub.RewindSubscriptionOperation("orders", "mail", 1), "orders/mail", id="subscription"),
        pytest.param(ResetMetrics(), "reset_metrics", id="node"),
    ],
)
def test_an_act_is_recorded_with_its_resource_before_it_is_answered(
    trail: Trail, operation: Operation[Any], resource: str
) -> None:
    trail.gateway.outcome = "done", None
    assert trail.ask(operation, KEEPER) == [("done", None, 1)]
    assert trail.acts == [("keeper", operation.name, resource, True, "10.0.0.1")]
    assert trail.changes() == [(resource, {"operation": operation.name}, "keeper")]
    assert trail.gateway.origins == [KEEPER]


def test_an_act_that_fails_is_recorded_with_its_code_and_changes_nothing(trail: Trail) -> None:
    failure = StoreNotFoundError("orders")
    trail.gateway.outcome = None, failure
    assert trail.ask(REMOVE, KEEPER) == [(None, failure, 1)]
    assert trail.acts == [("keeper", "remove_store (store_not_found)", "orders", False, "10.0.0.1")]
    assert trail.changes() == []


async def test_what_is_no_act_is_not_recorded(trail: Trail) -> None:
    trail.gateway.outcome, trail.gateway.items = (7, None), [1, 2]
    assert trail.ask(READ, READER) == [(7, None, 0)]
    async with aclosing(trail.door.stream(op.ScanAll("orders"), READER)) as items:
        assert [item async for item in items] == [1, 2]
    assert trail.ask(REMOVE, NODE) == [(7, None, 0)], "the node cleans up"
    assert trail.acts == []


async def test_a_streaming_act_is_recorded_when_it_ends(trail: Trail) -> None:
    trail.gateway.items = [b"a", b"b"]
    async with aclosing(trail.door.stream(BACKUP, KEEPER)) as items:
        assert await anext(items) == b"a"
        assert trail.acts == []
        assert [item async for item in items] == [b"b"]
    assert trail.acts == [("keeper", "backup", "orders", True, "10.0.0.1")]


async def test_a_streaming_act_is_recorded_when_it_is_cut_short_or_fails(trail: Trail) -> None:
    trail.gateway.items = [b"a", b"b"]
    async with aclosing(trail.door.stream(BACKUP, KEEPER)) as items:
        await anext(items)
    trail.gateway.items = [StoreNotFoundError("orders")]
    with pytest.raises(StoreNotFoundError):
        await anext(trail.door.stream(BACKUP, KEEPER))
    assert [act[3] for act in trail.acts] == [True, False]


@pytest.mark.parametrize("operation", [op.DeleteStreamOperation("orders", "a"), BACKUP])
def test_a_refused_operation_is_not_carried_out_and_recorded(trail: Trail, operation: Operation[Any]) -> None:
    if isinstance(operation, StreamingOperation):
        with pytest.raises(PermissionDeniedError):
            trail.door.stream(operation, READER)
    else:
        [(answer, error, _)] = trail.ask(operation, READER)
        assert answer is None
        assert isinstance(error, PermissionDeniedError)
    assert trail.gateway.origins == []
    [denied] = trail.refusals()
    assert isinstance(denied, AccessViolation)
    assert (denied.violation_type, denied.user_id, denied.action) == ("permission_denied", "reader", operation.name)
    assert (denied.resource.split("/")[0], denied.source_ip) == ("orders", "10.0.0.2")
    assert trail.acts == []


def test_an_unknown_caller_is_recorded(trail: Trail) -> None:
    trail.audit.connection_refused(UnauthenticatedError(message="The token is not known"), "10.0.0.1")
    [failed] = trail.refusals()
    assert isinstance(failed, AuthEvent)
    assert (failed.event_type, failed.auth_method) == ("login_failure", "token")
    assert (failed.metadata, failed.source_ip) == ({"reason": "The token is not known"}, "10.0.0.1")


def test_a_name_that_is_too_long_for_a_record_is_cut_and_told_whole(trail: Trail) -> None:
    stream = "x" * 300
    trail.ask(op.DeleteStreamOperation("orders", stream), KEEPER)
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
        caller = LocalCaller(gateway.door, origin=KEEPER)
        owner = LocalCaller(gateway.door)
        with (
            gateway.pubsub.subscribe(Instance.AUDIT, "*") as audited,
            gateway.pubsub.subscribe(Instance.SYSTEM, "configuration_changes:*") as changed,
        ):
            await caller.call(ResetMetrics())
            await owner.call(ResetMetrics())
            with pytest.raises(StoreNotFoundError):
                await owner.call(op.RemoveStore("nowhere"))
            opened = [gateway.announcements.messenger.open(message.body) for message in audited.take()]
            [*_, change] = [gateway.announcements.messenger.open(message.body) for message in changed.take()]
        acts = [(act.user_id, act.action, act.success) for act in opened if isinstance(act, AccessLog)]
        assert acts == [
            ("keeper", "reset_metrics", True),
            (IN_PROCESS.name, "reset_metrics", True),
            (IN_PROCESS.name, "remove_store (store_not_found)", False),
        ]
        assert isinstance(change, SystemConfig)
        assert (change.component, change.changed_by) == ("reset_metrics", IN_PROCESS.name)
