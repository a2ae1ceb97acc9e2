"""When the body of a request is read: after token and scope, and within a time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from litestar.handlers import HTTPRouteHandler

from gater.config.tokens import Token
from gater.server import connections
from gater.server.app import ROUTES
from gater.server.service import HeldBytes, Service
from tests.integration.raw_http import code, connected
from tests.integration.served import client_of, node

TOKENS = (
    Token(token="reader-token", scopes=("read",)),
    Token(token="keeper-token", scopes=("read", "append", "subscribe", "admin")),
    Token(token="billing-token", scopes=("read", "append", "subscribe", "admin"), stores=("billing",)),
    Token(token="order-token", scopes=("read", "append", "subscribe", "admin"), stream_prefix="order-"),
)
NAMES = {
    "store": "orders",
    "stream_id": "s",
    "source_uuid": "cart",
    "stream_uuid": "s",
    "version": "1",
    "name": "billing",
    "instance": "events",
}
SUBSCRIPTION = {"selector": {"by_stream": "$all"}}
REACH_IN_BODY = ("create_store", "append_streams", "import_events", "save_subscription")
"""Routes whose body says which streams, or which store, they touch."""


def routes_with_a_body() -> Iterator[tuple[str, str, str]]:
    """Name, method and path of every route that is described with a body."""
    for route in ROUTES:
        if route.opt["documented"].body is not None:
            yield route.handler_name, method_of(route), path_of(route)


def method_of(route: HTTPRouteHandler) -> str:
    (method,) = route.http_methods
    return str(method)


def path_of(route: HTTPRouteHandler) -> str:
    (path,) = route.paths
    for name, value in NAMES.items():
        path = path.replace(f"{{{name}:str}}", value)
    assert "{" not in path
    return path


WITH_BODY = list(routes_with_a_body())
HEADS = ("Content-Length: 1000", "Transfer-Encoding: chunked", "Content-Length: 1000\r\nExpect: 100-continue")


@asynccontextmanager
async def guarded(folder: Path, **settings: object) -> AsyncGenerator[tuple[str, Service], None]:
    """The address of a node with tokens, and its service."""
    services: list[Service] = []
    made = Service.__init__

    def remembering(self: Service, *arguments: object, **named: object) -> None:
        made(self, *arguments, **named)  # type: ignore[arg-type]
        services.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Service, "__init__", remembering)
        running = node(folder, stores=("orders", "billing"), tokens=TOKENS, **settings)
        async with running, client_of(running, headers={"Authorization": "Bearer keeper-token"}) as client:
            saved = await client.put("/v1/stores/orders/subscriptions/billing", json=SUBSCRIPTION)
            assert saved.status_code == 200
            yield running.url, services[0]


def bearer(name: str) -> str:
    return f"Authorization: Bearer {name}-token"


def test_every_route_that_reads_a_body_is_known() -> None:
    assert {name for name, _, _ in WITH_BODY} == {
        "create_store",
        "import_events",
        "append_events",
        "append_streams",
        "truncate_stream",
        "record_snapshot",
        "save_subscription",
        "rewind_subscription",
        "pull_events",
        "ack_events",
        "nack_events",
        "replay_parked",
        "discard_parked",
        "publish",
    }


async def test_caller_without_a_token_is_refused_before_any_body(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, service):
        for (_, method, path), head in itertools.product(WITH_BODY, HEADS):
            for token in ((), (bearer("unknown"),)):
                async with connected(url) as connection:
                    answer = await connection.request(method, path, head, *token)
                    assert code(answer) == (401, "unauthenticated"), path
                    assert service.held_bytes.count == 0


async def test_token_without_the_scope_is_refused_before_any_body(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, service):
        for (_, method, path), head in itertools.product(WITH_BODY, HEADS):
            async with connected(url) as connection:
                answer = await connection.request(method, path, head, bearer("reader"))
                assert code(answer) == (403, "permission_denied"), path
                assert service.held_bytes.count == 0


async def test_token_for_other_stores_or_streams_is_refused_before_any_body(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, _):
        for name, method, path in WITH_BODY:
            for token in ("billing", "order"):
                if name in REACH_IN_BODY and (token == "order" or name == "create_store"):
                    continue
                async with connected(url) as connection:
                    answer = await connection.request(method, path, HEADS[0], bearer(token))
                    assert code(answer) == (403, "permission_denied"), (path, token)


async def test_store_that_a_confined_token_may_not_make_is_refused(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, _):
        for name, expected in (("elsewhere", 403), ("billing", 409)):
            body = b'{"store": "%b"}' % name.encode()
            async with connected(url) as connection:
                length = f"Content-Length: {len(body)}"
                status, _ = await connection.request("POST", "/v1/stores", length, bearer("billing"), body=body)
                assert status == expected


async def test_bodies_without_a_token_keep_nobody_from_theirs(tmp_path: Path) -> None:
    async with guarded(tmp_path, max_waiting_bytes=200_000) as (url, service), AsyncExitStack() as stack:
        for number in range(8):
            intruder = await stack.enter_async_context(connected(url))
            path = f"/v1/stores/orders/subscriptions/billing/{('pull', 'ack', 'nack')[number % 3]}"
            answer = await intruder.request("POST", path, "Content-Length: 150000", body=b"[" + b" " * 100_000)
            assert code(answer) == (401, "unauthenticated")
        assert service.held_bytes.count == 0
        body = b"[" + b" " * 150_000 + b"]"
        writer = await stack.enter_async_context(connected(url))
        path, length = "/v1/stores/orders/streams/s/events", f"Content-Length: {len(body)}"
        assert (await writer.request("POST", path, length, bearer("keeper"), body=body))[0] == 201


async def test_body_that_stalls_is_answered_timeout(tmp_path: Path) -> None:
    async with guarded(tmp_path, body_timeout=0.05) as (url, service):
        for (_, method, path), head in itertools.product(WITH_BODY, HEADS[:2]):
            async with connected(url) as connection:
                answer = await connection.request(method, path, head, bearer("keeper"))
                assert code(answer) == (408, "timeout"), path
                assert answer[1]["error"]["details"]["seconds"] == 0.05
                assert service.held_bytes.count == 0


@pytest.mark.parametrize("route", ["streams/s/events", "import"])
async def test_body_that_drips_is_answered_timeout(tmp_path: Path, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.1)
    async with guarded(tmp_path, body_timeout=0.2) as (url, _), connected(url) as connection:

        async def drip() -> None:
            while True:
                await connection.send(b" ")
                await asyncio.sleep(0.01)

        asked = connection.request("POST", f"/v1/stores/orders/{route}", "Content-Length: 100000", bearer("keeper"))
        dripping = asyncio.ensure_future(drip())
        assert code(await asked) == (408, "timeout")
        await connection.closed()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_time_grows_with_what_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_held = asyncio.Event()
    hold = HeldBytes.hold

    def telling(held: HeldBytes, size: int) -> None:
        hold(held, size)
        if held.count > 100_000:
            half_held.set()

    monkeypatch.setattr(HeldBytes, "hold", telling)
    async with guarded(tmp_path, body_timeout=0.5) as (url, _), connected(url) as connection:
        # 150,000 bytes give two seconds more, and three pauses of 0.3 seconds are longer than 0.5 together.
        path, length = "/v1/stores/orders/streams/s/events", "Content-Length: 150006"
        asked = asyncio.ensure_future(
            connection.request("POST", path, length, bearer("keeper"), body=b"[" + b" " * 150_000)
        )
        await half_held.wait()
        for _ in range(4):
            await asyncio.sleep(0.3)
            await connection.send(b" ")
        await connection.send(b"]")
        assert (await asked)[0] == 201


@pytest.mark.parametrize("silent", [True, False])
async def test_connection_whose_refused_body_does_not_end_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.3)
    async with guarded(tmp_path) as (url, _), connected(url) as connection:
        path = "/v1/stores/orders/streams/s/events"
        answer = await connection.request("POST", path, "Transfer-Encoding: chunked")
        assert code(answer) == (401, "unauthenticated")

        async def go_on() -> None:
            while not silent:
                await connection.send(b"1\r\n \r\n")
                await asyncio.sleep(0.01)

        going_on = asyncio.ensure_future(go_on())
        await connection.closed()
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)


async def test_no_more_than_a_bound_is_read_of_a_refused_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 2.0)
    monkeypatch.setattr(connections, "MOST_UNREAD_BYTES", 1 << 20)
    async with guarded(tmp_path) as (url, _), connected(url) as connection:
        path = "/v1/stores/orders/streams/s/events"
        answer = await connection.request("POST", path, "Content-Length: 1000000000")
        assert code(answer) == (401, "unauthenticated")
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while sent < 1_000_000_000:
                await connection.send(b" " * (1 << 16))
                sent += 1 << 16

        flooding = asyncio.ensure_future(flood())
        await connection.closed()
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        # What the sockets hold comes on top.
        assert sent < 64 << 20


async def test_connection_serves_on_after_a_refused_body_that_ends(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (url, _), connected(url) as connection:
        path = "/v1/stores/orders/streams/s/events"
        assert (await connection.request("POST", path, "Content-Length: 100000"))[0] == 401
        await connection.send(b" " * 100_000)
        assert (await connection.request("GET", "/health/live"))[0] == 200
