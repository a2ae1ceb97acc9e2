"""Stores over HTTP: making, removing, status, verification, import and backup."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import gater
from tests.integration.served import ORDERS, append, client_of, failure, node, served

LINES = {"Accept": "application/x-ndjson"}


async def test_stores_are_made_listed_and_removed(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        body = {"store": "billing", "description": "bills", "tags": ["money"]}
        answer = await client.post("/v1/stores", json=body)
        assert answer.status_code == 201
        assert answer.json()["store_id"] == "billing"
        assert failure(await client.post("/v1/stores", json=body), 409, "already_exists")["name"] == "billing"
        listed = (await client.get("/v1/stores")).json()["stores"]
        assert [each["store"]["store_id"] for each in listed] == ["billing", "orders"]
        assert listed[0]["store"]["tags"] == ["money"]
        answer = await client.delete("/v1/stores/billing?confirm=billing")
        assert (answer.status_code, answer.content) == (204, b"")
        failure(await client.delete("/v1/stores/billing?confirm=billing"), 404, "store_not_found")
        assert not (tmp_path / "data" / "billing.db").exists()


async def test_store_in_memory_says_so(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await client.post("/v1/stores", json={"store": "scratch", "in_memory": True})
        assert (await append(client, "s", "T", store="scratch"))["durability"] == "memory"
        assert (await client.get("/v1/stores/scratch/config")).json()["db_type"] == "memory"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"store": "or/ders"}, "invalid_argument"),
        ({"store": ""}, "invalid_argument"),
        ({"store": 5}, "validation_error"),
        ({}, "validation_error"),
        ({"store": "x", "in_memory": "yes"}, "validation_error"),
        ({"store": "x", "kind": "memory"}, "validation_error"),
        ([], "validation_error"),
    ],
)
async def test_store_with_a_wrong_description_is_refused(tmp_path: Path, body: Any, code: str) -> None:
    async with served(tmp_path) as client:
        failure(await client.post("/v1/stores", json=body), 400, code)


async def test_store_tells_its_status_and_config(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "s", "A", "B")
        status = (await client.get(f"{ORDERS}/status")).json()
        assert (status["state"], status["durability"], status["position"]) == ("running", "fsync", 2)
        config = (await client.get(f"{ORDERS}/config")).json()
        assert (await client.get(ORDERS)).json() == {"config": config, "status": status}


async def test_verification_reports_what_it_saw(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "s", "A", "B")
        report = (await client.post(f"{ORDERS}/verify")).json()
        assert (report["ok"], report["events"], report["streams"], report["problems"]) == (True, 2, 1, [])


async def test_export_is_imported_with_ids_versions_and_times(tmp_path: Path) -> None:
    async with served(tmp_path, stores=("orders", "copy")) as client:
        await append(client, "a", *["T"] * 1_500)
        photo = {"event_type": "Photo", "data": "AAH/", "content_type": "image/jpeg", "metadata": {"by": "me"}}
        await client.post(f"{ORDERS}/streams/b/events", json=[photo])
        exported = (await client.get(f"{ORDERS}/events", headers=LINES)).content
        answer = await client.post("/v1/stores/copy/import", content=exported)
        assert (answer.status_code, answer.json()) == (200, {"received": 1_501, "imported": 1_501})
        assert (await client.get("/v1/stores/copy/events", headers=LINES)).content == exported
        again = await client.post("/v1/stores/copy/import", content=exported)
        assert again.json() == {"received": 1_501, "imported": 0}


async def test_import_takes_any_division_into_parts(tmp_path: Path) -> None:
    async with served(tmp_path, stores=("orders", "copy")) as client:
        await append(client, "a", *["T"] * 20)
        exported = (await client.get(f"{ORDERS}/events", headers=LINES)).content

        async def bytewise() -> AsyncIterator[bytes]:
            for start in range(0, len(exported), 37):
                yield exported[start : start + 37]
            yield b"\n\n"

        answer = await client.post("/v1/stores/copy/import", content=bytewise())
        assert answer.json() == {"received": 20, "imported": 20}


LINE = {
    "stream_id": "s",
    "version": 0,
    "event_id": "018f0000-0000-7000-8000-000000000001",
    "event_type": "T",
    "data": {},
    "created_epoch": 1_700_000_000_000_000,
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": "0"}, "validation_error"),
        ({"version": -1}, "validation_error"),
        ({"created_epoch": -5}, "validation_error"),
        ({"stream_id": "$all"}, "invalid_argument"),
        ({"event_id": "x"}, "invalid_argument"),
        ({"extra": 1}, "validation_error"),
    ],
)
async def test_import_refuses_a_wrong_line_and_says_which(tmp_path: Path, change: Any, code: str) -> None:
    async with served(tmp_path) as client:
        body = "\n".join(json.dumps(line) for line in (LINE, {**LINE, **change})).encode()
        assert failure(await client.post(f"{ORDERS}/import", content=body), 400, code)["line"] == 2


async def test_import_refuses_a_version_that_contradicts(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await client.post(f"{ORDERS}/import", json=LINE)).json() == {"received": 1, "imported": 1}
        other = {**LINE, "event_id": "018f0000-0000-7000-8000-000000000002"}
        failure(await client.post(f"{ORDERS}/import", json=other), 409, "wrong_expected_version")


async def test_import_refuses_an_endless_line_while_it_comes_in(tmp_path: Path) -> None:
    async with served(tmp_path, max_event_bytes=1_000) as client:

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(1_000):
                yield b"x" * 1_000

        failure(await client.post(f"{ORDERS}/import", content=endless()), 413, "request_too_large")


async def test_backup_is_a_store_file(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await append(client, "s", "A", "B")
        answer = await client.get(f"{ORDERS}/backup")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == 'attachment; filename="orders.db"'
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "orders.db").write_bytes(answer.content)
    async with gater.open(tmp_path / "restored") as api:
        assert [event.event_type for event in await api.read_all("orders")] == ["A", "B"]


async def test_backup_of_an_unknown_store_is_not_found(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        failure(await client.get("/v1/stores/nowhere/backup"), 404, "store_not_found")
        failure(await client.get("/v1/stores/..%2F/backup"), 400, "invalid_argument")


async def test_reader_that_leaves_ends_a_long_read(tmp_path: Path) -> None:
    async with node(tmp_path) as running, client_of(running) as client:
        event = {"event_type": "T", "data": "x" * 500_000}
        for _ in range(40):
            await client.post(f"{ORDERS}/streams/s/events", json=[event])
        async with client.stream("GET", f"{ORDERS}/events", headers=LINES) as answer:
            await anext(answer.aiter_raw(100))
        assert (await client.get("/health/ready")).status_code == 200
        async with asyncio.timeout(5):
            assert (await client.get(f"{ORDERS}/streams/s/version")).json() == {"version": 39}


async def test_there_are_at_most_so_many_stores(tmp_path: Path) -> None:
    async with served(tmp_path, max_stores=2) as client:
        made = await asyncio.gather(
            *[client.post("/v1/stores", json={"store": f"s-{n}", "in_memory": n > 1}) for n in range(4)]
        )
        assert sorted(answer.status_code for answer in made) == [201, 503, 503, 503]
        details = failure(await client.post("/v1/stores", json={"store": "more"}), 503, "overloaded")
        assert details == {"what": "stores", "limit": 2}
        failure(await client.post("/v1/stores", json={"store": "orders"}), 409, "already_exists")
        assert (await client.delete("/v1/stores/orders?confirm=orders")).status_code == 204
        assert (await client.post("/v1/stores", json={"store": "more"})).status_code == 201
