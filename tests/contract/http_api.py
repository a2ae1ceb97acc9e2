"""The API over HTTP, as a client that knows nothing but the documented routes, with the methods of GaterApi."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gater import (
    ANY,
    Event,
    NewEvent,
    Snapshot,
    StoreConfig,
    StoreInfo,
    StoreStatus,
    StreamAppend,
    StreamGuard,
    VerifyReport,
    WriteResult,
)
from tests.contract.http_pubsub import HttpPubSub
from tests.contract.http_requests import (
    NDJSON,
    as_json,
    as_text,
    check_answer,
    event_of,
    json_data,
    path_part,
    raw_of,
    store_path,
    stream_path,
)
from tests.contract.http_subscriptions import HttpSubscriptions, where_text
from tests.contract.http_telemetry import HttpTelemetry


class HttpApi(HttpSubscriptions, HttpPubSub, HttpTelemetry):
    """One store server by its address; `client` is for the test's own loop."""

    async def list_stores(self) -> list[StoreInfo]:
        found = await self._call("GET", "/v1/stores")
        return [msgspec.convert(store, StoreInfo) for store in found["stores"]]

    async def create_store(
        self, store: str, *, in_memory: bool = False, description: str = "", tags: Iterable[str] = ()
    ) -> StoreConfig:
        body = {"store": store, "in_memory": in_memory, "description": description, "tags": list(tags)}
        return msgspec.convert(await self._call("POST", "/v1/stores", body=body), StoreConfig)

    async def remove_store(self, store: str) -> None:
        assert await self._call("DELETE", store_path(store), parameters={"confirm": store}) is None

    async def get_store_status(self, store: str) -> StoreStatus:
        return msgspec.convert(await self._call("GET", store_path(store) + "/status"), StoreStatus)

    async def get_store_config(self, store: str) -> StoreConfig:
        return msgspec.convert(await self._call("GET", store_path(store) + "/config"), StoreConfig)

    async def append_events(self, store: str, stream_id: str, events: Any, expected_version: Any = ANY) -> WriteResult:
        headers = {"Gater-Expected-Version": as_text(expected_version)}
        answer = await self._call(
            "POST", stream_path(store, stream_id) + "/events", body=_bodies(events), headers=headers
        )
        return WriteResult(**answer)

    async def append_streams(
        self, store: str, appends: Iterable[StreamAppend], guards: Iterable[StreamGuard] = ()
    ) -> list[WriteResult]:
        body = {
            "appends": [
                {"stream_id": a.stream_id, "events": _bodies(a.events), "expected_version": a.expected_version}
                for a in appends
            ],
            "guards": [{"stream_id": g.stream_id, "expected_version": g.expected_version} for g in guards],
        }
        answer = await self._call("POST", store_path(store) + "/append", body=body)
        return [WriteResult(**result) for result in answer["results"]]

    async def get_events(
        self,
        store: str,
        stream_id: str,
        start_version: Any = None,
        count: Any = None,
        direction: Any = "forward",
        *,
        after_position: Any = 0,
        history: Any = None,
    ) -> list[Event]:
        events: list[Event] = []
        start, left = start_version, count
        while True:
            parameters = {"direction": as_text(direction), "after_position": as_text(after_position), **_known(history)}
            if start is not None:
                parameters["start_version"] = as_text(start)
            if left is not None:
                parameters["count"] = as_text(left)
            page = await self._call("GET", stream_path(store, stream_id) + "/events", parameters=parameters)
            events += [event_of(event) for event in page["events"]]
            if page["next"] is None:
                return events
            start = page["next"]
            if left is not None:
                left -= len(page["events"])
                if left < 1:
                    return events

    async def stream_forward(
        self, store: str, stream_id: str, start_version: Any = 0, count: Any = None, *, history: Any = None
    ) -> AsyncGenerator[Event, None]:
        parameters = {"start_version": as_text(start_version), "direction": "forward", **_known(history)}
        if count is not None:
            parameters["count"] = as_text(count)
        async for event in self._lines(stream_path(store, stream_id) + "/events", parameters):
            yield event

    async def stream_backward(
        self, store: str, stream_id: str, start_version: Any = None, count: Any = None, *, history: Any = None
    ) -> AsyncGenerator[Event, None]:
        parameters = {"direction": "backward", **_known(history)}
        if start_version is not None:
            parameters["start_version"] = as_text(start_version)
        if count is not None:
            parameters["count"] = as_text(count)
        async for event in self._lines(stream_path(store, stream_id) + "/events", parameters):
            yield event

    async def read_all(
        self,
        store: str,
        after: Any = None,
        count: Any = None,
        direction: Any = "forward",
        *,
        selector: Any = None,
        after_position: Any = 0,
        history: Any = None,
    ) -> list[Event]:
        events: list[Event] = []
        begin, left = after, count
        while True:
            parameters = {"direction": as_text(direction), "after_position": as_text(after_position), **_known(history)}
            if left is not None:
                parameters["count"] = as_text(left)
            if selector is not None:
                parameters["where"] = where_text(selector)
            if begin is not None:
                parameters["after"] = as_text(begin)
            page = await self._call("GET", store_path(store) + "/events", parameters=parameters)
            events += [event_of(event) for event in page["events"]]
            if page["next"] is None:
                return events
            begin = page["next"]
            if left is not None:
                left -= len(page["events"])
                if left < 1:
                    return events

    async def stream_all(
        self,
        store: str,
        after: Any = None,
        direction: Any = "forward",
        *,
        selector: Any = None,
        after_position: Any = 0,
        history: Any = None,
    ) -> AsyncGenerator[Event, None]:
        parameters = {"direction": as_text(direction), "after_position": as_text(after_position), **_known(history)}
        if selector is not None:
            parameters["where"] = where_text(selector)
        if after is not None:
            parameters["after"] = as_text(after)
        async for event in self._lines(store_path(store) + "/events", parameters):
            yield event

    async def get_version(self, store: str, stream_id: str, *, after_position: Any = 0) -> int:
        parameters = {"after_position": as_text(after_position)}
        answer = await self._call("GET", stream_path(store, stream_id) + "/version", parameters=parameters)
        return int(answer["version"])

    async def get_streams(self, store: str, prefix: Any = None, after: Any = None, limit: Any = None) -> list[str]:
        if type(limit) is int and limit > 10_000:
            pytest.skip("over HTTP a list has at most 10,000 streams")
        found: list[str] = []
        given = {"prefix": prefix, "after": after, "limit": limit}
        while True:
            parameters = {name: as_text(value, may_be_empty=True) for name, value in given.items() if value is not None}
            page = await self._call("GET", store_path(store) + "/streams", parameters=parameters)
            found += page["streams"]
            if page["next"] is None or limit is not None:
                return found
            given["after"] = page["next"]

    async def delete_stream(
        self, store: str, stream_id: str, expected_version: Any = ANY, *, tombstone: bool = False
    ) -> WriteResult:
        parameters = {
            "confirm": stream_id,
            "expected_version": as_text(expected_version),
            "tombstone": str(tombstone).lower(),
        }
        return WriteResult(**await self._call("DELETE", stream_path(store, stream_id), parameters=parameters))

    async def truncate_stream(self, store: str, stream_id: str, before_version: Any) -> WriteResult:
        if type(before_version) is not int:
            pytest.skip("over HTTP a field of another type is a validation_error")
        body = {"before_version": before_version}
        answer = await self._call("POST", stream_path(store, stream_id) + "/truncate", body=body)
        return WriteResult(**answer)

    async def compact_store(self, store: str) -> int:
        return int((await self._call("POST", store_path(store) + "/compact"))["removed"])

    async def import_events(self, store: str, events: Iterable[Mapping[str, Any]]) -> int:
        lines = b"".join(as_json({**event, "data": json_data(event)}) + b"\n" for event in events)
        answer = await self._call("POST", store_path(store) + "/import", raw=lines, media_type=NDJSON)
        return int(answer["imported"])

    async def record_snapshot(
        self, store: str, source_uuid: str, stream_uuid: str, version: Any, snapshot_record: Any
    ) -> WriteResult:
        body = snapshot_record
        if isinstance(snapshot_record, Mapping):
            body = {**snapshot_record}
            if isinstance(body.get("data"), bytes):
                body["content_type"] = body.get("content_type") or "application/octet-stream"
                body["data"] = json_data(body)
        path = _snapshot(store, source_uuid, stream_uuid, version)
        return WriteResult(**await self._call("PUT", path, body=body))

    async def read_snapshot(self, store: str, source_uuid: str, stream_uuid: str, version: Any = None) -> Snapshot:
        return _shown_snapshot(await self._call("GET", _snapshot(store, source_uuid, stream_uuid, version)))

    async def delete_snapshot(self, store: str, source_uuid: str, stream_uuid: str, version: Any) -> None:
        assert await self._call("DELETE", _snapshot(store, source_uuid, stream_uuid, version)) is None

    async def list_snapshots(
        self, store: str, source_uuid: str | None = None, stream_uuid: str | None = None
    ) -> list[Snapshot]:
        given = {"source_uuid": source_uuid, "stream_uuid": stream_uuid}
        parameters = {name: as_text(value, may_be_empty=True) for name, value in given.items() if value is not None}
        found = await self._call("GET", store_path(store) + "/snapshots", parameters=parameters)
        return [_shown_snapshot(snapshot) for snapshot in found["snapshots"]]

    async def verify(self, store: str) -> VerifyReport:
        shown = await self._call("POST", store_path(store) + "/verify")
        report = msgspec.convert({name: value for name, value in shown.items() if name != "ok"}, VerifyReport)
        assert shown["ok"] == report.ok
        return report

    async def backup(self, store: str, path: Any) -> int:
        async with self._client.stream("GET", store_path(store) + "/backup") as response:
            await check_answer(response)
            copied = b"".join([chunk async for chunk in response.aiter_bytes()])
        await asyncio.to_thread(Path(path).write_bytes, copied)
        return len(copied)


def _known(history: Any) -> dict[str, str]:
    return {} if history is None else {"history": as_text(history)}


def _snapshot(store: str, source_uuid: str, stream_uuid: str, version: Any) -> str:
    path = f"{store_path(store)}/snapshots/{path_part(source_uuid)}/{path_part(stream_uuid)}"
    return path if version is None else f"{path}/{path_part(version)}"


def _bodies(events: Any) -> Any:
    return [_body(event) for event in events] if isinstance(events, list | tuple) else events


def _body(event: Any) -> Any:
    if isinstance(event, NewEvent):
        event = {name: getattr(event, name) for name in event.__struct_fields__}
        event = {name: value for name, value in event.items() if value is not None or name == "data"}
    if isinstance(event, Mapping):
        if event.get("event_id") is None and "event_id" in event:
            event = {name: value for name, value in event.items() if name != "event_id"}
        if isinstance(event.get("data"), bytes | bytearray | memoryview):
            content_type = event.get("content_type") or "application/octet-stream"
            event = {**event, "content_type": content_type, "data": json_data({**event, "content_type": content_type})}
    return event


def _shown_snapshot(shown: Mapping[str, Any]) -> Snapshot:
    snapshot = Snapshot(
        shown["source_uuid"],
        shown["stream_uuid"],
        shown["version"],
        shown["content_type"],
        raw_of(shown),
        msgspec.json.encode(shown["metadata"]) if shown["metadata"] else None,
        shown["source_type"],
        shown["source_version"],
        shown["created_epoch"],
    )
    assert datetime.fromisoformat(shown["created_at"]) == snapshot.created_at
    return snapshot
