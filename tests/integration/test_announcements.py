"""What a node says of itself: who did what from where, who was refused, that it starts and stops; signed if it can."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

import gater
from gater import GaterApi, NewEvent, by_event_type
from gater.api.pubsub_api import Listening
from gater.config.settings import Settings
from gater.config.tokens import Token
from gater.messages.envelope import open_envelope
from gater.messages.payloads.audit import AccessLog
from gater.messages.payloads.lifecycle import NodeLifecycle
from gater.messages.payloads.logs import LogEntry
from gater.messages.payloads.security import AccessViolation, AuthEvent
from gater.messages.payloads.system import SystemConfig, SystemLifecycle
from gater.messages.records import Record
from gater.messages.replay import ReplayGuard
from gater.messages.signing import Keyring
from gater.model.errors import (
    GaterError,
    InvalidSignatureError,
    MessageReplayedError,
    MisconfiguredError,
    NoSecretConfiguredError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnsecuredMessageError,
)
from gater.node import Node
from gater.pubsub.system import held
from gater.testing.server import GaterServer
from tests.contract.http_api import HttpApi
from tests.integration.cli.runs import typed
from tests.integration.served import client_of, node

TOKENS = (
    Token(token="keeper-token", name="keeper", scopes=("read", "append", "subscribe", "admin")),
    Token(token="reader-token", name="reader", scopes=("read",)),
)
KEY = "the secret of the cluster"

Act = Callable[[GaterApi, Path], Awaitable[Any]]

EXPORTED = {
    "stream_id": "imported",
    "version": 0,
    "event_id": "01a209f1-a079-7422-840a-868c98e5182e",
    "event_type": "T",
    "data": 1,
    "created_epoch": 1_795_000_000_000_000,
}

ACTS: dict[str, tuple[str, Act]] = {
    "create_store": ("billing", lambda api, _: api.create_store("billing")),
    "remove_store": ("spare", lambda api, _: api.remove_store("spare")),
    "delete_stream": ("orders/s", lambda api, _: api.delete_stream("orders", "s")),
    "truncate_stream": ("orders/s", lambda api, _: api.truncate_stream("orders", "s", 1)),
    "compact_store": ("orders", lambda api, _: api.compact_store("orders")),
    "import_events": ("orders", lambda api, _: api.import_events("orders", [EXPORTED])),
    "verify": ("orders", lambda api, _: api.verify("orders")),
    "backup": ("orders", lambda api, folder: api.backup("orders", folder / "copy.db")),
    "save_subscription": (
        "orders/new",
        lambda api, _: api.save_subscription("orders", by_event_type("T"), name="new"),
    ),
    "remove_subscription": (
        "orders/saved",
        lambda api, _: api.remove_subscription("orders", by_event_type("T"), name="saved"),
    ),
    "rewind_subscription": ("orders/saved", lambda api, _: api.rewind_subscription("orders", "saved", 1)),
    "replay_parked": ("orders/saved", lambda api, _: api.replay_parked("orders", "saved")),
    "discard_parked": ("orders/saved", lambda api, _: api.discard_parked("orders", "saved")),
}
"""What each administrative operation is about here, and how it is done."""


@pytest.fixture
def running(tmp_path: Path) -> AsyncGenerator[Node, None]:
    """A node with a stream, a spare store and a durable subscription."""
    return _running(tmp_path)


async def _running(folder: Path) -> AsyncGenerator[Node, None]:
    async with node(folder, tokens=TOKENS, stores=("orders", "spare")) as running:
        async with gater.connect(running.url, token="keeper-token") as api:
            await api.append_events("orders", "s", [NewEvent("T", number) for number in range(3)])
            await api.save_subscription("orders", by_event_type("T"), name="saved")
        yield running


@asynccontextmanager
async def over_rpc(running: Node, token: str) -> AsyncGenerator[GaterApi, None]:
    """The API of the async client."""
    async with gater.connect(running.url, token=token) as api:
        yield api


@asynccontextmanager
async def over_http(running: Node, token: str) -> AsyncGenerator[GaterApi, None]:
    """The API over the routes of HTTP."""
    async with client_of(running, headers={"Authorization": f"Bearer {token}"}) as client:
        yield cast("GaterApi", HttpApi(client))


WAYS = pytest.mark.parametrize("way", [over_rpc, over_http])


async def next_record(messages: Listening, topic: str, *keys: str) -> Record:
    """The record of the next message, which must come under this topic and open with these keys."""
    message = await asyncio.wait_for(anext(messages), 20)
    assert message.topic == topic
    return opened(message.body, Keyring(*keys))


def opened(envelope: Any, keys: Keyring, guard: ReplayGuard | None = None) -> Record:
    """The record in an envelope, for a receiver with these keys."""
    return open_envelope(envelope, time.time(), keys, guard or ReplayGuard())


# --- audit ---


@WAYS
@pytest.mark.parametrize("operation", ACTS)
async def test_an_administrative_act_is_audited(running: Node, tmp_path: Path, way: Any, operation: str) -> None:
    resource, act = ACTS[operation]
    async with (
        over_rpc(running, "keeper-token") as listener,
        way(running, "keeper-token") as api,
        listener.pubsub("audit").subscribe("audit_trail:*") as messages,
        listener.pubsub("system").subscribe("configuration_changes:*") as changes,
    ):
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        await act(api, tmp_path)
        record = await next_record(messages, "audit_trail:admin_operations")
        assert isinstance(record, AccessLog)
        assert (record.user_id, record.action, record.resource_id) == ("keeper", operation, resource)
        assert (record.success, record.resource_type, record.source_ip) == (True, "store", "127.0.0.1")
        assert before <= record.timestamp <= datetime.now(UTC)
        assert record.duration_ms is not None
        assert 0 <= record.duration_ms < 20_000
        change = await next_record(changes, f"configuration_changes:{resource}")
        assert isinstance(change, SystemConfig)
        assert (change.changed_by, change.changes) == ("keeper", {"operation": operation})


@WAYS
async def test_an_administrative_act_that_fails_is_audited_with_its_code(running: Node, way: Any) -> None:
    async with (
        over_rpc(running, "keeper-token") as listener,
        way(running, "keeper-token") as api,
        listener.pubsub("audit").subscribe() as messages,
    ):
        with pytest.raises(gater.AlreadyExistsError):
            await api.create_store("orders")
        record = await next_record(messages, "audit_trail:admin_operations")
        assert isinstance(record, AccessLog)
        assert (record.action, record.resource_id) == ("create_store (already_exists)", "orders")
        assert (record.success, record.user_id, record.source_ip) == (False, "keeper", "127.0.0.1")


@WAYS
async def test_what_everybody_does_is_not_audited(running: Node, way: Any) -> None:
    async with (
        over_rpc(running, "keeper-token") as listener,
        way(running, "keeper-token") as api,
        listener.pubsub("audit").subscribe() as messages,
    ):
        await api.append_events("orders", "s", [NewEvent("T", 1)])
        await api.get_events("orders", "s")
        await api.get_subscription("orders", "saved")
        await api.list_stores()
        await api.verify("orders")
        record = await next_record(messages, "audit_trail:admin_operations")
        assert isinstance(record, AccessLog)
        assert record.action == "verify"


# --- security ---


@WAYS
async def test_a_forbidden_operation_is_told_to_security(running: Node, tmp_path: Path, way: Any) -> None:
    async with (
        over_rpc(running, "keeper-token") as listener,
        way(running, "reader-token") as api,
        listener.pubsub("security").subscribe() as messages,
        listener.pubsub("audit").subscribe() as audited,
    ):
        for operation in ("delete_stream", "create_store", "backup"):
            resource, act = ACTS[operation]
            if operation == "create_store" and way is over_http:
                resource = operation  # the name is in a body, which is not read for a token that may not do this
            with pytest.raises(PermissionDeniedError):
                await act(api, tmp_path)
            record = await next_record(messages, "security_events:authorization")
            assert isinstance(record, AccessViolation)
            assert (record.violation_type, record.user_id) == ("permission_denied", "reader")
            assert (record.action, record.resource, record.source_ip) == (operation, resource, "127.0.0.1")
        # Nothing was done, so there is nothing to audit but what comes now.
        await listener.verify("orders")
        audit = await next_record(audited, "audit_trail:admin_operations")
        assert isinstance(audit, AccessLog)
        assert audit.user_id == "keeper"


@WAYS
async def test_an_unknown_token_is_told_to_security(running: Node, way: Any) -> None:
    async with (
        over_rpc(running, "keeper-token") as listener,
        listener.pubsub("security").subscribe("security_events:*") as messages,
    ):
        with pytest.raises(UnauthenticatedError):
            async with way(running, "guessed-token") as api:
                await api.list_stores()
        record = await next_record(messages, "security_events:authentication")
        assert isinstance(record, AuthEvent)
        assert (record.event_type, record.auth_method, record.user_id) == ("login_failure", "token", "unknown")
        assert record.source_ip == "127.0.0.1"
        assert "guessed" not in str(record)


# --- logs ---


async def test_a_log_line_is_heard_as_a_record_and_on_the_topics_of_its_component_and_store(running: Node) -> None:
    async with over_rpc(running, "keeper-token") as api, api.pubsub("logging").subscribe() as messages:
        logging.getLogger("gater.store.local_log").warning("the disk is slow", extra={"store": "orders"})
        heard = {message.topic: message.body for message in [await anext(messages) for _ in range(3)]}
    assert set(heard) == {"logging:store", "logging:store:orders", "logs:gater:warn"}
    record = opened(heard["logs:gater:warn"], Keyring())
    assert isinstance(record, LogEntry)
    assert (record.level, record.module, record.message) == ("warn", "store", "the disk is slow")
    tag, event = heard["logging:store:orders"]
    assert heard["logging:store"] == [tag, event]
    assert (tag, event["event_type"], event["store_id"], event["message"]) == (
        "log_event",
        "health",
        "orders",
        "the disk is slow",
    )


# --- start and stop ---


async def test_a_node_tells_that_it_starts_and_stops(tmp_path: Path) -> None:
    """Its start can be heard only within the process: over the network nobody is connected yet."""
    with (
        held() as pubsub,
        pubsub.subscribe("system", "system_status:*") as system,
        pubsub.subscribe("lifecycle", "process_lifecycle:gater@*") as lifecycle,
    ):
        async with node(tmp_path):
            assert _events(system) == ["starting", "started"]
            assert _events(lifecycle) == ["joining", "joined"]
        assert _events(system) == ["stopping", "stopped"]
        assert _events(lifecycle) == ["leaving", "left"]


async def test_who_listens_over_the_network_hears_that_a_node_stops(tmp_path: Path) -> None:
    server = GaterServer(data_dir=tmp_path / "data")
    async with server, gater.connect(server.url) as api:
        async with api.pubsub("system").subscribe("system_status:*") as messages:
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            message = await anext(messages)
            record = opened(message.body, Keyring())
            assert isinstance(record, SystemLifecycle)
            assert record.event == "stopping"
        assert await stopping == 0


def _events(subscription: Any) -> list[str]:
    found = []
    for message in subscription.take():
        record = opened(message.body, Keyring())
        assert isinstance(record, SystemLifecycle | NodeLifecycle)
        assert message.topic.endswith(f":{record.node}")
        found.append(record.event)
    return found


# --- signatures ---


async def test_messages_are_signed_with_the_key_of_the_cluster(tmp_path: Path) -> None:
    envelope = await _said(tmp_path, secret_key_base=KEY)
    assert envelope[0] == "secure_message"
    guard = ReplayGuard()
    record = opened(envelope, Keyring(KEY), guard)
    assert isinstance(record, AccessLog)
    assert record.action == "verify"
    assert _refusal(envelope, Keyring(KEY), guard) is MessageReplayedError
    assert opened(envelope, Keyring("a new key", [KEY])) == record
    assert _refusal(envelope, Keyring("another key")) is InvalidSignatureError
    assert _refusal(envelope, Keyring()) is NoSecretConfiguredError
    changed = [*envelope[:2], envelope[2].replace(b"verify", b"backup")]
    assert _refusal(changed, Keyring(KEY)) is InvalidSignatureError


async def test_messages_are_signed_with_the_new_key_while_the_old_one_counts(tmp_path: Path) -> None:
    envelope = await _said(tmp_path, secret_key_base="a new key", previous_secret_keys=[KEY])
    assert isinstance(opened(envelope, Keyring("a new key")), AccessLog)
    assert _refusal(envelope, Keyring(KEY)) is InvalidSignatureError


async def test_messages_are_not_signed_without_a_key(tmp_path: Path) -> None:
    envelope = await _said(tmp_path)
    assert envelope[0] == "unsecured_message"
    assert isinstance(opened(envelope, Keyring()), AccessLog)
    assert _refusal(envelope, Keyring(KEY)) is UnsecuredMessageError


async def _said(folder: Path, **settings: Any) -> Any:
    """The envelope of what a node with these settings says of an administrative act."""
    async with (
        node(folder, **settings) as running,
        gater.connect(running.url) as api,
        api.pubsub("audit").subscribe() as messages,
    ):
        await api.verify("orders")
        return (await anext(messages)).body


def _refusal(envelope: Any, keys: Keyring, guard: ReplayGuard | None = None) -> type[GaterError] | None:
    try:
        opened(envelope, keys, guard)
    except GaterError as error:
        return type(error)
    return None


async def test_a_served_node_takes_its_key_from_the_environment(tmp_path: Path) -> None:
    environment = {"GATER_SECRET_KEY_BASE": KEY}
    started = GaterServer(["orders"], data_dir=tmp_path, environment=environment)
    async with started as server, gater.connect(server.url) as api:
        async with api.pubsub("audit").subscribe() as messages:
            await api.verify("orders")
            assert isinstance(await next_record(messages, "audit_trail:admin_operations", KEY), AccessLog)
        assert KEY not in server.log


# --- which node needs a key ---


def test_a_node_that_others_reach_needs_a_key_or_consent() -> None:
    with pytest.raises(MisconfiguredError) as caught:
        Settings(host="0.0.0.0", tokens=TOKENS)
    assert caught.value.setting == "secret_key_base"
    assert not Settings(host="0.0.0.0", tokens=TOKENS, secret_key_base=KEY).unsigned
    assert Settings(host="0.0.0.0", tokens=TOKENS, allow_unsigned=True).unsigned


def test_serving_to_others_without_a_key_ends_with_the_reason(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path), "--host", "0.0.0.0", "--port", "0")
    refused = typed("serve", *where, "--allow-anonymous", "true")
    assert refused.code != 0
    assert "secret_key_base" in refused.err
    assert "allow_unsigned" in refused.err


async def test_a_node_that_others_reach_starts_with_a_key(tmp_path: Path) -> None:
    async with node(tmp_path, host="0.0.0.0", tokens=TOKENS, secret_key_base=KEY) as running:
        assert running.url
