"""Appending over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.served import ORDERS, append, failure, served

EVENT = {"event_type": "OrderPlaced", "data": {"total": 12}}


async def test_append_answers_version_position_and_durability(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        answer = await client.post(f"{ORDERS}/streams/order-1/events", json={"events": [EVENT, EVENT]})
        assert answer.status_code == 201
        assert answer.json() == {"version": 1, "position": 2, "durability": "fsync"}


async def test_append_takes_a_bare_list(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        answer = await client.post(f"{ORDERS}/streams/order-1/events", json=[EVENT])
        assert (answer.status_code, answer.json()["version"]) == (201, 0)


async def test_append_of_nothing_answers_the_current_version(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await append(client, "order-1"))["version"] == -1
        await append(client, "order-1", "A", "B")
        assert (await append(client, "order-1"))["version"] == 1


@pytest.mark.parametrize(
    ("expected", "accepted"),
    [
        ("1", True),
        ("any", True),
        ("-2", True),
        ("stream_exists", True),
        ("-4", True),
        ("0", False),
        ("2", False),
        ("no_stream", False),
        ("-1", False),
    ],
)
@pytest.mark.parametrize("place", ["header", "query"])
async def test_append_checks_the_expected_version(tmp_path: Path, expected: str, accepted: bool, place: str) -> None:
    async with served(tmp_path) as client:
        await append(client, "order-1", "A", "B")
        where: dict[str, Any] = (
            {"headers": {"Gater-Expected-Version": expected}}
            if place == "header"
            else {"params": {"expected_version": expected}}
        )
        answer = await client.post(f"{ORDERS}/streams/order-1/events", json=[EVENT], **where)
        if accepted:
            assert answer.status_code == 201
        else:
            details = failure(answer, 409, "wrong_expected_version")
            assert (details["stream_id"], details["actual"]) == ("order-1", 1)
            assert details["expected"] == (-1 if expected == "no_stream" else int(expected))


@pytest.mark.parametrize("expected", ["-3", "1.0", "latest", "", " ", "1" * 30, "٣"])
async def test_append_refuses_what_is_no_expected_version(tmp_path: Path, expected: str) -> None:
    async with served(tmp_path) as client:
        answer = await client.post(
            f"{ORDERS}/streams/order-1/events", json=[EVENT], params={"expected_version": expected}
        )
        assert failure(answer, 400, "invalid_argument")["argument"] == "expected_version"


async def test_append_refuses_two_expected_versions(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        path, header = f"{ORDERS}/streams/order-1/events", {"Gater-Expected-Version": "any"}
        answer = await client.post(f"{path}?expected_version=no_stream", json=[EVENT], headers=header)
        failure(answer, 400, "invalid_argument")
        answer = await client.post(f"{path}?expected_version=any", json=[EVENT], headers=header)
        assert answer.status_code == 201


async def test_repeated_append_gives_the_first_answer(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        event = {**EVENT, "event_id": str(uuid4())}
        path, headers = f"{ORDERS}/streams/order-1/events", {"Gater-Expected-Version": "no_stream"}
        first = await client.post(path, json=[event], headers=headers)
        await append(client, "order-1", "Later")
        again = await client.post(path, json=[event], headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
        partly = await client.post(path, json=[event, EVENT])
        assert failure(partly, 409, "duplicate_event")["stream_id"] == "order-1"


async def test_payload_is_kept_as_it_came(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        data = '{"n":  1.10, "big": 12345678901234567890123, "e": 1e2}'
        body = f'[{{"event_type": "T", "data": {data}, "metadata": {{"u": 1.0}}}}]'
        assert (await client.post(f"{ORDERS}/streams/s/events", content=body)).status_code == 201
        read = (await client.get(f"{ORDERS}/streams/s/events")).text
        assert f'"data":{data}' in read
        assert '"metadata":{"u": 1.0}' in read


@pytest.mark.parametrize("data", [None, True, 5, "text", [1, 2], {}])
async def test_data_is_any_json(tmp_path: Path, data: Any) -> None:
    async with served(tmp_path) as client:
        await client.post(f"{ORDERS}/streams/s/events", json=[{"event_type": "T", "data": data}])
        (event,) = (await client.get(f"{ORDERS}/streams/s/events")).json()["events"]
        assert (event["data"], event["metadata"]) == (data, {})


async def test_absent_data_is_null(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await client.post(f"{ORDERS}/streams/s/events", json=[{"event_type": "T", "metadata": None}])
        (event,) = (await client.get(f"{ORDERS}/streams/s/events")).json()["events"]
        assert event["data"] is None


async def test_binary_data_is_base64(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        event = {"event_type": "Photo", "data": "/9j/AA==", "content_type": "image/jpeg"}
        assert (await client.post(f"{ORDERS}/streams/s/events", json=[event])).status_code == 201
        (read,) = (await client.get(f"{ORDERS}/streams/s/events")).json()["events"]
        assert (read["data"], read["content_type"]) == ("/9j/AA==", "image/jpeg")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "validation_error"),
        (b"{", "validation_error"),
        (b"null", "validation_error"),
        (b'"text"', "validation_error"),
        (b"{}", "validation_error"),
        (b'{"events": {}}', "validation_error"),
        (b'{"events": [], "event": 1}', "validation_error"),
        (b'[{"data": 1}]', "validation_error"),
        (b'[{"event_type": 5}]', "validation_error"),
        (b'[{"event_type": "T", "datta": 5}]', "validation_error"),
        (b'[{"event_type": "T", "metadata": 5}]', "validation_error"),
        (b'[{"event_type": "T", "metadata": "\xff"}]', "validation_error"),
        (b'[{"event_type": "T", "data": "\xff"}]', "validation_error"),
        (b'[{"event_type": "\xff"}]', "validation_error"),
        (b'[{"event_type": "T", "data": 1e999}]', "validation_error"),
        (b'[{"event_type": "T", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "validation_error"),
        (b"[" * 100_000 + b"]" * 100_000, "validation_error"),
        (b'[{"event_type": "T", "data": "???", "content_type": "image/jpeg"}]', "validation_error"),
        (b'[{"event_type": "T", "data": 5, "content_type": "image/jpeg"}]', "validation_error"),
        (b'[{"event_type": "T", "data": "AA==", "content_type": "\\n"}]', "invalid_argument"),
        (b'[{"event_type": ""}]', "invalid_argument"),
        (b'[{"event_type": "a\\u0000b"}]', "invalid_argument"),
        (b'[{"event_type": "T", "event_id": "5"}]', "invalid_argument"),
        (b'[{"event_type": "T", "event_id": 5}]', "validation_error"),
    ],
)
async def test_append_refuses_malformed_bodies(tmp_path: Path, body: bytes, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.post(f"{ORDERS}/streams/s/events", content=body), 400, code)
        assert (await client.get(f"{ORDERS}/streams/s/version")).json() == {"version": -1}


async def test_append_refuses_a_second_event_with_the_first(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        answer = await client.post(f"{ORDERS}/streams/s/events", json=[EVENT, {"event_type": ""}])
        failure(answer, 400, "invalid_argument")
        assert (await client.get(f"{ORDERS}/events")).json()["events"] == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/stores/nowhere/streams/s/events", 404, "store_not_found"),
        ("/v1/stores/no%20where/streams/s/events", 400, "invalid_argument"),
        ("/v1/stores/orders/streams/$s/events", 400, "invalid_argument"),
        ("/v1/stores/orders/streams/a%00b/events", 400, "invalid_argument"),
        ("/v1/stores/orders/streams/%FF/events", 400, "invalid_argument"),
        (f"/v1/stores/orders/streams/{'x' * 256}/events", 400, "invalid_argument"),
    ],
)
async def test_append_refuses_wrong_names(tmp_path: Path, path: str, status: int, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.post(path, json=[EVENT]), status, code)


@pytest.mark.parametrize("stream", ["a%2Fb", "a%2520b", "%E2%82%AC", "a+b", "..%2F..", "a%3Fb", "x" * 255])
async def test_stream_ids_may_hold_any_visible_character(tmp_path: Path, stream: str) -> None:
    from urllib.parse import unquote

    async with served(tmp_path) as client:
        await append(client, stream, "A")
        assert (await client.get(f"{ORDERS}/streams")).json()["streams"] == [unquote(stream)]
        assert len((await client.get(f"{ORDERS}/streams/{stream}/events")).json()["events"]) == 1


async def test_append_to_several_streams_is_one_step(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "account-2", "Opened")
        body = {
            "appends": [
                {"stream_id": "account-1", "events": [EVENT], "expected_version": "no_stream"},
                {"stream_id": "account-2", "events": [EVENT, EVENT], "expected_version": 0},
            ],
            "guards": [{"stream_id": "bank", "expected_version": -1}],
        }
        answer = await client.post(f"{ORDERS}/append", json=body)
        assert answer.status_code == 201
        assert [result["version"] for result in answer.json()["results"]] == [0, 2]
        details = failure(await client.post(f"{ORDERS}/append", json=body), 409, "wrong_expected_version")
        assert details == {"stream_id": "account-1", "expected": -1, "actual": 0}
        assert (await client.get(f"{ORDERS}/streams/account-2/version")).json()["version"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"appends": []}, "invalid_argument"),
        ({"appends": [{"stream_id": "a", "events": []}, {"stream_id": "a", "events": []}]}, "invalid_argument"),
        ({"appends": [{"stream_id": "a", "events": [], "expected_version": "later"}]}, "invalid_argument"),
        ({"appends": [{"stream_id": "a", "events": [], "expected_version": True}]}, "validation_error"),
        ({"appends": [{"stream_id": "a"}]}, "validation_error"),
        ({"appends": [{"stream_id": "a", "events": []}], "guard": []}, "validation_error"),
        ({"appends": [{"stream_id": "a", "events": []}], "guards": [{"stream_id": "b"}]}, "validation_error"),
    ],
)
async def test_append_to_several_streams_refuses_malformed_bodies(tmp_path: Path, body: Any, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.post(f"{ORDERS}/append", json=body), 400, code)
