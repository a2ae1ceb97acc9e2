"""Requests to the documented routes, and how values travel in their paths, queries and bodies."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec
import pytest

from gater import Event, GaterError

JSON = "application/json"
NDJSON = "application/x-ndjson"


class HttpRequests:
    """One server by its address; `client` is for the test's own loop."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

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
        content = raw if body is msgspec.UNSET else as_json(body)
        sent = {**(headers or {}), **({} if content is None else {"Content-Type": media_type})}
        response = await self._client.request(method, path, params=parameters, content=content, headers=sent)
        await check_answer(response)
        if response.status_code == 204:
            assert response.content == b""
            return None
        assert response.headers["content-type"].split(";")[0] == JSON
        return msgspec.json.decode(response.content)

    async def _lines(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[Event]:
        async with self._client.stream("GET", path, params=parameters, headers={"Accept": NDJSON}) as response:
            await check_answer(response)
            assert response.headers["content-type"].split(";")[0] == NDJSON
            async for line in split(response, b"\n"):
                shown = msgspec.json.decode(line)
                if "error" in shown:
                    raise_shown(shown)
                yield event_of(shown)

    async def _messages(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[tuple[str, str, Any]]:
        async with self._client.stream("GET", path, params=parameters) as response:
            await check_answer(response)
            assert response.headers["content-type"].split(";")[0] == "text/event-stream"
            async for block in split(response, b"\n\n"):
                fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
                if b"data" in fields:
                    identity = fields.get(b"id", b"").decode()
                    yield fields.get(b"event", b"").decode(), identity, msgspec.json.decode(fields[b"data"])


async def split(response: httpx.Response, end: bytes) -> AsyncIterator[bytes]:
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


async def check_answer(response: httpx.Response) -> None:
    if response.status_code >= 400:
        await response.aread()
        raise_shown(msgspec.json.decode(response.content))


def _classes(root: type[GaterError]) -> list[type[GaterError]]:
    return [root, *[found for below in root.__subclasses__() for found in _classes(below)]]


_BY_CODE = {kind.code: kind for kind in _classes(GaterError) if not kind.__subclasses__() or kind.code == "not_found"}


def raise_shown(shown: Any) -> NoReturn:
    facts = shown["error"]
    assert set(facts) == {"code", "message", "details"}
    raise _BY_CODE[facts["code"]](message=facts["message"], **facts["details"])


def as_text(value: Any, *, may_be_empty: bool = False) -> str:
    """A value as text of a query or header; what would become another value there cannot be tried over HTTP."""
    is_another = isinstance(value, str) and (not (value or may_be_empty) or re.fullmatch(r"-?\d+", value))
    if value is None or is_another or (isinstance(value, float) and value.is_integer()):
        pytest.skip("a query has only text")
    return str(value)


def path_part(value: Any) -> str:
    if value in ("", ".", "..") or type(value) not in (str, int, float):
        pytest.skip("a path has no such part")
    try:
        return quote(str(value), safe="")
    except UnicodeEncodeError:
        pytest.skip("a path has no such part")


def store_path(store: str) -> str:
    if type(store) is int:
        pytest.skip("a path has only text")
    return f"/v1/stores/{path_part(store)}"


def stream_path(store: str, stream_id: str) -> str:
    return f"{store_path(store)}/streams/{path_part(stream_id)}"


def as_json(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError):
        pytest.skip("JSON has no such value")


def json_data(event: Mapping[str, Any]) -> Any:
    data = event.get("data")
    if not isinstance(data, bytes | bytearray | memoryview):
        return data
    if event.get("content_type") == JSON:
        pytest.skip("a JSON body cannot hold what is not JSON")
    return b64encode(bytes(data)).decode()


def raw_of(shown: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(shown["data"]) if shown["content_type"] == JSON else b64decode(shown["data"])


def event_of(shown: Mapping[str, Any]) -> Event:
    raw_metadata = msgspec.json.encode(shown["metadata"]) if shown["metadata"] else None
    event = Event(
        shown["stream_id"],
        shown["version"],
        shown["position"],
        UUID(shown["event_id"]).bytes,
        shown["event_type"],
        shown["content_type"],
        raw_of(shown),
        raw_metadata,
        shown["created_epoch"],
    )
    assert datetime.fromisoformat(shown["created"]) == event.created
    assert set(shown) == set(Event.to_dict(event))
    return event
