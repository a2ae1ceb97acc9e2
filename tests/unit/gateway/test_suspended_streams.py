"""A stream that is not asked for its next item keeps nothing of the last one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gater.api.operation import StreamingOperation
from gater.api.operations import AppendStreams, ScanAll, ScanStream
from gater.api.origin import IN_PROCESS
from gater.api.subscription_operations import SubscribeOperation
from gater.gateway.gateway import open_gateway
from gater.gateway.local_caller import LocalCaller
from gater.model.commands import StreamWrite
from gater.model.events import RawEvent
from gater.model.selectors import parse_selector

ONLY_HERE = 2
"""References to a value: the variable of the test, and the argument of what counts them."""


@pytest.mark.parametrize(
    "operation",
    [
        ScanAll("s", 0),
        ScanStream("s", "a", 0, None, False),
        SubscribeOperation("s", parse_selector("by_stream", "$all")),
    ],
    ids=lambda operation: operation.name,
)
async def test_a_suspended_stream_keeps_no_page(operation: StreamingOperation[object], tmp_path: Path) -> None:
    gateway = await open_gateway(tmp_path, stores=["s"])
    caller = LocalCaller(gateway.door, gateway=gateway)
    event = RawEvent(bytes(16), "t", "application/json", b"1")
    await caller.call(AppendStreams("s", (StreamWrite("a", (event,)),)))
    items = gateway.audit.audited_stream(operation, IN_PROCESS, gateway.stream)
    item = await anext(items)
    assert sys.getrefcount(item) == ONLY_HERE
    await items.aclose()
    await caller.close()


async def test_a_suspended_follower_keeps_no_page_of_what_is_new(tmp_path: Path) -> None:
    gateway = await open_gateway(tmp_path, stores=["s"])
    caller = LocalCaller(gateway.door, gateway=gateway)
    items = gateway.door.stream(SubscribeOperation("s", parse_selector("by_stream", "$all")), IN_PROCESS)
    assert (await anext(items)).live
    event = RawEvent(bytes(16), "t", "application/json", b"1")
    await caller.call(AppendStreams("s", (StreamWrite("a", (event,)),)))
    page = await anext(items)
    assert len(page.events) == 1
    assert sys.getrefcount(page) == ONLY_HERE
    await items.aclose()
    await caller.close()
