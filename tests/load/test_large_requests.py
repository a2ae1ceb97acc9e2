"""One large request and a well-behaved client beside it: nobody else waits for it.

The client's waits hold what other programs do to the machine as well, so a request has a few rounds: what the node adds
comes in each of them, what the machine adds does not.
"""

from __future__ import annotations

import asyncio
import http.client
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Final
from urllib.parse import urlsplit

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
WORST_MS: Final = 250.0
"""What a single call may take, the machine's other work included."""
WORST_SELECTED_MS: Final = 400.0
"""The same beside a selector that looks into events of a megabyte: each of them is decoded in one step."""
ROUNDS: Final = 3


class Beside:
    """A node, an API on it, and the client whose waits are measured."""

    def __init__(self, api: GaterApi, url: str, client: WellBehavedClient) -> None:
        self.api = api
        self.address = urlsplit(url).netloc
        self._client = client

    async def nobody_waits(self, work: Callable[[int], Awaitable[Any]], worst: float = WORST_MS) -> Any:
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
            if waits.worst < worst and (waits.calls < ENOUGH_CALLS or waits.p99 < P99_MS):
                return answer
        raise AssertionError(seen)

    async def sends(self, operation: Operation[Any]) -> Any:
        """The same for one operation over RPC, as it is: the API's own checks are passed by."""
        return await self.nobody_waits(lambda _: self.api._caller.call(operation, 100.0))

    async def asks(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The same for one request over HTTP: the status and the answer."""
        answer: tuple[int, bytes] = await self.nobody_waits(lambda _: self.ask(method, path, body))
        return answer

    async def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        return await asyncio.to_thread(answer_of, self.address, method, path, body)


def answer_of(address: str, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=100.0)
    try:
        connection.request(method, "/v1/" + path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


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
        yield Beside(api, url, client)


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


@pytest.mark.parametrize(("count", "what"), [(MOST_GUARDS + 1, "guards"), (1_600_000, "values")])
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

    assert await beside.nobody_waits(read, WORST_SELECTED_MS) == []


async def test_requests_sent_after_a_large_one_are_begun_after_it(beside: Beside) -> None:
    large = asyncio.create_task(beside.api.append_events("s", "ordered", [NewEvent("T", "x" * 700_000)]))
    after = asyncio.create_task(beside.api.append_events("s", "ordered", [NewEvent("T", 1)], 0))
    assert (await large).version == 0
    assert (await after).version == 1


EVENT: Final = b'{"event_type":"t","data":1}'
NESTED: Final = b'{"event_type":"t","data":[{"a":"]"},"b"]}'


def json_list(item: bytes, count: int) -> bytes:
    return b"[" + b",".join([item] * count) + b"]"


@pytest.mark.parametrize("event", [EVENT, NESTED], ids=["flat", "nested"])
async def test_nobody_waits_for_an_append_over_http_of_as_many_events_as_can_be(beside: Beside, event: bytes) -> None:
    status, answer = await beside.asks("POST", "stores/s/streams/http/events", json_list(event, MOST_EVENTS))
    assert status == 201, answer


@pytest.mark.parametrize(
    ("method", "path", "body", "what"),
    [
        ("POST", "stores/s/streams/http/events", json_list(EVENT, MOST_EVENTS + 1), "events"),
        ("POST", "stores/s/streams/http/events", json_list(b"{}", 5_500_000), "events"),
        (
            "POST",
            "stores/s/append",
            b'{"appends":%b}' % json_list(b'{"stream_id":"a","events":[]}', 500_000),
            "streams",
        ),
        (
            "POST",
            "stores/s/append",
            b'{"guards":%b,"appends":[]}' % json_list(b'{"stream_id":"a","expected_version":1}', 400_000),
            "guards",
        ),
        ("POST", "stores/s/subscriptions/c/ack", b'{"deliveries":%b}' % json_list(b'{"position":1}', 1_000_000), ""),
        ("POST", "pubsub/events/publish", b'{"topic":"t","message":%b}' % json_list(b"1", 8_000_000), "values"),
    ],
    ids=["events", "empty objects", "streams", "guards", "acknowledgements", "values of a message"],
)
async def test_nobody_waits_for_a_body_of_more_than_can_be(
    beside: Beside, method: str, path: str, body: bytes, what: str
) -> None:
    status, answer = await beside.asks(method, path, body)
    assert status == 413, answer
    assert b"request_too_large" in answer
    assert what.encode() in answer


@pytest.mark.parametrize("part", [b"1", b'"\\""'], ids=["numbers", "escapes"])
async def test_nobody_waits_for_a_snapshot_over_http(beside: Beside, part: bytes) -> None:
    values = json_list(part, (15 << 20) // (len(part) + 1) // 2)
    body = b'{"data":%b,"metadata":{"of":%b}}' % (values, values)
    status, answer = await beside.asks("PUT", "stores/s/snapshots/x/y/0", body)
    assert status == 200, answer


async def test_nobody_waits_for_twelve_large_appends_at_once(beside: Beside) -> None:
    body = json_list(EVENT, 400_000)

    async def at_once(_: int) -> list[tuple[int, bytes]]:
        return await asyncio.gather(*[beside.ask("POST", "stores/s/streams/twelve/events", body) for _ in range(12)])

    for status, answer in await beside.nobody_waits(at_once):
        assert status in (413, 429, 503), answer
