"""Reading over HTTP: pages of JSON, and NDJSON to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gater.api.operation import Operation
from gater.api.operations import ScanAll
from gater.gateway import scans
from gater.gateway.backups import Backups
from gater.model.errors import StoreUnavailableError
from gater.server.http import reads
from tests.integration.served import ORDERS, append, failure, served

LINES = {"Accept": "application/x-ndjson"}


async def filled(client: httpx.AsyncClient, count: int, stream: str = "order-1") -> None:
    await append(client, stream, *[f"T{number}" for number in range(count)])


async def versions(client: httpx.AsyncClient, **query: Any) -> tuple[list[int], int | None]:
    answer = await client.get(f"{ORDERS}/streams/order-1/events", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [event["version"] for event in page["events"]], page["next"]


async def positions(client: httpx.AsyncClient, **query: Any) -> tuple[list[int], int | None]:
    answer = await client.get(f"{ORDERS}/events", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [event["position"] for event in page["events"]], page["next"]


async def test_event_has_every_field(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "order-1", "OrderPlaced")
        (event,) = (await client.get(f"{ORDERS}/streams/order-1/events")).json()["events"]
        assert event.pop("event_id").count("-") == 4
        assert event.pop("created").endswith("Z")
        assert event.pop("created_epoch") > 1_600_000_000_000_000
        assert event == {
            "stream_id": "order-1",
            "version": 0,
            "position": 1,
            "event_type": "OrderPlaced",
            "data": {"number": 0},
            "content_type": "application/json",
            "metadata": {},
        }


async def test_stream_is_read_in_pages(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 7)
        assert await versions(client) == ([0, 1, 2, 3, 4, 5, 6], None)
        assert await versions(client, count=3) == ([0, 1, 2], 3)
        assert await versions(client, count=3, start_version=3) == ([3, 4, 5], 6)
        assert await versions(client, count=3, start_version=6) == ([6], None)
        assert await versions(client, start_version=7) == ([], None)
        assert await versions(client, direction="backward", count=3) == ([6, 5, 4], 3)
        assert await versions(client, direction="backward", count=4, start_version=3) == ([3, 2, 1, 0], None)
        assert await versions(client, direction="backward", count=3, start_version=8) == ([6, 5, 4], 3)
        assert await versions(client, count=(1 << 63) - 1, start_version=(1 << 63) - 1) == ([], None)


async def test_pages_of_a_truncated_stream_begin_and_end_where_its_events_do(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 300)
        await client.post(f"{ORDERS}/streams/order-1/truncate", json={"before_version": 250})
        assert await versions(client, count=2) == ([250, 251], 252)
        assert await versions(client, count=25, start_version=275) == (list(range(275, 300)), None)
        assert await versions(client, direction="backward", count=49) == (list(range(299, 250, -1)), 250)
        assert await versions(client, direction="backward", count=50) == (list(range(299, 249, -1)), None)
        answer = await client.get(f"{ORDERS}/streams/order-1/events", headers=LINES, params={"count": 3})
        assert [json.loads(line)["version"] for line in answer.content.splitlines()] == [250, 251, 252]


async def test_store_is_read_in_pages(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 5)
        assert await positions(client) == ([1, 2, 3, 4, 5], None)
        assert await positions(client, count=2) == ([1, 2], 2)
        assert await positions(client, count=2, after=2) == ([3, 4], 4)
        assert await positions(client, after=5) == ([], None)
        assert await positions(client, direction="backward", count=2) == ([5, 4], 4)
        assert await positions(client, direction="backward", after=3) == ([2, 1], None)


async def test_unknown_stream_has_no_events(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert await versions(client) == ([], None)
        assert await versions(client, direction="backward") == ([], None)
        answer = await client.get(f"{ORDERS}/streams/order-1/events", headers=LINES)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_json_answer_is_bounded_and_says_where_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_EVENTS", 1_500)
    async with served(tmp_path) as client:
        await filled(client, 3_200)
        read, following = await versions(client, count=10_000)
        assert (len(read), following) == (2_000, 2_000)
        read, following = await versions(client, count=8_000, start_version=following)
        assert (read[0], read[-1], following) == (2_000, 3_199, None)
        read, following = await positions(client, count=10_000)
        assert (len(read), following) == (2_000, 2_000)
        read, following = await versions(client, count=10_000, direction="backward")
        assert (read[0], len(read), following) == (3_199, 2_000, 1_199)


async def test_json_answer_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_BYTES", 2 << 20)
    async with served(tmp_path) as client:
        event = {"event_type": "T", "data": "x" * 1_000_000}
        for _ in range(6):
            assert (await client.post(f"{ORDERS}/streams/order-1/events", json=[event])).status_code == 201
        read, following = await versions(client, count=6)
        assert (read, following) == ([0, 1, 2, 3], 4)


async def test_ndjson_reads_to_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 3_000)
        for path in (f"{ORDERS}/streams/order-1/events", f"{ORDERS}/events"):
            answer = await client.get(path, headers=LINES)
            assert answer.headers["content-type"] == "application/x-ndjson"
            events = [json.loads(line) for line in answer.content.splitlines()]
            assert [event["version"] for event in events] == list(range(3_000))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"count": 1_500}, list(range(1_500))),
        ({"direction": "backward"}, list(range(1_999, -1, -1))),
        ({"direction": "backward", "count": 2}, [1_999, 1_998]),
    ],
)
async def test_ndjson_keeps_to_count_and_direction(tmp_path: Path, query: Any, expected: list[int]) -> None:
    async with served(tmp_path) as client:
        await filled(client, 2_000)
        for path in (f"{ORDERS}/streams/order-1/events", f"{ORDERS}/events"):
            answer = await client.get(path, headers=LINES, params=query)
            assert [json.loads(line)["version"] for line in answer.content.splitlines()] == expected


async def test_ndjson_has_one_line_for_an_event_of_several_lines(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        body = b'[{"event_type": "T", "data": {\n  "n": 1.10\n}}]'
        await client.post(f"{ORDERS}/streams/s/events", content=body)
        (line,) = (await client.get(f"{ORDERS}/events", headers=LINES)).content.splitlines()
        assert b'"data":{"n":1.10}' in line


async def test_read_waits_for_a_position_as_long_as_a_call_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Operation, "timeout", 0.2)
    async with served(tmp_path) as client:
        await filled(client, 2)
        assert await versions(client, after_position=2) == ([0, 1], None)
        assert await positions(client, after_position=2) == ([1, 2], None)
        late = asyncio.ensure_future(versions(client, after_position=3))
        await filled(client, 1)
        assert (await late)[0] == [0, 1, 2]
        for path in (f"{ORDERS}/streams/order-1/version", f"{ORDERS}/events"):
            answer = await client.get(path, params={"after_position": 1_000}, headers=LINES)
            assert failure(answer, 504, "timeout")["seconds"] == 0.2


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("count=0", "invalid_count"),
        ("count=-1", "invalid_count"),
        ("count=many", "invalid_count"),
        ("count=", "invalid_count"),
        ("count=1.5", "invalid_count"),
        ("count=null", "invalid_count"),
        ("start_version=null", "invalid_start_version"),
        ("count=99999999999999999999", "invalid_count"),
        ("start_version=-1", "invalid_start_version"),
        ("start_version=first", "invalid_start_version"),
        ("start_version=99999999999999999999", "invalid_start_version"),
        ("direction=sideways", "invalid_argument"),
        ("after_position=-1", "invalid_argument"),
        ("after=1", "invalid_argument"),
        ("conut=1", "invalid_argument"),
        ("count=1&count=2", "invalid_argument"),
        ("count=%FF", "invalid_argument"),
        ("&".join(f"a{number}=1" for number in range(100)), "invalid_argument"),
    ],
)
async def test_wrong_query_is_refused(tmp_path: Path, query: str, code: str) -> None:
    async with served(tmp_path) as client:
        for headers in ({}, LINES):
            answer = await client.get(f"{ORDERS}/streams/order-1/events?{query}", headers=headers)
            failure(answer, 400, code)


async def test_wrong_position_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert failure(await client.get(f"{ORDERS}/events?after=-1"), 400, "invalid_argument")["argument"] == "after"


@pytest.mark.parametrize("path", ["streams/s/events", "events", "streams", "streams/s/version"])
async def test_unknown_store_is_not_found(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as client:
        for headers in ({}, LINES):
            answer = await client.get(f"/v1/stores/nowhere/{path}", headers=headers)
            assert failure(answer, 404, "store_not_found") == {"store": "nowhere"}


async def test_version_of_a_stream(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await client.get(f"{ORDERS}/streams/order-1/version")).json() == {"version": -1}
        await filled(client, 3)
        assert (await client.get(f"{ORDERS}/streams/order-1/version")).json() == {"version": 2}


async def test_streams_are_listed_in_pages(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for name in ("b-1", "a-2", "a-1", "a-3"):
            await append(client, name, "T")

        async def listed(**query: Any) -> Any:
            return (await client.get(f"{ORDERS}/streams", params=query)).json()

        assert await listed() == {"streams": ["a-1", "a-2", "a-3", "b-1"], "next": None}
        assert await listed(prefix="a-", limit=2) == {"streams": ["a-1", "a-2"], "next": "a-2"}
        assert await listed(prefix="a-", limit=2, after="a-2") == {"streams": ["a-3"], "next": None}
        assert await listed(limit=4) == {"streams": ["a-1", "a-2", "a-3", "b-1"], "next": None}
        failure(await client.get(f"{ORDERS}/streams?limit=0"), 400, "invalid_count")


async def test_deleted_stream_reads_empty_and_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 3)
        answer = await client.delete(
            f"{ORDERS}/streams/order-1?confirm=order-1", headers={"Gater-Expected-Version": "1"}
        )
        failure(answer, 409, "wrong_expected_version")
        answer = await client.delete(f"{ORDERS}/streams/order-1?confirm=order-1&expected_version=2")
        assert (answer.status_code, answer.json()["version"]) == (200, 2)
        assert (await versions(client))[0] == []
        assert (await append(client, "order-1", "Again"))["version"] == 3


async def test_tombstone_closes_a_stream_for_good(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 1)
        failure(
            await client.delete(f"{ORDERS}/streams/order-1?confirm=order-1&tombstone=perhaps"), 400, "invalid_argument"
        )
        assert (await client.delete(f"{ORDERS}/streams/order-1?confirm=order-1&tombstone=true")).status_code == 200
        answer = await client.post(f"{ORDERS}/streams/order-1/events", json=[{"event_type": "T"}])
        assert failure(answer, 410, "stream_deleted") == {"stream_id": "order-1"}


async def test_truncated_stream_begins_later_and_gives_its_space_back(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await filled(client, 5)
        answer = await client.post(f"{ORDERS}/streams/order-1/truncate", json={"before_version": 3})
        assert (answer.status_code, answer.json()["version"]) == (200, 4)
        assert await versions(client) == ([3, 4], None)
        assert (await client.post(f"{ORDERS}/compact")).json() == {"removed": 3}
        assert (await positions(client))[0] == [4, 5]
        for body in ({"before_version": -1}, {"before_version": "3"}, {}, {"before": 3}):
            answer = await client.post(f"{ORDERS}/streams/order-1/truncate", json=body)
            assert answer.status_code == 400, answer.text


async def test_read_that_breaks_off_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = scans.scan_all

    async def breaking(*given: Any) -> AsyncGenerator[Any, None]:
        async for page in scan(*given):
            yield page
            raise StoreUnavailableError("orders", "its disk is gone")

    monkeypatch.setitem(scans.STREAMS, ScanAll, breaking)
    async with served(tmp_path) as client:
        await filled(client, 2)
        answer = await client.get(f"{ORDERS}/events", headers=LINES)
        *events, last = [json.loads(line) for line in answer.content.splitlines()]
        assert [event["version"] for event in events] == [0, 1]
        assert last["error"]["code"] == "store_unavailable"


async def test_backup_that_breaks_off_is_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaking(*_: Any) -> AsyncGenerator[bytes, None]:
        yield b"the beginning"
        raise StoreUnavailableError("orders", "its disk is gone")

    monkeypatch.setattr(Backups, "send", breaking)
    async with served(tmp_path) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{ORDERS}/backup")
        assert (await client.get("/health/ready")).status_code == 200


# --- what matches ---


async def test_read_gives_only_what_matches(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        for number in range(6):
            await append(client, f"order-{number % 2}", "Odd" if number % 2 else "Even")
        odd = '{"by_event_type": "Odd"}'
        assert await positions(client, where=odd) == ([2, 4, 6], None)
        assert await positions(client, where=odd, count=2) == ([2, 4], 4)
        assert await positions(client, where=odd, count=2, after=4) == ([6], None)
        assert await positions(client, where=odd, direction="backward", count=2) == ([6, 4], 4)
        assert await positions(client, where='{"stream_prefix": "order-0"}', after=1) == ([3, 5], None)
        assert await positions(client, where='{"by_event_payload": {"number": 1}}') == ([], None)
        answer = await client.get(f"{ORDERS}/events", params={"where": odd, "count": 2}, headers=LINES)
        assert [json.loads(line)["position"] for line in answer.text.splitlines()] == [2, 4]


async def test_read_of_few_that_match_looks_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_PAGES", 1)
    async with served(tmp_path) as client:
        await filled(client, 1_500)
        await append(client, "order-2", "Rare")
        rare = '{"stream_prefix": "order-2"}'
        assert await positions(client, where=rare) == ([], 1_000)
        assert await positions(client, where=rare, after=1_000) == ([1_501], None)


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("", "invalid_argument"),
        ("{", "invalid_argument"),
        ("[]", "invalid_argument"),
        ("null", "invalid_argument"),
        ('{"by_magic": 1}', "invalid_argument"),
        ('{"by_event_type": ""}', "invalid_argument"),
        ('{"by_event_pattern": {"colour": 1}}', "validation_error"),
        ('{"by_event_payload": 1}', "validation_error"),
        ("[" * 5_000, "invalid_argument"),
    ],
)
async def test_wrong_where_is_refused(tmp_path: Path, where: str, code: str) -> None:
    async with served(tmp_path) as client:
        for headers in ({}, LINES):
            failure(await client.get(f"{ORDERS}/events", params={"where": where}, headers=headers), 400, code)


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_history_that_a_read_was_given_is_taken_back(tmp_path: Path, accept: str) -> None:
    async with served(tmp_path) as client:
        await append(client, "a", "A", "B")
        for path in (f"{ORDERS}/events", f"{ORDERS}/streams/a/events"):
            answer = await client.get(path, params={"count": 1}, headers={"Accept": accept})
            history = answer.headers["gater-history"]
            assert history == (await client.get(f"{ORDERS}/status")).json()["history"]
            again = await client.get(path, params={"history": history}, headers={"Accept": accept})
            assert (again.status_code, again.headers["gater-history"]) == (200, history)
            failure(await client.get(path, params={"history": "0"}, headers={"Accept": accept}), 409, "history_changed")
