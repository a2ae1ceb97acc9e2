"""One large request and a well-behaved client beside it: nobody else waits for it.

The client's waits hold what other programs do to the machine as well, so a request has a few rounds: what the node adds
comes in each of them, what the machine adds does not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Final

import pytest

import gater
from gater import GaterApi, NewEvent
from gater.api.operation import Operation
from gater.api.operations import AppendStreams, RecordSnapshotOperation
from gater.api.subscription_operations import Ack, Settle
from gater.model.commands import StreamGuard, StreamWrite
from gater.model.errors import GaterError, RequestTooLargeError
from gater.model.events import RawEvent
from gater.model.limits import MOST_EVENTS, MOST_GUARDS, MOST_STREAMS
from gater.model.snapshots import Snapshot
from gater.testing.server import GaterServer
from tests.load.well_behaved import Waits, WellBehavedClient

P99_MS: Final = 100.0
ENOUGH_CALLS: Final = 100
"""Calls from which one in a hundred is another than the longest."""
WORST_MS: Final = 400.0
"""What a single call may take, the machine's other work included."""
ROUNDS: Final = 3


class Beside:
    """A node, an API on it, and the client whose waits are measured."""

    def __init__(self, api: GaterApi, client: WellBehavedClient) -> None:
        self.api = api
        self._client = client

    async def nobody_waits(self, work: Callable[[int], Awaitable[Any]]) -> Any:
        """The answer to the work, given the number of the round, or its error: none is such that others wait for it."""
        seen: list[Waits] = []
        for number in range(ROUNDS):
            self._client.waits()
            try:
                answer = await work(number)
            except GaterError as error:
                answer = error
            await asyncio.sleep(0.1)
            waits = self._client.waits()
            seen.append(waits)
            if waits.worst < WORST_MS and (waits.calls < ENOUGH_CALLS or waits.p99 < P99_MS):
                return answer
        raise AssertionError(seen)

    async def sends(self, operation: Operation[Any]) -> Any:
        """The same for one operation over RPC, as it is: the API's own checks are passed by."""
        return await self.nobody_waits(lambda _: self.api._caller.call(operation, 100.0))


@pytest.fixture(scope="module")
def url() -> Generator[str, None, None]:
    with GaterServer(["s", "other", "large"]) as server:
        yield server.url


@pytest.fixture(scope="module")
def client(url: str) -> Generator[WellBehavedClient, None, None]:
    with WellBehavedClient(url, "other") as client:
        yield client


@pytest.fixture
def beside(url: str, client: WellBehavedClient) -> AsyncGenerator[Beside, None]:
    return connected(url, client)


async def connected(url: str, client: WellBehavedClient) -> AsyncGenerator[Beside, None]:
    async with gater.connect(url) as api:
        yield Beside(api, client)


def tiny_events(count: int) -> tuple[RawEvent, ...]:
    return tuple([RawEvent(os.urandom(16), "t", "application/json", b"1") for _ in range(count)])


def append(events: tuple[RawEvent, ...], stream: str = "a") -> AppendStreams:
    return AppendStreams("s", (StreamWrite(stream, events),))


def is_too_large(answer: Any, what: str) -> bool:
    return isinstance(answer, RequestTooLargeError) and answer.details.get("what") == what


async def test_nobody_waits_for_an_append_of_as_many_events_as_can_be(beside: Beside) -> None:
    events = tiny_events(MOST_EVENTS)
    answer = await beside.sends(append(events, "as many as can be"))
    assert answer[0].version == MOST_EVENTS - 1


@pytest.mark.parametrize(("count", "what"), [(MOST_EVENTS + 1, "events"), (400_000, "values")])
async def test_nobody_waits_for_an_append_of_more_events(beside: Beside, count: int, what: str) -> None:
    assert is_too_large(await beside.sends(append(tiny_events(count))), what)


async def test_nobody_waits_for_large_appends_of_many_at_once(beside: Beside) -> None:
    events = tiny_events(40_000)

    async def at_once(number: int) -> list[Any]:
        calls = [beside.api._caller.call(append(events, f"{number}-{n}"), 100.0) for n in range(4)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert len(await beside.nobody_waits(at_once)) == 4


@pytest.mark.parametrize(("count", "what"), [(MOST_GUARDS + 1, "guards"), (200_000, "guards"), (1_600_000, "values")])
async def test_nobody_waits_for_many_guards(beside: Beside, count: int, what: str) -> None:
    guards = tuple([StreamGuard(f"g{number % 1_000}", -2) for number in range(count)])
    assert is_too_large(await beside.sends(AppendStreams("s", (StreamWrite("a", ()),), guards)), what)


async def test_nobody_waits_for_as_many_streams_and_guards_as_can_be(beside: Beside) -> None:
    writes = tuple([StreamWrite(f"s{number}", tiny_events(1)) for number in range(MOST_STREAMS)])
    guards = tuple([StreamGuard(f"g{number}", -2) for number in range(MOST_GUARDS)])
    assert len(await beside.sends(AppendStreams("s", writes, guards))) == MOST_STREAMS


async def test_nobody_waits_for_many_streams(beside: Beside) -> None:
    writes = tuple([StreamWrite(f"s{number}", ()) for number in range(200_000)])
    assert is_too_large(await beside.sends(AppendStreams("s", writes)), "streams")


@pytest.mark.parametrize(("count", "what"), [(300_000, "settlements"), (5_000_000, "values")])
async def test_nobody_waits_for_many_acknowledgements(beside: Beside, count: int, what: str) -> None:
    assert is_too_large(await beside.sends(Settle("s", "c", (Ack(1),) * count)), what)


async def test_nobody_waits_for_a_snapshot_of_many_values(beside: Beside) -> None:
    data = b"[" + b"1," * (7 << 20) + b"1]"
    await beside.sends(RecordSnapshotOperation("s", Snapshot("x", "y", 0, "application/json", data, None, "", 0, 0)))


async def test_nobody_waits_for_a_selector_of_many_patterns_over_large_events(beside: Beside) -> None:
    values = {f"k{number}": [number] * 20 for number in range(8_000)}
    for _ in range(12):
        await beside.api.append_events("large", "large", [NewEvent("T", values)])
    patterns = [{"by_event_payload": {"k1": number, "k2": 2}} for number in range(2, 64)]
    parts: dict[str, Any] = {"any_of": [{"any_of": patterns}] * 4}

    async def read(_: int) -> list[Any]:
        pages = [page async for page in beside.api.stream_all("large", selector=parts)]
        return [*pages, *await beside.api.read_all("large", selector=parts)]

    assert await beside.nobody_waits(read) == []


async def test_requests_sent_after_a_large_one_are_begun_after_it(beside: Beside) -> None:
    large = asyncio.create_task(beside.api.append_events("s", "ordered", [NewEvent("T", "x" * 700_000)]))
    after = asyncio.create_task(beside.api.append_events("s", "ordered", [NewEvent("T", 1)], 0))
    assert (await large).version == 0
    assert (await after).version == 1
