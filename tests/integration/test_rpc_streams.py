"""Streams over the network: order, credit, ends and breaks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

import gater
from gater import Event, by_stream
from gater.api.operation import Seen
from gater.api.operations import BackupStore, ScanAll
from gater.api.subscription_operations import SubscribeOperation, SubscriptionPage
from gater.client.client import WINDOW_PAGES
from gater.client.connecting import connect
from gater.model.errors import ApiClosedError, InternalError, OverloadedError, StoreNotFoundError, StoreUnavailableError
from gater.wire.server_session import SessionLimits
from tests.integration.rpc_server import RpcServer, ScriptedGateway, ScriptedStream, serving


def _row(position: int) -> tuple[Any, ...]:
    return ("s", position - 1, position, b"i" * 16, "T", "application/json", b"{}", None, 0)


def _page(position: int) -> tuple[Any, ...]:
    """A page of a subscription, as the server has it: its events, whether it is live, and where it goes on."""
    return [_row(position)], True, position + 1


async def _gathered(stream: Any) -> list[Any]:
    return [item async for item in stream]


async def test_items_arrive_in_order_and_typed() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(_gathered(api.stream_all("orders")))
        stream = await gateway.streams.get()
        assert stream.operation == ScanAll("orders")
        for position in range(1, 101):
            stream.source.put_nowait([_row(position)])
        stream.source.put_nowait(None)
        events = await reading
        assert events == [Event(*_row(position)) for position in range(1, 101)]
        await stream.closed.wait()


async def test_stream_without_items_ends() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(_gathered(api.stream_forward("orders", "s")))
        (await gateway.streams.get()).source.put_nowait(None)
        assert await reading == []


async def test_error_ends_the_stream_with_the_same_class() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(_gathered(api.stream_all("orders")))
        stream = await gateway.streams.get()
        stream.source.put_nowait([_row(1)])
        stream.source.put_nowait(StoreNotFoundError("orders"))
        with pytest.raises(StoreNotFoundError) as ended:
            await reading
        assert ended.value.store == "orders"


async def test_defect_in_a_stream_is_logged_and_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(_gathered(api.stream_all("orders")))
        (await gateway.streams.get()).source.put_nowait(ZeroDivisionError("oops"))
        with pytest.raises(InternalError, match="oops"):
            await reading
    assert "ZeroDivisionError" in caplog.text


async def test_server_sends_no_more_than_the_reader_has_room_for() -> None:
    gateway = ScriptedGateway()
    async with (
        serving(gateway) as server,
        connect(server.url) as api,
        aclosing(api._caller.stream(SubscribeOperation("orders", by_stream()))) as pages,
    ):
        first = asyncio.ensure_future(anext(pages))
        stream = await gateway.streams.get()
        for position in range(1, 101):
            stream.source.put_nowait(_page(position))
        assert await first == SubscriptionPage([Event(*_row(1))], True, 2)
        await _answered(gateway, api)
        assert stream.asked == WINDOW_PAGES
        for position in range(2, WINDOW_PAGES + 1):
            assert (await anext(pages)).events[0].position == position
        await _answered(gateway, api)
        assert WINDOW_PAGES < stream.asked <= 2 * WINDOW_PAGES


async def _answered(gateway: ScriptedGateway, api: gater.GaterApi) -> None:
    """Return when a call made now is answered: what was on its way both ways has arrived."""
    call = asyncio.ensure_future(api.get_version("orders", "s"))
    _, done = await gateway.calls.get()
    done(0, None)
    await call


async def test_reader_that_leaves_closes_the_stream_at_its_source() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        async with aclosing(api.subscribe("orders")) as events:
            first = asyncio.ensure_future(anext(events))
            stream = await gateway.streams.get()
            stream.source.put_nowait(_page(1))
            assert (await first).position == 1
            assert not stream.closed.is_set()
        await stream.closed.wait()
        await _answered(gateway, api)
        assert not server.tasks


async def test_reader_that_is_cancelled_closes_the_stream_at_its_source() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(_gathered(api.subscribe("orders")))
        stream = await gateway.streams.get()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stream.closed.wait()


async def test_client_that_goes_away_closes_its_streams_at_their_source() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server:
        api = connect(server.url)
        readings = [asyncio.ensure_future(_gathered(api.subscribe("orders"))) for _ in range(3)]
        streams = [await gateway.streams.get() for _ in readings]
        await api.close()
        for stream in streams:
            await stream.closed.wait()
        for reading in readings:
            with pytest.raises(ApiClosedError):
                await reading
        while server.tasks:
            await asyncio.wait(server.tasks)


async def test_more_streams_than_a_connection_may_have_are_overloaded() -> None:
    gateway = ScriptedGateway()
    async with (
        serving(gateway, session_limits=SessionLimits(max_streams=1)) as server,
        connect(server.url) as api,
    ):
        first = asyncio.ensure_future(_gathered(api._caller.stream(ScanAll("orders"))))
        stream = await gateway.streams.get()
        with pytest.raises(OverloadedError):
            await _gathered(api._caller.stream(ScanAll("orders")))
        stream.source.put_nowait(None)
        assert await first == []


async def test_broken_stream_raises_and_does_not_resume_by_itself() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        pages = api._caller.stream(ScanAll("orders"))
        first = asyncio.ensure_future(anext(pages))
        stream = await gateway.streams.get()
        stream.source.put_nowait([_row(1)])
        await first
        for connection in list(server.connections):
            connection.transport.disconnect(graceful=False)
        with pytest.raises(StoreUnavailableError):
            await anext(pages)
        await stream.closed.wait()
        assert gateway.streams.empty()


async def test_subscription_resumes_behind_the_last_event_after_the_server_came_back() -> None:
    gateway = ScriptedGateway()
    server = await RpcServer(gateway).start()
    async with connect(server.url) as api:
        events = api.subscribe("orders")
        stream = await _next_stream(gateway, events, 1)
        assert stream.operation == SubscribeOperation("orders", by_stream(), 0)
        await server.break_down()
        waiting = asyncio.ensure_future(anext(events))
        await stream.closed.wait()
        server = await RpcServer(gateway, port=server.port).start()
        stream = await gateway.streams.get()
        assert stream.operation == SubscribeOperation("orders", by_stream(), 2, seen=Seen(1, b"i" * 16))
        stream.source.put_nowait(_page(2))
        assert (await waiting).position == 2
        await events.aclose()
        await server.break_down()


async def _next_stream(gateway: ScriptedGateway, events: Any, position: int) -> ScriptedStream:
    first = asyncio.ensure_future(anext(events))
    stream = await gateway.streams.get()
    stream.source.put_nowait(_page(position))
    assert (await first).position == position
    return stream


async def test_bytes_are_streamed_as_they_are() -> None:
    gateway = ScriptedGateway()
    async with serving(gateway) as server, connect(server.url) as api:
        reading = asyncio.ensure_future(_gathered(api._caller.stream(BackupStore("orders"))))
        stream = await gateway.streams.get()
        for chunk in (b"a" * (1 << 20), b"b", None):
            stream.source.put_nowait(chunk)
        assert b"".join(await reading) == b"a" * (1 << 20) + b"b"


async def test_slow_reader_holds_up_no_other_call() -> None:
    gateway = ScriptedGateway()
    async with (
        serving(gateway) as server,
        connect(server.url) as api,
        aclosing(api._caller.stream(BackupStore("orders"))) as chunks,
    ):
        first = asyncio.ensure_future(anext(chunks))
        stream = await gateway.streams.get()
        for _ in range(100):
            stream.source.put_nowait(b"x" * (1 << 20))
        await first
        await _answered(gateway, api)
        assert stream.asked <= WINDOW_PAGES + 1
