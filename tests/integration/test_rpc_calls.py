"""Calls over the network: answers, errors, timeouts and cancellation."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import gater
from gater import Event, NewEvent, WriteResult
from gater.api.operations import EventPage, GetVersion
from gater.api.origin import Origin
from gater.client.connecting import connect
from gater.model.errors import (
    AlreadyExistsError,
    ApiClosedError,
    EventTooLargeError,
    InternalError,
    InvalidArgumentError,
    RequestTimeoutError,
    RequestTooLargeError,
    StoreUnavailableError,
    ValidationError,
    WrongExpectedVersionError,
)
from gater.model.limits import Limits
from gater.wire.server_session import SessionLimits
from tests.integration.rpc_server import ScriptedGateway, serving

ROW = ("s", 0, 1, b"i" * 16, "T", "application/json", b"{}", None, 1_700_000_000_000_000)


async def test_answer_arrives_as_the_operations_type() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(api.get_events("orders", "s"))
        operation, done = await gateway.calls.get()
        assert (operation.name, operation.stream_id) == ("read_stream", "s")
        done(EventPage([ROW], None), None)  # type: ignore[list-item]
        assert await reading == [Event(*ROW)]


async def test_many_calls_are_answered_in_any_order() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        calls = [asyncio.ensure_future(api.get_version("orders", str(number))) for number in range(200)]
        begun = [await gateway.calls.get() for _ in calls]
        for operation, done in reversed(begun):
            done(int(operation.stream_id), None)
        assert await asyncio.gather(*calls) == list(range(200))


async def test_error_arrives_as_the_same_class_with_the_same_fields() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        appending = asyncio.ensure_future(api.append_events("orders", "s", [NewEvent("T")], 7))
        _, done = await gateway.calls.get()
        done(None, WrongExpectedVersionError("s", 7, 3))
        with pytest.raises(WrongExpectedVersionError) as refused:
            await appending
        assert (refused.value.stream_id, refused.value.expected, refused.value.actual) == ("s", 7, 3)


async def test_answer_that_does_not_fit_the_operation_is_an_internal_error() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(api.get_version("orders", "s"))
        _, done = await gateway.calls.get()
        done("three", None)
        with pytest.raises(InternalError, match="get_version"):
            await reading


async def test_defect_of_the_gateway_is_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedGateway):
        def dispatch(self, operation: Any, origin: Any, done: Any) -> None:
            raise ZeroDivisionError("oops")

    async with serving(Broken()) as server, connect(server.url) as api:
        with pytest.raises(InternalError, match="ZeroDivisionError: oops"):
            await api.get_version("orders", "s")
    assert "ZeroDivisionError" in caplog.text


async def test_answer_that_comes_too_late_raises_timeout() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url, timeout=0.1) as api:
        before = time.monotonic()
        with pytest.raises(RequestTimeoutError) as expired:
            await api.get_version("orders", "s")
        assert 0.09 < time.monotonic() - before < 2
        assert (expired.value.operation, expired.value.seconds) == ("get_version", 0.1)
        _, done = await gateway.calls.get()
        done(1, None)
        later = asyncio.ensure_future(api.get_version("orders", "s"))
        _, done = await gateway.calls.get()
        done(2, None)
        assert await later == 2


async def test_each_call_has_its_own_deadline() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        operation = GetVersion("orders", "s")
        slow = asyncio.ensure_future(api._caller.call(operation, 30.0))
        await gateway.calls.get()
        with pytest.raises(RequestTimeoutError):
            await api._caller.call(operation, 0.05)
        with pytest.raises(RequestTimeoutError):
            await api._caller.call(operation, 0.05)
        assert not slow.done()
        slow.cancel()


async def test_operation_without_time_limit_waits() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url, timeout=0.05) as api:
        compacting = asyncio.ensure_future(api.compact_store("orders"))
        _, done = await gateway.calls.get()
        with pytest.raises(RequestTimeoutError):
            await api.get_version("orders", "s")
        done(5, None)
        assert await compacting == 5


async def test_cancelled_call_leaves_the_connection_usable() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        call = asyncio.ensure_future(api.get_version("orders", "s"))
        _, done = await gateway.calls.get()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        done(1, None)
        other = asyncio.ensure_future(api.get_version("orders", "other"))
        _, done = await gateway.calls.get()
        done(2, None)
        assert await other == 2


async def test_more_requests_than_a_connection_may_have_are_overloaded() -> None:
    gateway = ScriptedGateway()
    async with (
        serving(gateway, session_limits=SessionLimits(max_calls=2)) as server,
        connect(server.url) as api,
    ):
        calls = [asyncio.ensure_future(api.get_version("orders", str(number))) for number in range(3)]
        with pytest.raises(gater.OverloadedError) as refused:
            await calls[2]
        assert refused.value.limit == 2
        for number in range(2):
            _, done = await gateway.calls.get()
            done(number, None)
        assert await asyncio.gather(*calls[:2]) == [0, 1]


async def test_each_operation_comes_with_the_origin_of_its_connection() -> None:
    origins: list[Origin] = []

    class Refusing(ScriptedGateway):
        def dispatch(self, operation: Any, origin: Origin, done: Any) -> None:
            origins.append(origin)
            done(None, gater.PermissionDeniedError(operation.name, "admin"))

        def stream(self, operation: Any, origin: Origin) -> Any:
            origins.append(origin)
            raise gater.PermissionDeniedError(operation.name, "admin")

    reader = Origin("reader", frozenset({"read"}), address="127.0.0.1")
    seen: list[str | None] = []

    def authenticate(headers: Any, address: str | None) -> Origin:
        seen.append(address)
        return reader

    async with serving(Refusing(), authenticate=authenticate) as server, connect(server.url) as api:
        with pytest.raises(gater.PermissionDeniedError) as refused:
            await api.remove_store("orders")
        assert refused.value.operation == "remove_store"
        with pytest.raises(gater.PermissionDeniedError):
            async for _ in api.stream_all("orders"):
                pass
    assert (origins, seen) == ([reader, reader], ["127.0.0.1"])


async def test_event_and_request_above_the_servers_limits_are_refused_before_they_are_sent() -> None:
    gateway = ScriptedGateway()
    limits = Limits(max_event_bytes=1_000, max_request_bytes=10_000)
    async with serving(gateway, limits=limits) as server, connect(server.url) as api:
        with pytest.raises(EventTooLargeError) as event:
            await api.append_events("orders", "s", [NewEvent("T", b"x" * (2 << 20))])
        assert (event.value.size, event.value.limit) == (2 << 20, 1_000)
        with pytest.raises(RequestTooLargeError):
            await api.append_events("orders", "s", [NewEvent("T", b"x" * 900)] * 3_000)
        with pytest.raises(RequestTooLargeError):
            await api.record_snapshot("orders", "a", "b", 1, {"data": b"x" * (2 << 20)})
        assert gateway.calls.empty()


async def test_requests_that_are_large_together_travel_in_several_messages() -> None:
    gateway = ScriptedGateway()
    limits = Limits(max_request_bytes=1 << 20)
    async with serving(gateway, limits=limits) as server, connect(server.url) as api:
        events = [NewEvent("T", b"x" * 1_000_000)]
        calls = [asyncio.ensure_future(api.append_events("orders", "s", events)) for _ in range(20)]
        for _ in calls:
            operation, done = await gateway.calls.get()
            assert len(operation.writes[0].events[0].data) == 1_000_000
            done([WriteResult(0, 1, "fsync")], None)
        assert await asyncio.gather(*calls) == [WriteResult(0, 1, "fsync")] * 20


async def test_argument_that_cannot_be_encoded_is_refused() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        with pytest.raises(ValidationError):
            await api.create_store("orders", description="\ud800")


async def test_calls_after_close_are_refused() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server:
        api = connect(server.url)
        await api.close()
        await api.close()
        with pytest.raises(ApiClosedError):
            await api.get_version("orders", "s")
        with pytest.raises(ApiClosedError):
            async for _ in api.subscribe("orders"):
                pass


async def test_close_waits_for_calls_under_way() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server:
        api = connect(server.url)
        call = asyncio.ensure_future(api.get_version("orders", "s"))
        _, done = await gateway.calls.get()
        closing = asyncio.ensure_future(api.close())
        await asyncio.wait({closing}, timeout=0.05)
        assert not closing.done()
        done(3, None)
        await closing
        assert await call == 3


async def test_server_that_is_not_there_is_unavailable_and_named() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server:
        url = server.url
    api = connect(url, timeout=0.2)
    with pytest.raises(StoreUnavailableError, match=f"{url}.*Connect call failed|{url}.*refused"):
        await api.get_version("orders", "s")
    await api.close()


async def test_error_of_one_caller_is_not_that_of_another() -> None:
    api = connect("127.0.0.1:1", timeout=0.2)
    errors = await asyncio.gather(*[api.get_version("orders", "s") for _ in range(3)], return_exceptions=True)
    assert len({id(error) for error in errors}) == 3
    await api.close()


async def test_create_store_is_not_sent_twice_when_it_fails() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        creating = asyncio.ensure_future(api.create_store("orders"))
        _, done = await gateway.calls.get()
        done(None, AlreadyExistsError("store", "orders"))
        with pytest.raises(AlreadyExistsError):
            await creating
        assert gateway.calls.empty()


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://a b", "http://u:p@h", "http://h:99999", 7])
def test_wrong_address_is_an_invalid_argument(url: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        connect(url)


async def test_an_answer_that_the_client_cannot_take_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gater.client.transport.LARGEST_SERVER_MESSAGE", 1_000)
    gateway = ScriptedGateway()
    large = (*ROW[:6], b'"%b"' % (b"x" * 5_000), *ROW[7:])
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(api.get_events("orders", "s"))
        _, done = await gateway.calls.get()
        done(EventPage([large], None), None)  # type: ignore[list-item]
        with pytest.raises(InternalError, match="more than 1000 bytes"):
            await reading
        following = asyncio.ensure_future(anext(api.subscribe("orders")))
        stream = await gateway.streams.get()
        stream.source.put_nowait(([large], True, 2))
        with pytest.raises(InternalError, match="more than 1000 bytes"):
            await following
        assert gateway.calls.empty()
