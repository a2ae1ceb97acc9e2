"""The API over HTTP, as a client that knows nothing but the documented routes, with the methods of GaterApi."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec
import pytest

import gater
from gater import (
    ANY,
    Event,
    GaterError,
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

JSON = "application/json"
NDJSON = "application/x-ndjson"


class HttpApi:
    """One store server by its address; `client` is for the test's own loop."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def list_stores(self) -> list[StoreInfo]:
        found = await self._call("GET", "/v1/stores")
        return [msgspec.convert(store, StoreInfo) for store in found["stores"]]

    async def create_store(
        self, store: str, *, in_memory: bool = False, description: str = "", tags: Iterable[str] = ()
    ) -> StoreConfig:
        body = {"store": store, "in_memory": in_memory, "description": description, "tags": list(tags)}
        return msgspec.convert(await self._call("POST", "/v1/stores", body=body), StoreConfig)

    async def remove_store(self, store: str) -> None:
        assert await self._call("DELETE", _store(store)) is None

    async def get_store_status(self, store: str) -> StoreStatus:
        return msgspec.convert(await self._call("GET", _store(store) + "/status"), StoreStatus)

    async def get_store_config(self, store: str) -> StoreConfig:
        return msgspec.convert(await self._call("GET", _store(store) + "/config"), StoreConfig)

    async def append_events(self, store: str, stream_id: str, events: Any, expected_version: Any = ANY) -> WriteResult:
        headers = {"Gater-Expected-Version": _text(expected_version)}
        answer = await self._call("POST", _stream(store, stream_id) + "/events", body=_bodies(events), headers=headers)
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
        answer = await self._call("POST", _store(store) + "/append", body=body)
        return [WriteResult(**result) for result in answer["results"]]

    async def get_events(
        self,
        store: str,
        stream_id: str,
        start_version: Any = 0,
        count: Any = 100,
        direction: Any = "forward",
        *,
        after_position: Any = 0,
    ) -> list[Event]:
        events: list[Event] = []
        start, left = start_version, count
        while True:
            parameters = {
                "start_version": _text(start),
                "count": _text(left),
                "direction": _text(direction),
                "after_position": _text(after_position),
            }
            page = await self._call("GET", _stream(store, stream_id) + "/events", parameters=parameters)
            events += [_event(event) for event in page["events"]]
            if page["next"] is None:
                return events
            left -= abs(page["next"] - start)
            start = page["next"]
            if left < 1:
                return events

    async def stream_forward(
        self, store: str, stream_id: str, start_version: Any = 0, count: Any = None
    ) -> AsyncGenerator[Event, None]:
        parameters = {"start_version": _text(start_version), "direction": "forward"}
        if count is not None:
            parameters["count"] = _text(count)
        async for event in self._lines(_stream(store, stream_id) + "/events", parameters):
            yield event

    async def stream_backward(
        self, store: str, stream_id: str, start_version: Any = None, count: Any = None
    ) -> AsyncGenerator[Event, None]:
        parameters = {"direction": "backward"}
        if start_version is not None:
            parameters["start_version"] = _text(start_version)
        if count is not None:
            parameters["count"] = _text(count)
        async for event in self._lines(_stream(store, stream_id) + "/events", parameters):
            yield event

    async def read_all(
        self, store: str, after: Any = 0, count: Any = 100, direction: Any = "forward", *, after_position: Any = 0
    ) -> list[Event]:
        if after is None and direction == "forward":
            pytest.skip("over HTTP an absent `after` is the beginning")
        events: list[Event] = []
        begin, left = after, count
        while True:
            parameters = {"count": _text(left), "direction": _text(direction), "after_position": _text(after_position)}
            if begin is not None:
                parameters["after"] = _text(begin)
            page = await self._call("GET", _store(store) + "/events", parameters=parameters)
            events += [_event(event) for event in page["events"]]
            if page["next"] is None:
                return events
            left -= len(page["events"])
            begin = page["next"]
            if left < 1:
                return events

    async def stream_all(
        self, store: str, after: Any = 0, direction: Any = "forward", *, after_position: Any = 0
    ) -> AsyncGenerator[Event, None]:
        parameters = {"direction": _text(direction), "after_position": _text(after_position)}
        if after is not None:
            parameters["after"] = _text(after)
        async for event in self._lines(_store(store) + "/events", parameters):
            yield event

    async def get_version(self, store: str, stream_id: str, *, after_position: Any = 0) -> int:
        parameters = {"after_position": _text(after_position)}
        answer = await self._call("GET", _stream(store, stream_id) + "/version", parameters=parameters)
        return int(answer["version"])

    async def get_streams(self, store: str, prefix: Any = None, after: Any = None, limit: Any = None) -> list[str]:
        if type(limit) is int and limit > 10_000:
            pytest.skip("over HTTP a list has at most 10,000 streams")
        found: list[str] = []
        given = {"prefix": prefix, "after": after, "limit": limit}
        while True:
            parameters = {name: _text(value, may_be_empty=True) for name, value in given.items() if value is not None}
            page = await self._call("GET", _store(store) + "/streams", parameters=parameters)
            found += page["streams"]
            if page["next"] is None or limit is not None:
                return found
            given["after"] = page["next"]

    async def delete_stream(
        self, store: str, stream_id: str, expected_version: Any = ANY, *, tombstone: bool = False
    ) -> WriteResult:
        parameters = {"expected_version": _text(expected_version), "tombstone": str(tombstone).lower()}
        return WriteResult(**await self._call("DELETE", _stream(store, stream_id), parameters=parameters))

    async def truncate_stream(self, store: str, stream_id: str, before_version: Any) -> WriteResult:
        if type(before_version) is not int:
            pytest.skip("over HTTP a field of another type is a validation_error")
        body = {"before_version": before_version}
        answer = await self._call("POST", _stream(store, stream_id) + "/truncate", body=body)
        return WriteResult(**answer)

    async def compact_store(self, store: str) -> int:
        return int((await self._call("POST", _store(store) + "/compact"))["removed"])

    async def import_events(self, store: str, events: Iterable[Mapping[str, Any]]) -> int:
        lines = b"".join(_encode({**event, "data": _json_data(event)}) + b"\n" for event in events)
        answer = await self._call("POST", _store(store) + "/import", raw=lines, media_type=NDJSON)
        return int(answer["imported"])

    async def record_snapshot(
        self, store: str, source_uuid: str, stream_uuid: str, version: Any, snapshot_record: Any
    ) -> WriteResult:
        body = snapshot_record
        if isinstance(snapshot_record, Mapping):
            body = {**snapshot_record}
            if isinstance(body.get("data"), bytes):
                body["content_type"] = body.get("content_type") or "application/octet-stream"
                body["data"] = _json_data(body)
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
        parameters = {name: _text(value, may_be_empty=True) for name, value in given.items() if value is not None}
        found = await self._call("GET", _store(store) + "/snapshots", parameters=parameters)
        return [_shown_snapshot(snapshot) for snapshot in found["snapshots"]]

    async def subscribe(
        self, store: str, type: Any = "by_stream", selector: Any = "$all", start_from: Any = 0
    ) -> AsyncGenerator[Event, None]:
        parameters = {"type": _text(type), "selector": _text(selector), "start_from": _text(start_from)}
        async for kind, identity, data in self._messages(_store(store) + "/subscribe", parameters):
            if kind == "error":
                _fail(data)
            event = _event(data)
            assert identity == str(event.position if selector == "$all" else event.version)
            yield event

    async def verify(self, store: str) -> VerifyReport:
        shown = await self._call("POST", _store(store) + "/verify")
        report = msgspec.convert({name: value for name, value in shown.items() if name != "ok"}, VerifyReport)
        assert shown["ok"] == report.ok
        return report

    async def backup(self, store: str, path: Any) -> int:
        async with self._client.stream("GET", _store(store) + "/backup") as response:
            await _check(response)
            copied = b"".join([chunk async for chunk in response.aiter_bytes()])
        await asyncio.to_thread(Path(path).write_bytes, copied)
        return len(copied)

    # --- requests ---

    async def _call(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: Any = msgspec.UNSET,
        raw: bytes | None = None,
        media_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        content = raw if body is msgspec.UNSET else _encode(body)
        sent = {**(headers or {}), **({} if content is None else {"Content-Type": media_type})}
        response = await self._client.request(method, path, params=parameters, content=content, headers=sent)
        await _check(response)
        if response.status_code == 204:
            assert response.content == b""
            return None
        assert response.headers["content-type"].split(";")[0] == JSON
        return msgspec.json.decode(response.content)

    async def _lines(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[Event]:
        async with self._client.stream("GET", path, params=parameters, headers={"Accept": NDJSON}) as response:
            await _check(response)
            assert response.headers["content-type"].split(";")[0] == NDJSON
            async for line in _split(response, b"\n"):
                shown = msgspec.json.decode(line)
                if "error" in shown:
                    _fail(shown)
                yield _event(shown)

    async def _messages(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[tuple[str, str, Any]]:
        async with self._client.stream("GET", path, params=parameters) as response:
            await _check(response)
            assert response.headers["content-type"].split(";")[0] == "text/event-stream"
            async for block in _split(response, b"\n\n"):
                fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
                if b"data" in fields:
                    identity = fields.get(b"id", b"").decode()
                    yield fields.get(b"event", b"").decode(), identity, msgspec.json.decode(fields[b"data"])


async def _split(response: httpx.Response, end: bytes) -> AsyncIterator[bytes]:
    rest = bytearray()
    async for part in response.aiter_bytes():
        rest += part
        *whole, tail = bytes(rest).split(end) if end in part or end in rest[-len(part) - 1 :] else [bytes(rest)]
        rest = bytearray(tail)
        for piece in whole:
            if piece:
                yield piece
    if rest:
        yield bytes(rest)


async def _check(response: httpx.Response) -> None:
    if response.status_code >= 400:
        await response.aread()
        _fail(msgspec.json.decode(response.content))


def _classes(root: type[GaterError]) -> list[type[GaterError]]:
    return [root, *[found for below in root.__subclasses__() for found in _classes(below)]]


_BY_CODE = {kind.code: kind for kind in _classes(GaterError) if not kind.__subclasses__() or kind.code == "not_found"}


def _fail(shown: Any) -> NoReturn:
    facts = shown["error"]
    assert set(facts) == {"code", "message", "details"}
    raise _BY_CODE[facts["code"]](message=facts["message"], **facts["details"])


# --- paths and values ---


def _text(value: Any, *, may_be_empty: bool = False) -> str:
    """A value as text of a query or header; what would become another value there cannot be tried over HTTP."""
    is_another = isinstance(value, str) and (not (value or may_be_empty) or re.fullmatch(r"-?\d+", value))
    if value is None or is_another or (isinstance(value, float) and value.is_integer()):
        pytest.skip("a query has only text")
    return str(value)


def _part(value: Any) -> str:
    if value in ("", ".", "..") or type(value) not in (str, int, float):
        pytest.skip("a path has no such part")
    try:
        return quote(str(value), safe="")
    except UnicodeEncodeError:
        pytest.skip("a path has no such part")


def _store(store: str) -> str:
    if type(store) is int:
        pytest.skip("a path has only text")
    return f"/v1/stores/{_part(store)}"


def _stream(store: str, stream_id: str) -> str:
    return f"{_store(store)}/streams/{_part(stream_id)}"


def _snapshot(store: str, source_uuid: str, stream_uuid: str, version: Any) -> str:
    path = f"{_store(store)}/snapshots/{_part(source_uuid)}/{_part(stream_uuid)}"
    return path if version is None else f"{path}/{_part(version)}"


def _encode(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError):
        pytest.skip("JSON has no such value")


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
            event = {**event, "content_type": content_type, "data": _json_data({**event, "content_type": content_type})}
    return event


def _json_data(event: Mapping[str, Any]) -> Any:
    data = event.get("data")
    if not isinstance(data, bytes | bytearray | memoryview):
        return data
    if event.get("content_type") == JSON:
        pytest.skip("a JSON body cannot hold what is not JSON")
    return b64encode(bytes(data)).decode()


def _raw(shown: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(shown["data"]) if shown["content_type"] == JSON else b64decode(shown["data"])


def _event(shown: Mapping[str, Any]) -> Event:
    raw_metadata = msgspec.json.encode(shown["metadata"]) if shown["metadata"] else None
    event = Event(
        shown["stream_id"],
        shown["version"],
        shown["position"],
        UUID(shown["event_id"]).bytes,
        shown["event_type"],
        shown["content_type"],
        _raw(shown),
        raw_metadata,
        shown["created_epoch"],
    )
    assert datetime.fromisoformat(shown["created"]) == event.created
    assert set(shown) == set(gater.Event.to_dict(event))
    return event


def _shown_snapshot(shown: Mapping[str, Any]) -> Snapshot:
    snapshot = Snapshot(
        shown["source_uuid"],
        shown["stream_uuid"],
        shown["version"],
        shown["content_type"],
        _raw(shown),
        msgspec.json.encode(shown["metadata"]) if shown["metadata"] else None,
        shown["source_type"],
        shown["source_version"],
        shown["created_epoch"],
    )
    assert datetime.fromisoformat(shown["created_at"]) == snapshot.created_at
    return snapshot
