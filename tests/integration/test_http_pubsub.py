"""Pub/sub over HTTP: server-sent events as they look, who may listen and publish, and how listening ends."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from gater.config.tokens import Token
from gater.messages import alerts
from gater.messages.envelope import canonical, seal
from gater.messages.signing import Keyring
from gater.pubsub.instances import POLICIES, Instance
from gater.pubsub.system import held
from gater.server.http import streaming
from tests.integration.served import client_of, failure, messages, node, served

PUBSUB = "/v1/pubsub"
LISTEN = f"{PUBSUB}/events/listen"
PUBLISH = f"{PUBSUB}/events/publish"

TOKENS = (
    Token(token="reader-token", scopes=("read",)),
    Token(token="writer-token", scopes=("append",)),
    Token(token="follower-token", scopes=("subscribe",)),
    Token(token="keeper-token", scopes=("admin",)),
    Token(token="confined-token", scopes=("read", "append", "subscribe", "admin"), stream_prefix="order-"),
    Token(token="billing-token", scopes=("read", "append", "subscribe", "admin"), stores=("billing",)),
)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}-token"}


async def test_a_message_is_sent_with_its_topic_and_instance(tmp_path: Path) -> None:
    async with served(tmp_path) as client, client.stream("GET", LISTEN, params={"topic": "greetings:*"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        published = await client.post(PUBLISH, json={"topic": "greetings:all", "message": {"hello": ["line\nbreak"]}})
        assert (published.status_code, published.json()) == (200, {"receivers": 1})
        message = await anext(messages(answer))
        assert set(message) == {"data"}
        assert json.loads(message["data"]) == {
            "topic": "greetings:all",
            "instance": "events",
            "message": {"hello": ["line\nbreak"]},
        }


async def test_what_was_published_as_json_arrives_as_plain_data(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        with held() as pubsub, pubsub.subscribe("events", "t") as subscription:
            body = b'{"topic": "t", "message": {"a": [1, 2.5, null, "\\u00f6"]}}'
            assert (await client.post(PUBLISH, content=body)).json() == {"receivers": 1}
            (message,) = subscription.take()
            assert (message.topic, message.body) == ("t", {"a": [1, 2.5, None, "ö"]})


async def test_messages_of_the_system_are_shown_opened(tmp_path: Path) -> None:
    record = alerts.system_alert("critical", "data", "disk", "it is full", "n1", node="n1")
    async with served(tmp_path) as client, client.stream("GET", f"{PUBSUB}/ex_esdb_alerts/listen") as answer:
        incoming = messages(answer)
        with held() as pubsub:
            pubsub.broadcast("alerts", "system_alerts:critical", ("unsecured_message", canonical(record)))
            pubsub.broadcast("alerts", "system_alerts:critical", seal(record, Keyring("key"), 7.5, bytes(16)))
        unsigned, signed = [json.loads((await anext(incoming))["data"]) for _ in range(2)]
        assert unsigned["instance"] == signed["instance"] == "alerts"
        assert (unsigned["message"]["tag"], unsigned["message"]["signed"]) == ("system_alert", False)
        assert unsigned["message"]["record"]["title"] == "disk"
        assert (signed["message"]["signed"], signed["message"]["sent"]) == (True, 7_500)
        assert signed["message"]["record"] == unsigned["message"]["record"]


async def test_bytes_are_shown_as_base64(tmp_path: Path) -> None:
    async with served(tmp_path) as client, client.stream("GET", LISTEN) as answer:
        with held() as pubsub:
            pubsub.broadcast("events", "t", {"raw": b"\x00\xff"})
        shown = json.loads((await anext(messages(answer)))["data"])
        assert shown["message"] == {"raw": b64encode(b"\x00\xff").decode()}


async def test_silence_is_filled_with_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_SECONDS", 0.01)
    async with served(tmp_path) as client, client.stream("GET", LISTEN) as answer:
        assert await anext(messages(answer)) == {"": "heartbeat"}


async def test_listening_ends_when_the_node_stops(tmp_path: Path) -> None:
    running = node(tmp_path)
    async with running, client_of(running) as client, client.stream("GET", LISTEN) as answer:
        running.stop()
        await running.serve()
        assert [message async for message in messages(answer)] == []


async def test_a_listener_that_is_disconnected_is_told_at_the_end(tmp_path: Path) -> None:
    bound = POLICIES[Instance.ALERTS].hard_bound
    async with served(tmp_path) as client, client.stream("GET", f"{PUBSUB}/alerts/listen?topic=flood") as answer:
        with held() as pubsub:
            for number in range(bound + 1):
                pubsub.broadcast("alerts", "flood", number)
        found = [message async for message in messages(answer)]
        assert [json.loads(message["data"])["message"] for message in found[:-1]] == list(range(bound))
        assert found[-1]["event"] == "error"
        assert json.loads(found[-1]["data"])["error"]["code"] == "overloaded"


async def test_the_instances_and_how_they_stand(tmp_path: Path) -> None:
    async with served(tmp_path) as client, client.stream("GET", LISTEN):
        await client.post(PUBLISH, json={"topic": "t", "message": None})
        found = {each["name"]: each for each in (await client.get(PUBSUB)).json()["instances"]}
        assert list(found) == [instance.value for instance in Instance]
        facts = {name: found["events"][name] for name in ("published", "delivered", "dropped", "subscribers")}
        assert facts == {"published": 1, "delivered": 1, "dropped": 0, "subscribers": 1}
        assert (found["audit"]["overflow"], found["metrics"]["overflow"]) == ("never", "drop_oldest")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"{PUBSUB}/nothing/listen", {}),
        (LISTEN, {"topic": ""}),
        (LISTEN, {"topic": "x" * 1_025}),
        (LISTEN, {"pattern": "x"}),
    ],
)
async def test_wrong_listening_is_refused(tmp_path: Path, path: str, query: Any) -> None:
    async with served(tmp_path) as client:
        failure(await client.get(path, params=query), 400, "invalid_argument")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "validation_error"),
        (b"[]", "validation_error"),
        (b'{"topic": "t"}', "validation_error"),
        (b'{"message": 1}', "validation_error"),
        (b'{"topic": 5, "message": 1}', "validation_error"),
        (b'{"topic": "t", "message": 1, "more": 2}', "validation_error"),
        (b'{"topic": "t", "message": 18446744073709551616}', "validation_error"),
        (b'{"topic": "", "message": 1}', "invalid_argument"),
    ],
)
async def test_wrong_publishing_is_refused(tmp_path: Path, body: bytes, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.post(PUBLISH, content=body), 400, code)


async def test_pubsub_needs_its_scopes(tmp_path: Path) -> None:
    body = {"topic": "t", "message": 1}
    async with served(tmp_path, tokens=TOKENS) as client:
        for instance in Instance:
            confidential = instance in (Instance.SECURITY, Instance.AUDIT)
            listener, publisher = ("keeper" if confidential else "follower"), "keeper"
            if instance is Instance.EVENTS:
                publisher = "writer"
            listen, publish = f"{PUBSUB}/{instance.full_name}/listen", f"{PUBSUB}/{instance.value}/publish"
            for name in {"reader", "writer", "follower", "keeper", "confined", "billing"} - {listener}:
                failure(await client.get(listen, headers=bearer(name)), 403, "permission_denied")
            for name in {"reader", "writer", "follower", "keeper", "confined", "billing"} - {publisher}:
                failure(await client.post(publish, json=body, headers=bearer(name)), 403, "permission_denied")
            async with client.stream("GET", listen, headers=bearer(listener)) as answer:
                assert answer.status_code == 200
                published = await client.post(publish, json=body, headers=bearer(publisher))
                assert published.json()["receivers"] == 1
        failure(await client.get(PUBSUB, headers=bearer("writer")), 403, "permission_denied")
        assert (await client.get(PUBSUB, headers=bearer("reader"))).status_code == 200
        failure(await client.get(LISTEN), 401, "unauthenticated")
