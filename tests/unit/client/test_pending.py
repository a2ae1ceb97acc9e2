"""What waits for the server gets its answer, or why there is none."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from gater.api.operations import GetVersion, ScanAll
from gater.client.pending import END, PendingCall, PendingStream
from gater.model.errors import InternalError, RequestTimeoutError, StoreNotFoundError
from gater.wire.frames import End, Failure, Item, Response


def _call(deadline: float | None = None) -> PendingCall:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    return PendingCall(future, GetVersion("orders", "s"), deadline, 5.0)


async def test_call_takes_its_answer() -> None:
    call = _call()
    call.take(Response(1, msgspec.Raw(b"\x07")))
    assert await call.future == 7


async def test_call_takes_a_failure() -> None:
    call = _call()
    call.take(Failure(1, "store_not_found", "No", {"store": "orders"}))
    with pytest.raises(StoreNotFoundError):
        await call.future


async def test_call_expires_with_its_name_and_time() -> None:
    call = _call()
    call.expire()
    with pytest.raises(RequestTimeoutError) as expired:
        await call.future
    assert (expired.value.operation, expired.value.seconds) == ("get_version", 5.0)


async def test_call_that_nobody_waits_for_takes_anything() -> None:
    call = _call()
    call.future.cancel()
    call.take(Response(1, msgspec.Raw(b"\x07")))
    call.lose(RuntimeError())
    call.expire()
    assert call.future.cancelled()


async def test_call_refuses_an_answer_of_another_type() -> None:
    call = _call()
    call.take(Response(1, msgspec.Raw(b"\xa1x")))
    with pytest.raises(InternalError):
        await call.future


async def test_stream_gives_items_before_its_end() -> None:
    stream = PendingStream(ScanAll("orders"))
    stream.take(Item(1, msgspec.Raw(b"\x90")))
    stream.take(End(1))
    assert await stream.next() == []
    assert await stream.next() is END


async def test_stream_gives_items_before_its_error() -> None:
    stream = PendingStream(ScanAll("orders"))
    stream.take(Item(1, msgspec.Raw(b"\x90")))
    stream.lose(ConnectionResetError())
    assert await stream.next() == []
    with pytest.raises(ConnectionResetError):
        await stream.next()


async def test_loss_after_the_end_changes_nothing() -> None:
    stream = PendingStream(ScanAll("orders"))
    stream.take(End(1))
    stream.lose(ConnectionResetError())
    assert await stream.next() is END


async def test_reader_waits_for_the_next_item() -> None:
    stream = PendingStream(ScanAll("orders"))
    waiting = asyncio.ensure_future(stream.next())
    await asyncio.sleep(0)
    stream.take(Item(1, msgspec.Raw(b"\x90")))
    stream.take(Item(1, msgspec.Raw(b"\x90")))
    assert await waiting == []
