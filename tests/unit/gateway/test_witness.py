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
from gater.gateway.local_caller import IN_PROCESS, LocalCaller
from gater.gateway.witness import ADMINISTRATIVE, Witness, source
from gater.messages.payloads.audit import AccessLog
from gater.messages.payloads.system import SystemConfig
from gater.model.errors import GaterError, PermissionDeniedError, StoreNotFoundError, UnauthenticatedError
from gater.pubsub.instances import Instance
from gater.server.permissions import PERMISSIONS
from tests.unit.gateway.calls import in_memory

READ_ONLY: frozenset[str] = frozenset()
"""Operations that need an administrator and only look."""
ALSO_NOTED = {"replay_parked", "save_subscription"}
"""Operations that others may do as well, and that change how the node works."""


class Notes:
    """Stands for the announcements."""

    def __init__(self) -> None:
        self.acts: list[tuple[Any, ...]] = []
        self.changes: list[tuple[Any, ...]] = []
        self.refusals: list[tuple[Any, ...]] = []

    def administered(
        self, who: str, operation: str, resource: str, outcome: str, seconds: float, came_from: str | None
    ) -> None:
        assert seconds >= 0
        self.acts.append((who, operation, resource, outcome, came_from))

    def configured(self, component: str, changes: dict[str, Any], by: str) -> None:
        self.changes.append((component, changes, by))

    def not_known(self, reason: str, came_from: str | None) -> None:
        self.refusals.append((reason, came_from))

    def not_allowed(self, who: str, operation: str, resource: str, came_from: str | None) -> None:
        self.refusals.append((who, operation, resource, came_from))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def witness(notes: Notes) -> Witness:
    return Witness(lambda: notes)  # type: ignore[arg-type, return-value]


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
async def test_an_act_is_noted_with_what_it_is_about(
    witness: Witness, notes: Notes, operation: Operation[Any], resource: str
) -> None:
    await witness.seen("keeper", operation, answered(None))
    assert notes.acts == [("keeper", operation.name, resource, "ok", None)]
    assert notes.changes == [(resource, {"operation": operation.name}, "keeper")]


async def test_an_act_that_fails_is_noted_with_its_code_and_changes_nothing(witness: Witness, notes: Notes) -> None:
    with pytest.raises(StoreNotFoundError):
        await witness.seen("keeper", REMOVE, answered(StoreNotFoundError("orders")))
    assert (notes.acts, notes.changes) == ([("keeper", "remove_store", "orders", "store_not_found", None)], [])


async def test_what_is_no_act_is_not_noted(witness: Witness, notes: Notes) -> None:
    assert await witness.seen("reader", READ, answered(7)) == 7
    outcomes: list[Any] = []
    witness.watching("reader", READ, None, lambda answer, _: outcomes.append(answer))(7, None)
    async with aclosing(witness.following("reader", op.ScanAll("orders"), None, stream_of(1, 2))) as items:
        assert [item async for item in items] == [1, 2]
    assert (outcomes, notes.acts) == ([7], [])


async def test_the_address_of_a_call_is_noted(witness: Witness, notes: Notes) -> None:
    token = source.set("10.0.0.1")
    try:
        await witness.seen("keeper", REMOVE, answered(None))
    finally:
        source.reset(token)
    assert notes.acts[0][-1] == "10.0.0.1"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [pytest.param(None, "ok", id="ok"), pytest.param(StoreNotFoundError("orders"), "store_not_found", id="failed")],
)
def test_a_watched_act_is_noted_before_it_is_answered(
    witness: Witness, notes: Notes, error: GaterError | None, outcome: str
) -> None:
    seen: list[Any] = []
    done = witness.watching("keeper", REMOVE, "10.0.0.1", lambda *given: seen.append((given, len(notes.acts))))
    assert notes.acts == []
    done("gone", error)
    assert seen == [(("gone", error), 1)]
    assert notes.acts == [("keeper", "remove_store", "orders", outcome, "10.0.0.1")]


async def test_a_streaming_act_is_noted_when_it_ends(witness: Witness, notes: Notes) -> None:
    async with aclosing(witness.following("keeper", BACKUP, "10.0.0.1", stream_of(b"a", b"b"))) as items:
        assert await anext(items) == b"a"
        assert notes.acts == []
        assert [item async for item in items] == [b"b"]
    assert notes.acts == [("keeper", "backup", "orders", "ok", "10.0.0.1")]


async def test_a_streaming_act_is_noted_when_it_is_cut_short_or_fails(witness: Witness, notes: Notes) -> None:
    async with aclosing(witness.following("keeper", BACKUP, None, stream_of(b"a", b"b"))) as items:
        await anext(items)
    with pytest.raises(StoreNotFoundError):
        await anext(witness.following("keeper", BACKUP, None, stream_of(StoreNotFoundError("orders"))))
    assert [act[3] for act in notes.acts] == ["ok", "store_not_found"]


def test_refusals_are_noted(witness: Witness, notes: Notes) -> None:
    denied = PermissionDeniedError("delete_stream", "admin")
    witness.refused("reader", op.DeleteStreamOperation("orders", "a"), denied, "10.0.0.1")
    witness.refused("unknown", None, UnauthenticatedError(message="The token is not known"), None)
    assert notes.refusals == [
        ("reader", "delete_stream", "orders/a", "10.0.0.1"),
        ("The token is not known", None),
    ]
    assert notes.acts == []


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
