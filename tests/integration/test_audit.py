"""Administrative acts and refusals on a real node: told to who audits it, whichever way they come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gater
from gater.config.tokens import Token
from gater.gateway.refusals import GUESSES
from gater.messages.broadcast import Messenger
from gater.messages.payloads.audit import AccessLog
from gater.messages.payloads.security import AccessViolation, AuthEvent, SecurityAlert
from gater.messages.records import Record
from gater.model.errors import PermissionDeniedError, StoreNotFoundError, UnauthenticatedError
from gater.node import Node
from gater.pubsub.instances import Instance
from gater.pubsub.subscription import Subscription
from gater.pubsub.system import held
from tests.integration.served import ORDERS, client_of, failure, node

TOKENS = (
    Token(token="keeper-token", scopes=("admin",), name="keeper"),
    Token(token="reader-token", scopes=("read",), name="reader"),
)


def opened(told: Subscription) -> list[Record]:
    """What was told since it was last asked."""
    messenger = Messenger(lambda *_: None)
    return [messenger.open(message.body) for message in told.take()]


def acts(told: Subscription) -> list[tuple[Any, ...]]:
    found = []
    for record in opened(told):
        assert isinstance(record, AccessLog)
        assert record.source_ip == "127.0.0.1"
        found.append((record.user_id, record.action, record.resource_id))
    return found


def connected(running: Node, token: str) -> Any:
    return gater.connect(running.url, token=f"{token}-token")


async def test_acts_are_told_whichever_way_they_come(tmp_path: Path) -> None:
    with held() as pubsub, pubsub.subscribe(Instance.AUDIT, "audit_trail:admin_operations") as told:
        async with node(tmp_path, tokens=TOKENS) as running:
            headers = {"Authorization": "Bearer keeper-token"}
            async with client_of(running, headers=headers) as client, connected(running, "keeper") as api:
                assert (await client.post(f"{ORDERS}/verify")).status_code == 200
                assert (await client.get(f"{ORDERS}/backup")).status_code == 200
                assert acts(told) == [("keeper", "verify", "orders"), ("keeper", "backup", "orders")]
                await api.reset_metrics()
                await api.backup("orders", tmp_path / "copy.db")
                with pytest.raises(StoreNotFoundError):
                    await api.backup("nowhere", tmp_path / "other.db")
                assert acts(told) == [
                    ("keeper", "reset_metrics", "reset_metrics"),
                    ("keeper", "backup", "orders"),
                    ("keeper", "backup (store_not_found)", "nowhere"),
                ]


async def test_refusals_are_told_whichever_way_they_come(tmp_path: Path) -> None:
    with held() as pubsub, pubsub.subscribe(Instance.SECURITY, "security_events:*") as told:
        async with node(tmp_path, tokens=TOKENS) as running, client_of(running) as client:
            failure(await client.get("/v1/stores"), 401, "unauthenticated")
            with pytest.raises(UnauthenticatedError):
                async with connected(running, "wrong") as api:
                    await api.list_stores()
            assert {type(record) for record in opened(told)} == {AuthEvent}
            answer = await client.get(f"{ORDERS}/backup", headers={"Authorization": "Bearer reader-token"})
            failure(answer, 403, "permission_denied")
            async with connected(running, "reader") as api:
                with pytest.raises(PermissionDeniedError):
                    await api.remove_store("orders")
            refused = opened(told)
        assert [
            (record.user_id, record.action, record.resource, record.source_ip)
            for record in refused
            if isinstance(record, AccessViolation)
        ] == [("reader", "backup", "orders", "127.0.0.1"), ("reader", "remove_store", "orders", "127.0.0.1")]


async def test_refusals_are_counted_logged_and_told_as_a_threat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with held() as pubsub, pubsub.subscribe(Instance.SECURITY, "threat_detection:*") as told:
        async with node(tmp_path, tokens=TOKENS) as running, client_of(running) as client:
            for number in range(GUESSES):
                answer = await client.get("/v1/stores", headers={"Authorization": f"Bearer {number}"})
                failure(answer, 401, "unauthenticated")
            failure(await client.get("/v1/stores"), 401, "unauthenticated")
            with pytest.raises(UnauthenticatedError):
                async with connected(running, "wrong") as api:
                    await api.list_stores()
            page = (await client.get("/metrics", headers={"Authorization": "Bearer reader-token"})).text
        (alert,) = opened(told)
    assert isinstance(alert, SecurityAlert)
    assert (alert.alert_type, alert.source_ip) == ("brute_force", "127.0.0.1")
    assert f'gater_refused_total{{reason="unknown_token"}} {GUESSES + 1}.0' in page
    assert 'gater_refused_total{reason="no_token"} 1.0' in page
    assert [record.message for record in caplog.records].count("callers were refused") == 2
